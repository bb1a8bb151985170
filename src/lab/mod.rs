//! Scenarios, benches, runs and verdicts: what the lab is asked to do, and what it finds.

pub mod bench;
pub mod catalogue;
mod conform;
pub mod diagnostic;
mod document;
pub mod scenario;
mod scenario_rules;
pub mod schema;
pub mod verdict;

pub use bench::Bench;
pub use catalogue::ProfileInfo;
pub use diagnostic::Diagnostic;
pub use scenario::Scenario;
pub use verdict::{Judge, Judgement};

/// Why the lab cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A scenario or bench file says something that cannot be done.
    #[error("{}", diagnostic::count(.0))]
    Invalid(Vec<Diagnostic>),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] crate::io::files::FileError),
    /// A SIM profile is not one.
    #[error("{} is not a SIM profile: {cause}", path.display())]
    Profile { path: std::path::PathBuf, cause: String },
    /// The number of devices of this scenario is not one number.
    #[error("{0}")]
    Devices(String),
}

/// The name of a scenario or bench: that of its file, without folders and ending.
fn file_stem(path: &str) -> &str {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_suffix(".toml").unwrap_or(file)
}
