//! The SIM profiles that scenarios may name: the files in `sim-profiles/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{LabError, file_stem};
use crate::card::SimProfile;
use crate::id::Imsi;
use crate::io::files;
use crate::wire::saip::Package;

/// The folder of SIM profiles, beside `lab/`.
pub const FOLDER: &str = "sim-profiles";

/// What a scenario needs to know of a SIM profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileInfo {
    /// The IMSI of its first card.
    pub base_imsi: Imsi,
}

/// The folder of the profiles that `scenario` names: in the folder of the scenario or the nearest one above
/// it, or else in the working directory.
pub fn folder_of(scenario: &Path) -> PathBuf {
    files::folder_above(scenario, FOLDER).unwrap_or_else(|| PathBuf::from(FOLDER))
}

/// The profiles in `folder`, by name. A folder that is not there holds none.
pub fn read(folder: &Path) -> Result<BTreeMap<String, ProfileInfo>, LabError> {
    let mut profiles = BTreeMap::new();
    if !files::is_folder(folder) {
        return Ok(profiles);
    }
    for path in files::list(folder, "toml")? {
        let profile = profile(&path)?;
        let name = file_stem(&path.to_string_lossy()).to_owned();
        profiles.insert(name, ProfileInfo { base_imsi: profile.imsi });
    }
    Ok(profiles)
}

/// The profile in the file at `path`.
///
/// # Errors
/// Where it cannot be read, or is no SIM profile.
pub fn profile(path: &Path) -> Result<SimProfile, LabError> {
    let text = files::read_text(path)?;
    SimProfile::parse(&text)
        .map_err(|cause| LabError::Profile { path: path.to_owned(), cause: cause.message().to_owned() })
}

/// The profile package in the file at `path`, whose profile must be one that a card can install.
///
/// # Errors
/// Where it cannot be read, or is no such package.
pub fn package(path: &Path) -> Result<Package, LabError> {
    let wrong = |cause: String| LabError::Profile { path: path.to_owned(), cause };
    let bytes = files::read_bytes(path)?;
    let package = Package::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
    package.image().map_err(|error| wrong(error.to_string()))?;
    Ok(package)
}
