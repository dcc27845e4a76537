//! Reads a small text file whole: the settings file, or a secret.

use std::{fs::File, io::Read as _, path::Path};

/// More than any settings file or secret holds; a wrong path such as /dev/zero ends here.
const LIMIT: u64 = 1 << 20;

/// The file's text, or a sentence on why there is none.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!("{} is larger than 1MiB: is it the right file?", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", path.display()))
}
