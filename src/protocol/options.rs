//! What JOIN may ask for beside a name.

use super::Refusal;

/// In which form a member gets payloads. All else is the same for everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As text made safe, a MSG for each line.
    #[default]
    Text,
    /// As DATA, byte for byte.
    Data,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Text, Self::Data];
}

/// The options of a JOIN. Each is written in lower case, in any order, and once at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// In which form the member gets payloads: `data` for [`Form::Data`].
    pub form: Form,
}

impl JoinOptions {
    /// Reads the words after the name. More than one space between them is no option.
    pub(super) fn parse(words: &[u8]) -> Result<Self, Refusal> {
        let mut options = Self::default();
        for word in words.split(|b| *b == b' ').filter(|word| !word.is_empty()) {
            match word {
                b"data" if options.form == Form::Text => options.form = Form::Data,
                _ => return Err(Refusal::BadOption),
            }
        }
        Ok(options)
    }

    /// Appends the words, a space before each.
    pub(super) fn render(self, out: &mut Vec<u8>) {
        match self.form {
            Form::Text => {}
            Form::Data => out.extend_from_slice(b" data"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_words_and_spaces_are_none() {
        let (text, data) = (JoinOptions::default(), JoinOptions { form: Form::Data });
        for (words, options) in
            [("", text), ("   ", text), ("data", data), ("  data ", data), (" data", data)]
        {
            assert_eq!(JoinOptions::parse(words.as_bytes()), Ok(options), "{words:?}");
        }
    }

    #[test]
    fn an_option_that_is_unknown_or_said_twice_or_in_capitals_is_refused() {
        for words in ["raw", "data data", "data raw", "DATA", "Data", "data=", "\tdata", "id"] {
            assert_eq!(JoinOptions::parse(words.as_bytes()), Err(Refusal::BadOption), "{words:?}");
        }
    }
}
