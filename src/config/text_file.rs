//! Reads a small text file as a whole: the settings file, or a secret.

use std::{borrow::Cow, fs::File, io::Read as _, path::Path};

use super::secret;

/// Larger than any settings file or secret; stops reading a wrong path such as /dev/zero.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// The path in a form that messages may show.
pub(super) fn shown(path: &Path) -> Cow<'static, str> {
    Cow::Owned(secret::masked(&path.display().to_string()).into_owned())
}

/// Returns the file's text, or an error message that names the file as `shown`.
pub(super) fn read(path: &Path, shown: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(format!("{shown} is larger than 1MiB: is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8 text"))
}
