//! `cellbed card`: cards in readers, and virtual ones.
//!
//! What a card says is printed and no opinion of the program; a card that cannot be reached is a wrong set-up
//! (exit code 96), a card that was reached and does not do what it should is a finding (100).

mod auth;
pub mod bench;
mod dump;
mod info;
mod iot_safe;
pub(super) mod keeper;
mod list;
mod modem;
mod ota;
mod program;
pub(super) mod serve;
mod trace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{CardVerb, WhichCard};
use super::exit::Exit;
use super::terminal;
use crate::card::{CardError, CardPort, CardSlot, Personalisation, PortError, SimProfile};
use crate::io::entropy::{self, EntropyError};
use crate::io::files::FileError;
use crate::io::pcsc::{self, PcscError};
use crate::lab::{LabError, catalogue};
use crate::reader::{ExploreError, PIN1, Target, Terminal};
use crate::world::WorldError;
use crate::world::served::ServedCard;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum CardToolError {
    #[error(transparent)]
    Reader(#[from] PcscError),
    #[error("the card could not be reset: {0}")]
    Reset(PortError),
    #[error(transparent)]
    Explore(#[from] ExploreError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} has no [ota] table: name another profile, or the files of the keys", path.display())]
    NoOtaKeys { path: PathBuf },
    #[error(
        "{name}, from {from}: {cause}; give 32, 48 or 64 hexadecimal digits, as the algorithm takes them"
    )]
    OtaKey { name: &'static str, from: String, cause: String },
    #[error("{} has no card {digits} among its {cards}; give the ICCID or the IMSI of one of them", path.display())]
    NotInTable { path: PathBuf, digits: String, cards: usize },
    #[error("the table has no ADM1 of this card, and files are written with it; give --adm, or --dry-run")]
    NoAdm,
    #[error("a counter has five bytes: give at most 1099511627775")]
    OtaCounter,
    #[error("the packet cannot be made: {0}")]
    OtaPacket(crate::wire::ota::OtaError),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("{}: {source}", path.display())]
    Personalise { path: PathBuf, source: CardError },
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("the virtual card cannot be made: {0}")]
    Virtual(#[from] WorldError),
}

impl CardToolError {
    /// What was reached and refuses is a finding; what was not reached, or must not be tried, is a wrong set-up.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Explore(
                ExploreError::Refused { .. } | ExploreError::Answer { .. } | ExploreError::NoUsim,
            ) => Exit::Failed,
            _ => Exit::SetUp,
        }
    }
}

/// Does what was asked for.
pub fn main(verb: &CardVerb) -> ExitCode {
    let done = match verb {
        CardVerb::List => list::main(),
        CardVerb::Info(args) => info::main(args),
        CardVerb::Dump(args) => dump::main(args),
        CardVerb::Auth(args) => auth::main(args),
        CardVerb::IotSafe(args) => iot_safe::main(args),
        CardVerb::Ota(args) => ota::main(args),
        CardVerb::Program(args) => program::main(args),
        CardVerb::Serve(args) => return serve::main(args),
        CardVerb::Modem(args) => return modem::main(args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(cause) => failed(&cause),
    }
}

/// Says why a command could not be done.
pub(super) fn failed(cause: &CardToolError) -> ExitCode {
    if let CardToolError::Lab(error) = cause {
        return terminal::lab_error(error);
    }
    terminal::failure(cause);
    cause.exit().into()
}

/// How a command ended.
type Done = Result<Exit, CardToolError>;

/// A card that was reset, and its Answer To Reset.
pub(super) struct Inserted {
    pub(super) slot: CardSlot,
    atr: Vec<u8>,
}

/// Opens the card that is meant, resets it, and verifies PIN1 where it was given.
fn insert(which: &WhichCard) -> Result<Inserted, CardToolError> {
    let port: Box<dyn CardPort> = match &which.profile {
        Some(path) => Box::new(virtual_card(path)?),
        None => Box::new(pcsc::open(&which.reader)?),
    };
    insert_port(port, which)
}

/// The same with the card itself, whatever `which` says of reader and profile.
pub(super) fn insert_port(port: Box<dyn CardPort>, which: &WhichCard) -> Result<Inserted, CardToolError> {
    let mut slot = CardSlot::new(port);
    let atr = slot.reset().map_err(CardToolError::Reset)?;
    if let Some(pin) = &which.pin {
        let terminal = &mut Terminal::new(&mut slot);
        let selected = terminal.select(Target::File(0x3f00))?;
        selected.map_err(|status| ExploreError::Refused { command: "SELECT MF", status })?;
        terminal.verify(PIN1, &pin.0.0, which.force)?;
    }
    Ok(Inserted { slot, atr })
}

/// The first subscriber of a SIM profile.
pub(super) fn virtual_profile(path: &Path) -> Result<Personalisation, CardToolError> {
    let error = |source| CardToolError::Personalise { path: path.to_owned(), source };
    profile(path)?.personalise(0).map_err(error)
}

/// A card for one command, which forgets everything after it.
fn virtual_card(path: &Path) -> Result<ServedCard, CardToolError> {
    Ok(ServedCard::plain(&virtual_profile(path)?, 1, &entropy::fresh()?, &[])?)
}

fn profile(path: &Path) -> Result<SimProfile, CardToolError> {
    Ok(catalogue::profile(path)?)
}

/// The card of the test profile, for the tests of what is printed.
#[cfg(test)]
fn test_card(change: impl FnOnce(&mut crate::card::Personalisation)) -> CardSlot {
    use crate::card::Uicc;
    use crate::kernel::RngTree;

    let text = include_str!("../../../sim-profiles/lte-test.toml");
    let mut p = SimProfile::parse(text).unwrap().personalise(0).unwrap();
    change(&mut p);
    let anchor: Vec<u8> = (0..700u32).map(|i| i as u8).collect();
    let mut slot = CardSlot::new(Box::new(Uicc::new(&p, RngTree::new(7).branch("card1"), &anchor).unwrap()));
    slot.reset().unwrap();
    slot
}
