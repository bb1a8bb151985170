//! `cellbed card serve`: virtual cards behind pcscd, for any PC/SC program.
//!
//! Each card sits in a virtual reader of vsmartcard-vpcd. It is the card that the same device would carry in a run
//! with the same profile and seed, byte for byte.

mod seat;
mod stop;

pub use seat::Seat;
pub use stop::Stop;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::super::args::ServeArgs;
use super::super::{exit, terminal};
use crate::card::{CardError, EuiccEvent, OnEuiccEvent, Uicc};
use crate::esim::{EsimError, Pki};
use crate::io::card_state::{CardStateError, StateDir};
use crate::io::pki_folder::{self, PkiFolderError};
use crate::lab::{LabError, catalogue};
use crate::onboard::OnboardError;
use crate::onboard::euicc::{EuiccServers, virtual_euicc};
use crate::onboard::factory::virtual_card;
use crate::onboard::setup::trust_anchor;
use crate::sim::RngTree;
use seat::Keeper;

/// Why virtual cards cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("the cards cannot be made: {0}")]
    Onboard(#[from] OnboardError),
    #[error("the cards cannot be made: {0}")]
    Card(#[from] CardError),
    #[error(transparent)]
    State(#[from] CardStateError),
    #[error(transparent)]
    Pki(#[from] PkiFolderError),
    #[error("the eUICCs cannot be certified: {0}")]
    Esim(#[from] EsimError),
    #[error("{count} cards from port {port} on need ports past 65,535; start lower or serve fewer cards")]
    Ports { port: u16, count: u32 },
    #[error("the signals that end this program cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Serves cards until a signal ends it.
pub fn main(args: &ServeArgs) -> ExitCode {
    match cards(args).and_then(serve) {
        Ok(()) => exit::PASS.into(),
        Err(ServeError::Lab(error)) => terminal::set_up_error(&error),
        Err(error) => {
            terminal::failure(error);
            exit::SET_UP_ERROR.into()
        }
    }
}

/// The cards that are asked for, as they were when they were served last.
fn cards(args: &ServeArgs) -> Result<Vec<Seat>, ServeError> {
    let profile = catalogue::profile(&args.profile)?;
    let first = args.vpcd.clone().unwrap_or_default();
    let states = args.state.as_deref().map(StateDir::open).transpose()?.map(Arc::new);
    let (run, anchor) = (RngTree::new(args.seed), trust_anchor(args.seed)?);
    let pki = args.euicc.then(|| hierarchy(args)).transpose()?;
    // A card of the lab's hierarchy is the one that a run's device carries, with the run's servers on it.
    let servers = match (&pki, &args.pki) {
        (Some(pki), None) => EuiccServers::lab(pki, &run, false)?,
        _ => EuiccServers::default(),
    };
    (1..=args.count)
        .map(|number| {
            let personalisation = profile.personalise(number - 1)?;
            let (mut uicc, name) = match &pki {
                None => {
                    let name = format!("ICCID {}, seed {}", personalisation.iccid, args.seed);
                    (virtual_card(&personalisation, number, &run, &anchor)?, name)
                }
                Some(pki) => {
                    let bootstrap = !args.no_profile;
                    let uicc =
                        virtual_euicc(&personalisation, number, &run, &anchor, pki, &servers, bootstrap)?;
                    (uicc, format!("EID {}, seed {}", personalisation.eid, args.seed))
                }
            };
            if args.trace && pki.is_some() {
                uicc.set_euicc_listener(tell(number));
            }
            let keeper = states.clone().map(|states| Keeper { states, number, name });
            if let Some(keeper) = &keeper {
                restore(&mut uicc, keeper)?;
            }
            let address = first.next(number - 1);
            let address = address.ok_or(ServeError::Ports { port: first.port, count: args.count })?;
            Ok(Seat::new(number, uicc, keeper, address, args.trace))
        })
        .collect()
}

/// The hierarchy that eUICCs are certified in.
fn hierarchy(args: &ServeArgs) -> Result<Pki, ServeError> {
    let Some(dir) = &args.pki else { return Ok(Pki::lab()?) };
    let (deployment, notes) = pki_folder::load(dir, None)?;
    notes.iter().for_each(terminal::warning);
    Ok(deployment.pki)
}

/// Says what an eUICC does and why it refuses.
fn tell(number: u32) -> OnEuiccEvent {
    Arc::new(move |event: &EuiccEvent| {
        let code = event.code.map(|code| format!(" ({code})")).unwrap_or_default();
        terminal::line(format_args!("card{number} {}: {}{code}: {}", event.function, event.name, event.text));
    })
}

fn restore(uicc: &mut Uicc, keeper: &Keeper) -> Result<(), ServeError> {
    match keeper.load()? {
        Some(state) => Ok(uicc.restore(&state)?),
        // From now on this directory is this card's, also if nothing about it ever changes.
        None => Ok(keeper.save(uicc)?),
    }
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
