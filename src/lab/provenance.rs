//! Where and when a run is: what is no function of its seed, and stands in `metrics.json` and the page alone.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::io::{clock, files};
use crate::report::{FileDigest, Provenance};

/// A file as it is read now.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn digest(path: &Path) -> Result<FileDigest, files::FileError> {
    let text = files::read_text(path)?;
    Ok(FileDigest { path: path.display().to_string(), sha256: hex::encode(Sha256::digest(text)) })
}

/// Now, here, with what was `read` and the names of `files` that the run leaves beside those of every run.
pub(super) fn now(read: Vec<FileDigest>, files: &[&str]) -> Provenance {
    Provenance {
        started: clock::now_text(),
        host: clock::host(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        read,
        files: files.iter().map(|file| (*file).to_owned()).collect(),
    }
}
