//! What a client may be refused, in words for programs and for people.

/// Why something a client asked for is not done: the code of an ERR line.
///
/// Where several apply, the first of these is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no place for another connection. The server closes after it.
    Full,
    /// The first bytes of another protocol. The server closes after it.
    NotSmoltalk,
    /// A line over [`limits::LINE`](crate::limits::LINE), a payload over
    /// [`limits::Limits::payload`](crate::limits::Limits::payload).
    TooLong,
    /// The verb is none that the server knows.
    UnknownCommand,
    /// DATA whose length is no number, or a payload that no LF closes. The server closes after it.
    BadFrame,
    /// Something for members alone, from a guest.
    NotJoined,
    /// JOIN from a member.
    AlreadyJoined,
    /// The address may not come in. The server closes after it.
    Banned,
    /// JOIN without the room's key, or a wrong one.
    Denied,
    /// The name breaks the rule, or is missing.
    BadName,
    /// JOIN was given an option that the server does not know, or one twice.
    BadOption,
    /// A member has the name.
    NameTaken,
    /// MSG or TELL without text, DATA without bytes.
    Empty,
    /// TELL to a name that nobody has.
    NoSuchMember,
}

impl Refusal {
    /// All of them, in the order of `PROTOCOL.md`.
    pub const ALL: [Self; 14] = [
        Self::Full,
        Self::NotSmoltalk,
        Self::TooLong,
        Self::UnknownCommand,
        Self::BadFrame,
        Self::NotJoined,
        Self::AlreadyJoined,
        Self::Banned,
        Self::Denied,
        Self::BadName,
        Self::BadOption,
        Self::NameTaken,
        Self::Empty,
        Self::NoSuchMember,
    ];

    /// The code, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// What it says to a person.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownCommand => {
                ("unknown-command", "to speak: MSG <text>; for all commands: HELP")
            }
            Self::Denied => ("denied", "the room's key is missing or wrong: PASS <key>"),
            Self::Banned => ("banned", "your address may not come in"),
            Self::BadName => ("bad-name", "a name is 1 to 32 of A-Z a-z 0-9 _ - ."),
            Self::NameTaken => ("name-taken", "somebody here has that name, try another"),
            Self::BadOption => (
                "bad-option",
                "after the name, JOIN takes, each once: data id echo last=<n> since=<id> resume=<secret>",
            ),
            Self::AlreadyJoined => ("already-joined", "you are in already"),
            Self::NotJoined => ("not-joined", "first: JOIN <name>"),
            Self::NoSuchMember => ("no-such-member", "nobody here has that name"),
            Self::Empty => ("empty", "there is no text to say"),
            Self::TooLong => (
                "too-long",
                "over the limit of a line (4096 bytes) or of a payload, and thrown away",
            ),
            Self::Full => ("full", "there is no place for another connection"),
            Self::BadFrame => ("bad-frame", "DATA <len>, then so many bytes, then an LF"),
            Self::NotSmoltalk => ("not-smoltalk", "this is a smoltalk server: lines of plain text"),
        }
    }
}
