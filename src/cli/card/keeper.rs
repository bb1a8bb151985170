//! A virtual card that is served, and where it keeps its state.

use std::sync::Arc;

use super::super::args::ServedCards;
use super::super::terminal;
use super::serve::ServeError;
use crate::card::{EuiccEvent, OnEuiccEvent, Uicc};
use crate::esim::Pki;
use crate::io::card_state::{CardStateError, StateDir};
use crate::io::pki_folder;
use crate::kernel::RngTree;
use crate::lab::catalogue;
use crate::world::euicc::{EuiccServers, virtual_euicc};
use crate::world::factory::virtual_card;
use crate::world::setup::trust_anchor;

/// Where one card keeps its state.
pub struct Keeper {
    pub states: Arc<StateDir>,
    pub number: u32,
    /// What tells the card from others.
    pub name: String,
}

impl Keeper {
    pub fn load(&self) -> Result<Option<Vec<u8>>, CardStateError> {
        self.states.load(self.number, &self.name)
    }

    pub fn save(&self, uicc: &Uicc) -> Result<(), CardStateError> {
        self.states.save(self.number, &self.name, &uicc.save())
    }
}

/// The first `count` cards of a profile, as they were when they were served last. They are those that the same
/// devices would carry in a run with this seed.
pub fn cards(args: &ServedCards, count: u32) -> Result<Vec<(Uicc, Option<Keeper>)>, ServeError> {
    let (profile, seed) = (catalogue::profile(&args.profile)?, args.seed);
    let states = args.state.as_deref().map(StateDir::open).transpose()?.map(Arc::new);
    let (run, anchor) = (RngTree::new(seed), trust_anchor(seed)?);
    let pki = args.euicc.then(|| hierarchy(args)).transpose()?;
    // A card of the lab's hierarchy is the one that a run's device carries, with the run's servers on it.
    let servers = match (&pki, &args.pki) {
        (Some(pki), None) => EuiccServers::lab(pki, &run, false)?,
        _ => EuiccServers::default(),
    };
    (1..=count)
        .map(|number| {
            let personalisation = profile.personalise(number - 1)?;
            let (mut uicc, name) = match &pki {
                None => {
                    let name = format!("ICCID {}, seed {seed}", personalisation.iccid);
                    (virtual_card(&personalisation, number, &run, &anchor)?, name)
                }
                Some(pki) => {
                    let bootstrap = !args.no_profile;
                    let uicc =
                        virtual_euicc(&personalisation, number, &run, &anchor, pki, &servers, bootstrap)?;
                    (uicc, format!("EID {}, seed {seed}", personalisation.eid))
                }
            };
            if args.no_iot_info {
                uicc.leave_out_iot_info();
            }
            if args.trace && pki.is_some() {
                uicc.set_euicc_listener(tell(number));
            }
            let keeper = states.clone().map(|states| Keeper { states, number, name });
            if let Some(keeper) = &keeper {
                restore(&mut uicc, keeper)?;
            }
            Ok((uicc, keeper))
        })
        .collect()
}

/// The hierarchy that eUICCs are certified in.
fn hierarchy(args: &ServedCards) -> Result<Pki, ServeError> {
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
