//! The virtual eUICC: the first card that `cellbed card serve --euicc` serves with the same profile, hierarchy and
//! state.

use std::path::Path;
use std::sync::Arc;

use super::EuiccToolError;
use super::args::LocalArgs;
use crate::card::{CardPort, PortError};
use crate::cli::args::ServedCards;
use crate::cli::card::keeper::{Keeper, Maker};
use crate::cli::card::virtual_profile;
use crate::cli::terminal;
use crate::world::served::ServedCard;

/// The card with the first subscriber of the SIM profile at `path`.
pub(super) fn open(local: &LocalArgs, path: &Path) -> Result<Box<dyn CardPort>, EuiccToolError> {
    let personalisation = virtual_profile(path)?;
    let args = ServedCards {
        profile: path.to_owned(),
        seed: None,
        euicc: true,
        pki: local.pki.clone(),
        trust_anchor: None,
        no_profile: false,
        no_iot_info: false,
        state: local.state.clone(),
        trace: false,
    };
    let (mut uicc, keeper) = Maker::new(&args)?.card(&personalisation, 1)?;
    // A code is all that goes over ES10; this card can say more.
    uicc.set_euicc_listener(Arc::new(|event| {
        if event.code.is_some() {
            terminal::warning(format_args!("the eUICC refuses {}: {}", event.function, event.text));
        }
    }));
    Ok(Box::new(KeptCard { uicc, keeper }))
}

/// A card that keeps what it must not forget before it answers.
struct KeptCard {
    uicc: ServedCard,
    keeper: Option<Keeper>,
}

impl CardPort for KeptCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        let response = self.uicc.transmit(command)?;
        if let Some(keeper) = self.keeper.as_ref().filter(|_| self.uicc.dirty()) {
            keeper.save(&self.uicc).map_err(|error| PortError::Reader(error.to_string()))?;
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.uicc.reset()
    }
}
