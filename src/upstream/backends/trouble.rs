//! Whether an application is in trouble, so that a stored response is better for it and for the client than a request.

use std::{sync::atomic::Ordering, time::Instant};

use super::{queue::SHORT_WAIT, state::Backends};
use crate::sync::lock;

/// Why a request had better not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No server is available.
    Unavailable,
    /// Requests wait too long in the queue.
    Busy,
}

// === impl Backends ===

impl Backends {
    /// Returns the trouble of the application, if there is any.
    pub fn trouble(&self) -> Option<Trouble> {
        if self.unavailable_error().is_some() {
            return Some(Trouble::Unavailable);
        }
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let oldest = lock(&self.queue).oldest()?;
        let waited = Instant::now().saturating_duration_since(oldest);
        (waited > SHORT_WAIT).then_some(Trouble::Busy)
    }
}
