//! Whether the server can be given people.

use crate::server::registry::state::State;

/// Why nobody should be sent here; nothing where all is well.
pub fn complaints(state: &State) -> Vec<&'static str> {
    let draining = state.is_draining.then_some("draining");
    draining.into_iter().chain(failures(state)).collect()
}

/// What does not work.
pub fn failures(state: &State) -> impl Iterator<Item = &'static str> {
    let failures = [
        (state.journal.is_some_and(|journal| journal.is_failing), "journal failing"),
        (state.node.as_ref().is_some_and(|node| node.away.is_some()), "log out of reach"),
    ];
    failures.into_iter().filter(|(holds, _)| *holds).map(|(_, what)| what)
}

/// How the journal does.
pub fn journal(state: &State) -> &'static str {
    match state.journal {
        None => "none",
        Some(journal) if journal.is_failing => "failing",
        Some(_) => "ok",
    }
}
