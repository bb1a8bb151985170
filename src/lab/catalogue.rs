//! The SIM profiles that scenarios may name: the files in `sim-profiles/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{LabError, file_stem};
use crate::card::SimProfile;
use crate::id::Imsi;
use crate::io::files;

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
        let text = files::read_text(&path)?;
        let profile = SimProfile::parse(&text)
            .map_err(|e| LabError::Profile { path: path.clone(), cause: e.message().to_owned() })?;
        let name = file_stem(&path.to_string_lossy()).to_owned();
        profiles.insert(name, ProfileInfo { base_imsi: profile.imsi });
    }
    Ok(profiles)
}
