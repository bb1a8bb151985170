//! The virtual eUICC: the first card that `cellbed card serve --euicc` serves with the same profile, hierarchy and
//! state.

use super::EuiccToolError;
use super::args::LocalArgs;
use crate::card::{CardPort, PortError, Uicc};
use crate::cli::card::virtual_profile;
use crate::cli::terminal;
use crate::esim::Pki;
use crate::esim::pki::LAB_SEED;
use crate::io::card_state::StateDir;
use crate::io::pki_folder;
use crate::kernel::RngTree;
use crate::world::euicc::{EuiccServers, virtual_euicc};
use crate::world::setup::trust_anchor;

/// The number of the card.
const NUMBER: u32 = 1;

/// The card with the first subscriber of the SIM profile at `path`.
pub(super) fn open(local: &LocalArgs, path: &std::path::Path) -> Result<Box<dyn CardPort>, EuiccToolError> {
    let personalisation = virtual_profile(path)?;
    let run = RngTree::new(LAB_SEED);
    let (pki, servers) = match &local.pki {
        None => {
            let pki = Pki::lab()?;
            let servers = EuiccServers::lab(&pki, &run, false)?;
            (pki, servers)
        }
        Some(dir) => {
            let (deployment, notes) = pki_folder::load(dir, None)?;
            notes.iter().for_each(terminal::warning);
            (deployment.pki, EuiccServers::default())
        }
    };
    let anchor = trust_anchor(LAB_SEED)?;
    let mut uicc = virtual_euicc(&personalisation, NUMBER, &run, &anchor, &pki, &servers, true)?;
    let Some(dir) = &local.state else { return Ok(Box::new(uicc)) };
    let states = StateDir::open(dir)?;
    let name = format!("EID {}, seed {LAB_SEED}", personalisation.eid);
    if let Some(state) = states.load(NUMBER, &name)? {
        uicc.restore(&state)?;
    }
    Ok(Box::new(KeptCard { uicc, states, name }))
}

/// A card that keeps what it must not forget before it answers.
struct KeptCard {
    uicc: Uicc,
    states: StateDir,
    name: String,
}

impl CardPort for KeptCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        let response = self.uicc.transmit(command)?;
        if self.uicc.dirty() {
            let kept = self.states.save(NUMBER, &self.name, &self.uicc.save());
            kept.map_err(|error| PortError::Reader(error.to_string()))?;
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.uicc.reset()
    }
}
