//! `cellbed card serve`: virtual cards behind pcscd, for any PC/SC program.
//!
//! Each card sits in a virtual reader of vsmartcard-vpcd. Its private keys and random numbers come from the operating
//! system. With `--seed` it is the card that the same device would carry in a run with the same profile and seed, byte
//! for byte, and its keys are public.

mod seat;
mod stop;

pub use seat::Seat;
pub use stop::Stop;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::super::args::ServeArgs;
use super::super::exit::Exit;
use super::super::terminal;
use super::keeper;
use crate::card::CardError;
use crate::esim::EsimError;
use crate::io::card_state::CardStateError;
use crate::io::entropy::EntropyError;
use crate::io::pki_folder::PkiFolderError;
use crate::io::pty::PtyError;
use crate::lab::LabError;
use crate::world::WorldError;

/// Why virtual cards cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("the cards cannot be made: {0}")]
    Onboard(#[from] WorldError),
    #[error("the cards cannot be made: {0}")]
    Card(#[from] CardError),
    #[error(transparent)]
    State(#[from] CardStateError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("{}: {cause}; give the root certificate that the applets are to trust, in PEM or DER", path.display())]
    TrustAnchor { path: PathBuf, cause: String },
    #[error(transparent)]
    Pki(#[from] PkiFolderError),
    #[error("the eUICCs cannot be certified: {0}")]
    Esim(#[from] EsimError),
    #[error("{count} cards from port {port} on need ports past 65,535; start lower or serve fewer cards")]
    Ports { port: u16, count: u32 },
    #[error(transparent)]
    Pty(#[from] PtyError),
    #[error("the line to the terminal has failed: {0}")]
    Line(std::io::Error),
    #[error("the signals that end this program cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Serves cards until a signal ends it.
pub fn main(args: &ServeArgs) -> ExitCode {
    ended(cards(args).and_then(serve))
}

/// The exit code of a program that has served a card.
pub fn ended(outcome: Result<(), ServeError>) -> ExitCode {
    match outcome {
        Ok(()) => Exit::Pass.into(),
        Err(ServeError::Lab(error)) => terminal::lab_error(&error),
        Err(error) => {
            let exit = if matches!(error, ServeError::Line(_)) { Exit::Bench } else { Exit::SetUp };
            terminal::failure(error);
            exit.into()
        }
    }
}

/// The cards that are asked for, each with the place of its reader.
fn cards(args: &ServeArgs) -> Result<Vec<Seat>, ServeError> {
    let first = args.vpcd.clone().unwrap_or_default();
    let cards = keeper::cards(&args.cards, args.count)?;
    (1..)
        .zip(cards)
        .map(|(number, (uicc, keeper))| {
            let address = first.next(number - 1);
            let address = address.ok_or(ServeError::Ports { port: first.port, count: args.count })?;
            Ok(Seat::new(number, uicc, keeper, address, args.cards.trace))
        })
        .collect()
}

/// Serves each card on a thread of its own.
fn serve(seats: Vec<Seat>) -> Result<(), ServeError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    let (stop, count) = (Stop::default(), seats.len());
    let (stop, handle) = (&stop, signals.handle());
    let results: Vec<Result<(), CardStateError>> = thread::scope(|scope| {
        let start = |seat: Seat| {
            let handle: Handle = handle.clone();
            scope.spawn(move || {
                let result = seat.run(stop);
                // A card that cannot go on ends the program: a state that is not kept must not be served.
                handle.close();
                result
            })
        };
        let threads: Vec<_> = seats.into_iter().map(start).collect();
        signals.forever().next();
        stop.request();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    let (cards, were) = if count == 1 { ("card", "was") } else { ("cards", "were") };
    terminal::line(format_args!("{count} {cards} {were} pulled out"));
    Ok(())
}
