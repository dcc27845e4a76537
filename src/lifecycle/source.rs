//! The source of the settings for a reload.

use std::{fmt, sync::Arc};

use crate::config::{LoadedSettings, Problems};

/// Reads all sources of the settings.
pub(super) type ReadSettings = dyn Fn() -> Result<LoadedSettings, Problems> + Send + Sync;

/// The function that reads the settings again.
#[derive(Clone)]
pub struct SettingsSource(pub Arc<ReadSettings>);

// === impl SettingsSource ===

impl fmt::Debug for SettingsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}
