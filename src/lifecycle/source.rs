//! Where the settings come from when they are read again.

use std::{fmt, sync::Arc};

use crate::config::{LoadedSettings, Problems};

/// Reads all sources of the settings.
pub(super) type ReadSettings = dyn Fn() -> Result<LoadedSettings, Problems> + Send + Sync;

/// How the settings are read again.
#[derive(Clone)]
pub struct SettingsSource(pub Arc<ReadSettings>);

// === impl SettingsSource ===

impl fmt::Debug for SettingsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}
