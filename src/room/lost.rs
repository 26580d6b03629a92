//! What nobody was told of, as there was no room for it: counted until he is told of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many notices were lost: it grows on its way, until it is read. Whoever has a clone has the same.
#[derive(Debug, Clone)]
pub struct Lost(Arc<AtomicUsize>);

/// Beside the number: it has been read, and does not grow any more.
const READ: usize = 1 << (usize::BITS - 1);

impl Lost {
    /// One was.
    pub(crate) fn one() -> Self {
        Self(Arc::new(AtomicUsize::new(1)))
    }

    /// Counts one more. Says whether that will be read.
    pub(crate) fn add_one(&self) -> bool {
        let add = |lost| (lost & READ == 0).then_some(lost + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// How many were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.fetch_or(READ, Ordering::Relaxed) & !READ
    }
}

impl PartialEq for Lost {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_until_it_is_read_and_is_the_same_ever_after() {
        let lost = Lost::one();
        assert!(lost.add_one() && lost.add_one());
        let told = lost.clone();
        assert_eq!(told.count(), 3);
        assert!(!lost.add_one());
        assert_eq!((told.count(), told), (3, lost));
    }
}
