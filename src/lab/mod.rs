//! Scenarios, benches, runs and verdicts: what the lab is asked to do, and what it finds.

pub mod audit;
pub mod bench;
pub mod catalogue;
pub mod compare;
mod conform;
pub mod diagnostic;
mod document;
pub mod held;
pub mod operate;
mod provenance;
mod recorder;
mod redaction;
pub mod run;
pub mod scenario;
pub mod schema;
mod selection;
pub mod sim_profile;
pub mod verdict;

use crate::io::drive::DriveError;
use crate::kernel::Blame;
use document::Document;

pub use bench::Bench;
pub use catalogue::ProfileInfo;
pub use diagnostic::Diagnostic;
pub use run::{CONTROL_SOCKET, Finished, JOIN_SOCKET, Run, Screen, ledger_place};
pub use scenario::Scenario;
pub use verdict::{Judge, Judgement};

/// Why the lab cannot be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum LabError {
    /// A scenario or bench file says something that cannot be done.
    #[error("{}", diagnostic::count(.0))]
    Invalid(Vec<Diagnostic>),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] crate::io::files::FileError),
    /// A profile package is not one.
    #[error("{} is no profile package that a card takes: {cause}; `cellbed profile check` says more", path.display())]
    Profile { path: std::path::PathBuf, cause: String },
    /// A table of cards is none.
    #[error("{} is no table of cards: {cause}", path.display())]
    Table { path: std::path::PathBuf, cause: crate::card::TableError },
    /// The number of devices of this scenario is not one number.
    #[error("{0}")]
    Devices(String),
    /// The ledger's folder cannot be used.
    #[error("the ledger cannot be created: {0}")]
    Ledger(#[from] crate::ledger::LedgerError),
    /// The bench cannot be set up.
    #[error("the bench cannot be set up: {0}")]
    SetUp(#[from] crate::world::WorldError),
    /// Somebody outside did not take part.
    #[error(transparent)]
    Outside(#[from] DriveError),
    /// The card that the bench names cannot be used.
    #[error(transparent)]
    Card(#[from] crate::io::pcsc::PcscError),
    /// What is to hide a device cannot be drawn.
    #[error(transparent)]
    Entropy(#[from] crate::io::entropy::EntropyError),
    /// Attacks stay in the network of a run.
    #[error(
        "in scenario {scenario} a device attacks others, and bench {bench} reaches outside this process ({what}): attacks exist \
         in the virtual network only; use a bench whose card and base stations are embedded, as lab/benches/virtual.toml"
    )]
    Hostile { bench: String, scenario: String, what: &'static str },
    /// A reader holds one card.
    #[error(
        "bench {bench} has one card, in reader {reader:?}, and scenario {scenario} has {devices} devices; use a \
         scenario of one device, or a bench whose card is `virtual`"
    )]
    OneCard { bench: String, reader: String, scenario: String, devices: u32 },
    /// A run that cannot be interrupted is not begun.
    #[error("the signals that interrupt a run cannot be received: {0}")]
    Signals(std::io::Error),
    /// A run that was to be compared says nothing.
    #[error("a run says nothing that could be compared, its verdict is {verdict}: {rerun}")]
    Compared { rerun: String, verdict: &'static str },
    /// What differs in the radio is not compared.
    #[error(
        "{first} and {second} are of different radio access technologies: what they take would be compared with something else"
    )]
    Apart { first: String, second: String },
    /// A result could not be written.
    #[error("a result of the run cannot be written: {}", crate::io::files::told(.0))]
    Output(std::io::Error),
}

impl LabError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Ledger(error) => error.blame(),
            Self::SetUp(error) => error.blame(),
            Self::Entropy(error) => error.blame(),
            Self::Outside(DriveError::World(error)) => error.blame(),
            Self::Invalid(_)
            | Self::File(_)
            | Self::Profile { .. }
            | Self::Table { .. }
            | Self::Devices(_)
            | Self::Outside(_)
            | Self::Card(_)
            | Self::OneCard { .. }
            | Self::Hostile { .. }
            | Self::Signals(_)
            | Self::Compared { .. }
            | Self::Apart { .. }
            | Self::Output(_) => Blame::Bench,
        }
    }
}

/// What a file of the lab is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A scenario.
    Scenario,
    /// A bench.
    Bench,
    /// A SIM profile.
    SimProfile,
}

impl FileKind {
    /// What `source` is, by the tables that only one kind has; `None` where it has none of them.
    pub fn of(source: &str) -> Option<Self> {
        Document::parse(source, "").kind()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Bench => "bench",
            Self::SimProfile => "SIM profile",
        }
    }
}

/// The name of a scenario or bench: that of its file, without folders and ending.
fn file_stem(path: &str) -> &str {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_suffix(".toml").unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_tables_say() {
        assert_eq!(FileKind::of("[roles]\ncard = 5"), Some(FileKind::Bench));
        assert_eq!(FileKind::of("summary = \"x\"\n[[device]]"), Some(FileKind::Scenario));
        assert_eq!(FileKind::of("imsi = 1"), Some(FileKind::SimProfile));
        assert_eq!(FileKind::of("summary = \"x\""), None);
        assert_eq!(FileKind::of("= = ["), None);
    }
}
