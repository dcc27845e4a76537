//! Where the settings come from when they are read again.

use std::{fmt, sync::Arc};

use crate::config::{Loaded, Problems};

/// Reads all sources of the settings.
pub(super) type Read = dyn Fn() -> Result<Loaded, Problems> + Send + Sync;

/// How the settings are read again.
#[derive(Clone)]
pub struct Source(pub Arc<Read>);

// === impl Source ===

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}
