//! What a node tells its room.

use super::pack::{Epoch, Pack, Party};
use crate::protocol::Id;

/// What a node tells its room, in this order: `Started`, then `Entries`, and where that is over, `Fenced`
/// or `Lost`, and `Started` again.
#[derive(Debug)]
pub enum Event {
    /// The node is registered: its members may do something, and the room stands as is said.
    Started(Box<Started>),
    /// What comes next, whoever did it.
    Entries(Vec<Pack>),
    /// Redis is out of reach, and this is why: one line. What is submitted waits. Comes again where the
    /// reason is another one.
    Away(String),
    /// It is within reach again, and all goes on. (Where the node starts again instead, it does not say
    /// this.)
    Back,
    /// The others have given the node up: it has no members any more. What they submitted and what has
    /// not come back never will, but what is in the log already.
    Fenced,
    /// The log is lost, or some of it: nobody has any members any more.
    Lost,
    /// The slowest node is behind by so many bytes: that is too much, or it no longer is.
    Behind(u64),
    /// The room cannot be kept there, and this is why. It is the last that the node says.
    Unfit(String),
}

/// What the room stands on.
#[derive(Debug)]
pub struct Started {
    /// The node, until it is fenced or the log is lost.
    pub epoch: Epoch,
    /// All that happened after this is in the history.
    pub floor: Id,
    /// Where the log stands; what comes next comes behind this.
    pub at: Id,
    /// Who is in then, in no order.
    pub members: Vec<Party>,
    /// What happened until then.
    pub history: Vec<Pack>,
}
