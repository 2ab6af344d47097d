//! Files that are written whole or not at all.

use crate::error::{Error, Result};
use std::{fs, path::Path};

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it to `path`; on failure the temporary
/// file is removed and `path` is as it was.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path, "write the file", e)
    })
}
