//! A virtual card that is served, and where it keeps its state.

use std::sync::Arc;

use super::super::args::ServedCards;
use super::serve::ServeError;
use crate::card::Uicc;
use crate::io::card_state::{CardStateError, StateDir};
use crate::lab::catalogue;
use crate::onboard::factory::virtual_card;
use crate::onboard::setup::trust_anchor;
use crate::sim::RngTree;

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
    (1..=count)
        .map(|number| {
            let personalisation = profile.personalise(number - 1)?;
            let mut uicc = virtual_card(&personalisation, number, &run, &anchor)?;
            let name = format!("ICCID {}, seed {seed}", personalisation.iccid);
            let keeper = states.clone().map(|states| Keeper { states, number, name });
            if let Some(keeper) = &keeper {
                restore(&mut uicc, keeper)?;
            }
            Ok((uicc, keeper))
        })
        .collect()
}

fn restore(uicc: &mut Uicc, keeper: &Keeper) -> Result<(), ServeError> {
    match keeper.load()? {
        Some(state) => Ok(uicc.restore(&state)?),
        // From now on this directory is this card's, also if nothing about it ever changes.
        None => Ok(keeper.save(uicc)?),
    }
}
