//! Whose turn it is to be talked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The one place that there is: as long as somebody has it, all others are told to be late.
#[derive(Debug)]
pub struct Chair(Arc<AtomicBool>);

impl Chair {
    pub fn take(taken: &Arc<AtomicBool>) -> Option<Self> {
        (!taken.swap(true, Ordering::SeqCst)).then(|| Self(taken.clone()))
    }
}

impl Drop for Chair {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
