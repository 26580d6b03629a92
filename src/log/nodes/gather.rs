//! What is submitted, until it is sent: batches that gather while another one is under way.

use super::item::Item;
use super::pack::Epoch;
use crate::limits;
use std::collections::VecDeque;

/// What this node's members did, not yet sent.
#[derive(Debug, Default)]
pub struct Gathered {
    /// For whom: nobody's deeds are taken while the node is not registered.
    epoch: Option<Epoch>,
    batches: VecDeque<Batch>,
    bytes: usize,
}

/// Items that are sent together: two arguments each, their words and what was said.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Gathered {
    /// Begins to take what is done in this epoch, or nothing. What has gathered is forgotten.
    pub fn begin(&mut self, epoch: Option<Epoch>) {
        *self = Self { epoch, ..Self::default() };
    }

    /// Takes something in, if it belongs to the epoch.
    pub fn push(&mut self, epoch: Epoch, item: &Item<'_>) {
        if self.epoch != Some(epoch) {
            return;
        }
        if self.batches.back().is_none_or(Batch::is_full) {
            self.batches.push_back(Batch::default());
        }
        let Some(batch) = self.batches.back_mut() else { return };
        let before = batch.bytes.len();
        item.render_head(&mut batch.bytes);
        batch.ends.push(batch.bytes.len());
        batch.bytes.extend_from_slice(item.said());
        batch.ends.push(batch.bytes.len());
        self.bytes += batch.bytes.len() - before;
    }

    /// Gives the oldest batch away.
    pub fn take(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.bytes -= batch.bytes.len();
        Some(batch)
    }

    /// How many bytes have gathered.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Batch {
    fn is_full(&self) -> bool {
        self.bytes.len() >= limits::BATCH || self.ends.len() >= 2 * limits::BATCH_ITEMS
    }

    /// The arguments, two for each item.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::Deed;
    use super::*;
    use crate::protocol::Name;

    #[test]
    fn batches_gather_to_their_limit_and_only_for_the_epoch() {
        let (epoch, old) = (Epoch::new([1, 1]), Epoch::new([2, 2]));
        let name = Name::new(b"ada").expect("a name");
        let text = vec![b'x'; limits::BATCH / 2];
        let item = Item { serial: 1, name, deed: Deed::Msg(&text) };
        let mut gathered = Gathered::default();
        gathered.push(epoch, &item);
        assert_eq!(gathered.bytes(), 0);
        gathered.begin(Some(epoch));
        gathered.push(old, &item);
        for _ in 0..3 {
            gathered.push(epoch, &item);
        }
        assert_eq!(gathered.bytes(), 3 * (text.len() + 7));
        let batch = gathered.take().expect("a batch");
        let arguments: Vec<_> = batch.arguments().collect();
        assert_eq!(arguments, [b"M 1 ada", &text[..], b"M 1 ada", &text]);
        assert_eq!(gathered.take().map(|batch| batch.ends.len()), Some(2));
        assert_eq!((gathered.take().is_none(), gathered.bytes()), (true, 0));
        gathered.push(epoch, &item);
        gathered.begin(None);
        assert!(gathered.take().is_none());
    }
}
