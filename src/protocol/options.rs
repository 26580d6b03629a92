//! What JOIN may ask for beside a name.

use super::{Id, Refusal, Secret, length};

/// In which form a member gets what all get. All else is the same for everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// Payloads come as DATA, byte for byte; else as text made safe, a MSG for each line.
    pub data: bool,
    /// The id of what happened precedes each line about it.
    pub ids: bool,
}

impl Form {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// All of them, each at its [index](Self::index).
    pub const ALL: [Self; Self::COUNT] = [
        Self { data: false, ids: false },
        Self { data: true, ids: false },
        Self { data: false, ids: true },
        Self { data: true, ids: true },
    ];

    /// Its place among all.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.data) + 2 * usize::from(self.ids)
    }
}

/// The options of a JOIN. Each is written in lower case, in any order, and once at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// `data` and `id`: how the member gets what all get.
    pub form: Form,
    /// `echo`: it gets its own messages, too.
    pub echo: bool,
    /// `last=<n>`: so many of the last messages come first.
    pub last: Option<u64>,
    /// `since=<id>`: those after that id come first.
    pub since: Option<Id>,
    /// `resume=<secret>`: by what it is known, from an earlier time or for a later one.
    pub resume: Option<Secret>,
}

impl JoinOptions {
    /// Reads the words after the name. More than one space between them is no option.
    pub(super) fn parse(words: &[u8]) -> Result<Self, Refusal> {
        let mut options = Self::default();
        for word in words.split(|b| *b == b' ').filter(|word| !word.is_empty()) {
            options.take(word).ok_or(Refusal::BadOption)?;
        }
        Ok(options)
    }

    /// Takes one word in; `None` where it is no option, its value is none, or it has been said.
    fn take(&mut self, word: &[u8]) -> Option<()> {
        let equals = word.iter().position(|b| *b == b'=');
        let Some(equals) = equals else {
            return match word {
                b"data" => once(&mut self.form.data),
                b"id" => once(&mut self.form.ids),
                b"echo" => once(&mut self.echo),
                _ => None,
            };
        };
        let value = &word[equals + 1..];
        match &word[..equals] {
            b"last" => fill(&mut self.last, length(value)),
            b"since" => fill(&mut self.since, Id::parse(value)),
            b"resume" => fill(&mut self.resume, Secret::new(value)),
            _ => None,
        }
    }

    /// Appends the words, a space before each.
    pub(super) fn render(self, out: &mut Vec<u8>) {
        for (said, word) in
            [(self.form.data, " data"), (self.form.ids, " id"), (self.echo, " echo")]
        {
            if said {
                out.extend_from_slice(word.as_bytes());
            }
        }
        let values = [
            self.last.map(|last| format!(" last={last}")),
            self.since.map(|since| format!(" since={since}")),
            self.resume.map(|resume| format!(" resume={}", resume.as_str())),
        ];
        for value in values.into_iter().flatten() {
            out.extend_from_slice(value.as_bytes());
        }
    }
}

fn once(flag: &mut bool) -> Option<()> {
    (!std::mem::replace(flag, true)).then_some(())
}

fn fill<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    let free = place.is_none();
    *place = Some(value?);
    free.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::rendered;

    fn parsed(words: &str) -> Result<JoinOptions, Refusal> {
        JoinOptions::parse(words.as_bytes())
    }

    #[test]
    fn each_form_is_at_its_index() {
        for (at, form) in Form::ALL.into_iter().enumerate() {
            assert_eq!(form.index(), at);
        }
    }

    #[test]
    fn options_are_words_and_spaces_are_none() {
        let none = JoinOptions::default();
        let data = JoinOptions { form: Form { data: true, ids: false }, ..none };
        for (words, options) in
            [("", none), ("   ", none), ("data", data), ("  data ", data), (" data", data)]
        {
            assert_eq!(parsed(words), Ok(options), "{words:?}");
        }
    }

    #[test]
    fn options_come_in_any_order_and_read_back() {
        let all = "last=20 echo resume=0123456789abcdef id since=1700000000000-3 data";
        let options = parsed(all).expect("good options");
        assert_eq!(options.form, Form { data: true, ids: true });
        assert!(options.echo);
        assert_eq!(options.last, Some(20));
        assert_eq!(options.since, Id::parse(b"1700000000000-3"));
        assert_eq!(options.resume, Secret::new(b"0123456789abcdef"));
        let words = rendered(|out| options.render(out));
        assert_eq!(parsed(&words), Ok(options));
    }

    #[test]
    fn an_option_that_is_unknown_or_said_twice_or_in_capitals_is_refused() {
        for words in [
            "raw",
            "data data",
            "data raw",
            "DATA",
            "Data",
            "data=",
            "\tdata",
            "id id",
            "id=1",
            "echo echo",
            "ECHO",
            "echo=1",
            "last",
            "last=",
            "last=x",
            "last=-1",
            "last=+1",
            "last=1 last=1",
            "last=0x1",
            "LAST=1",
            "since",
            "since=",
            "since=1",
            "since=1-",
            "since=01-1",
            "since=1-1 since=2-1",
            "resume",
            "resume=",
            "resume=short",
            "resume=0123456789abcde",
            "resume=0123456789abcdef/",
            "resume=0123456789abcdef resume=0123456789abcdef",
            "=",
            "=1",
        ] {
            assert_eq!(parsed(words), Err(Refusal::BadOption), "{words:?}");
        }
        assert!(parsed(&format!("resume={}", "x".repeat(65))).is_err());
    }

    #[test]
    fn who_names_none_is_told_which_there_are() {
        let all = "last=20 echo resume=0123456789abcdef id since=1700000000000-3 data";
        let words = rendered(|out| parsed(all).expect("good options").render(out));
        let explanation = Refusal::BadOption.explanation();
        for word in words.split_whitespace() {
            let name = word.split_inclusive('=').next().expect("a word");
            assert!(explanation.split(' ').any(|told| told.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn a_number_of_messages_has_as_many_digits_as_it_likes() {
        assert_eq!(parsed("last=0").map(|o| o.last), Ok(Some(0)));
        assert_eq!(parsed(&format!("last={}", "9".repeat(50))).map(|o| o.last), Ok(Some(u64::MAX)));
    }
}
