//! `cellbed profile`: profile packages, which an eUICC installs.
//!
//! A package that cannot be read or written is a wrong set-up (exit code 96); one that a card could not install is
//! a finding (100).

mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{ProfileBuildArgs, ProfileVerb};
use super::exit::Exit;
use super::terminal;
use crate::card::{self, CardError, Installable, Personalisation};
use crate::io::files::{self, FileError};
use crate::lab::{LabError, catalogue};
use crate::wire::saip::{Package, PackageError};

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
enum ProfileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("{}: {source}", path.display())]
    Personalise { path: PathBuf, source: CardError },
    #[error(
        "{}: {cause}; `cellbed check` checks SIM profiles, and `cellbed profile build` makes a package of one",
        path.display()
    )]
    Text { path: PathBuf, cause: String },
    #[error("{}: {source}; a package is DER, as `cellbed profile build` writes it", path.display())]
    Package { path: PathBuf, source: PackageError },
    #[error("{} has no USIM with keys of its own whose identity could be changed", path.display())]
    NoSubscriber { path: PathBuf },
    #[error(
        "the package holds K and the other secrets of the subscriber in clear; say with -o which file it goes into"
    )]
    NoOutput,
}

/// How a command ended.
type Done = Result<Exit, ProfileError>;

/// Does what was asked for.
pub fn main(verb: &ProfileVerb) -> ExitCode {
    let done = match verb {
        ProfileVerb::Build(args) => build(args),
        ProfileVerb::Show(args) => show::main(args),
        ProfileVerb::Check { files } => check(files),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(ProfileError::Lab(error)) => terminal::lab_error(&error),
        Err(cause) => {
            terminal::failure(cause);
            Exit::SetUp.into()
        }
    }
}

fn build(args: &ProfileBuildArgs) -> Done {
    let p = personalisation(&args.profile, args.index)?;
    let package = match &args.base {
        None => card::package(&p),
        Some(path) => {
            let read = Package::decode(&files::read_bytes(path)?);
            let mut package = read.map_err(|source| ProfileError::Package { path: path.clone(), source })?;
            let left = card::impersonate(&mut package, &p);
            for left in left.ok_or_else(|| ProfileError::NoSubscriber { path: path.clone() })? {
                terminal::warning(format_args!("{}: {left}", path.display()));
            }
            package
        }
    };
    let output = args.output.as_ref().ok_or(ProfileError::NoOutput)?;
    let bytes = package.encode();
    files::write_bytes(output, &bytes)?;
    terminal::line(format_args!(
        "{}: {} bytes, {} elements; it holds K and the other secrets of the subscriber in clear",
        output.display(),
        bytes.len(),
        package.elements.len(),
    ));
    Ok(Exit::Pass)
}

/// Where the bytes are text, which no package is, whose first octet is a tag of the context-specific class: which form of
/// text.
fn text_instead(path: &Path, bytes: &[u8]) -> Option<ProfileError> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.trim().is_empty() || !text.starts_with(|c: char| c.is_ascii()) {
        return None;
    }
    let PackageError { cause, .. } = Package::decode(bytes).err()?;
    Some(ProfileError::Text { path: path.to_owned(), cause })
}

fn personalisation(path: &Path, index: u32) -> Result<Personalisation, ProfileError> {
    catalogue::profile(path)?
        .personalise(index)
        .map_err(|source| ProfileError::Personalise { path: path.to_owned(), source })
}

/// Checks every package, and says of each what it is, or what is wrong with it.
fn check(paths: &[PathBuf]) -> Done {
    let mut worst = Exit::Pass;
    for path in paths {
        let bytes = files::read_bytes(path)?;
        if let Some(text) = text_instead(path, &bytes) {
            return Err(text);
        }
        match verdict(&bytes) {
            Ok((what, remarks)) => {
                terminal::line(format_args!("{}: {what}", path.display()));
                for remark in remarks {
                    terminal::warning(format_args!("{}: {remark}", path.display()));
                }
            }
            Err(error) => {
                terminal::failure(format_args!("{}: {error}", path.display()));
                worst = Exit::Failed;
            }
        }
    }
    Ok(worst)
}

/// What a package is in a few words, and what somebody should know of it, if a card could install it: the virtual eUICC
/// is asked.
fn verdict(bytes: &[u8]) -> Result<(String, Vec<String>), PackageError> {
    let Installable { package, image, mut remarks } = card::try_package(bytes)?;
    if package.encode() != bytes {
        remarks.push("it is not written back as it was read, which is a fault of this program".to_owned());
    }
    let (elements, files) = (package.elements.len(), image.files.len());
    Ok((format!("a profile package of {elements} elements and {files} files, in order"), remarks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimProfile;

    const TS_48: &[u8] = include_bytes!("../../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der");
    const PROFILE: &str = include_str!("../../../sim-profiles/lte-test.toml");

    #[test]
    fn packages_in_order_are_so_and_remarks_are_few() {
        let p = SimProfile::parse(PROFILE).unwrap().personalise(0).unwrap();
        let said = [("built", card::package(&p).encode()), ("TS.48", TS_48.to_vec())].map(|(name, bytes)| {
            let (what, remarks) = verdict(&bytes).unwrap();
            format!("{name}: {what}\n{}", remarks.iter().map(|r| format!("  {r}\n")).collect::<String>())
        });
        insta::assert_snapshot!(said.concat());
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let cut = verdict(&TS_48[..TS_48.len() - 3]).unwrap_err().to_string();
        assert!(cut.starts_with("element 29 (unreadable element): tag AA announces"), "{cut}");
        let mut bytes = TS_48.to_vec();
        let imsi = hex::decode("080910101032547698").unwrap();
        let at = bytes.windows(9).position(|part| part == imsi).unwrap();
        // The tag of the content becomes that of an offset.
        bytes[at - 2] = 0x82;
        let offset = verdict(&bytes).unwrap_err().to_string();
        assert!(offset.starts_with("element 7 (usim), ef-imsi/fillFileOffset: "), "{offset}");
    }
}
