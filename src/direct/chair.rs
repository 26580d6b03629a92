//! Who is talked to: one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The one place opposite: as long as somebody has it, all others are told that it is taken.
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
