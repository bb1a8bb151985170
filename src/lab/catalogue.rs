//! The SIM profiles that scenarios may name: the files in `sim-profiles/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{LabError, file_stem, sim_profile};
use crate::card::{self, CardTable, SimProfile};
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
    /// The IMSIs of its cards, where they are those of a table.
    pub listed: Vec<Imsi>,
    /// Whether its cards want PIN1 first, which nobody is there to give.
    pub pin_enabled: bool,
}

impl ProfileInfo {
    /// What a scenario needs to know of a profile whose first IMSI is `base_imsi`, from which the others follow.
    pub fn counting_from(base_imsi: Imsi) -> Self {
        Self { base_imsi, listed: Vec::new(), pin_enabled: false }
    }

    /// The IMSI of card number `index`; `None` where there is no such card.
    pub fn imsi(&self, index: u32) -> Option<Imsi> {
        match self.listed.is_empty() {
            true => self.base_imsi.plus(index),
            false => self.listed.get(usize::try_from(index).ok()?).cloned(),
        }
    }
}

/// The folder of the profiles that `scenario` names: in the folder of the scenario or the nearest one above
/// it, or else in the working directory.
pub fn folder_of(scenario: &Path) -> PathBuf {
    files::folder_above(scenario, FOLDER).unwrap_or_else(|| PathBuf::from(FOLDER))
}

/// The SIM profiles of a folder.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Those that can be used, by name.
    pub profiles: BTreeMap<String, ProfileInfo>,
    /// Why the others cannot, by name: of no matter to a scenario that does not name them.
    pub unusable: BTreeMap<String, LabError>,
}

impl Catalogue {
    /// Takes out why one of `names` cannot be used, where that is so.
    pub fn fault_of<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Option<LabError> {
        names.into_iter().find_map(|name| self.unusable.remove(name))
    }
}

/// The profiles in `folder`. A folder that is not there holds none.
///
/// # Errors
/// Where the folder cannot be read. A file that cannot is among the unusable.
pub fn read(folder: &Path) -> Result<Catalogue, LabError> {
    let mut found = Catalogue::default();
    if !files::is_folder(folder) {
        return Ok(found);
    }
    for path in files::list(folder, "toml")? {
        let name = file_stem(&path.to_string_lossy()).to_owned();
        match profile(&path) {
            Ok(profile) => {
                let listed = profile.table.iter().flat_map(|table| table.imsis().cloned()).collect();
                found.profiles.insert(
                    name,
                    ProfileInfo { base_imsi: profile.imsi, listed, pin_enabled: profile.pin.enabled },
                );
            }
            Err(error) => drop(found.unusable.insert(name, error)),
        }
    }
    Ok(found)
}

/// The profile in the file at `path`.
///
/// # Errors
/// Where it cannot be read, or is no SIM profile.
pub fn profile(path: &Path) -> Result<SimProfile, LabError> {
    let text = files::read_text(path)?;
    let mut profile = sim_profile::read(&text, &path.to_string_lossy()).map_err(LabError::Invalid)?;
    if let Some(name) = &profile.cards {
        profile.table = Some(table(&files::folder_of(path).join(name))?);
    }
    Ok(profile)
}

/// The table of cards in the file at `path`.
///
/// # Errors
/// Where it cannot be read, or is no table.
pub fn table(path: &Path) -> Result<CardTable, LabError> {
    let text = zeroize::Zeroizing::new(files::read_text(path)?);
    CardTable::parse(&text).map_err(|cause| LabError::Table { path: path.to_owned(), cause })
}

/// The profile package in the file at `path`, whose profile must be one that a card can install.
///
/// # Errors
/// Where it cannot be read, or is no such package.
pub fn package(path: &Path) -> Result<Package, LabError> {
    let wrong = |cause: String| LabError::Profile { path: path.to_owned(), cause };
    let bytes = files::read_bytes(path)?;
    card::try_package(&bytes).map(|tried| tried.package).map_err(|error| wrong(error.to_string()))
}
