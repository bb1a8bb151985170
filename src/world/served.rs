//! Virtual cards that are served to somebody outside.

use std::ops::{Deref, DerefMut};

use super::WorldError;
use super::euicc::{EuiccIssue, virtual_euicc};
use super::factory::virtual_card;
use crate::card::{CardPort, Personalisation, PortError, Uicc};
use crate::kernel::ServedRng;

/// A card for somebody outside. It can be made of [`ServedRng`] alone, so that no card of a simulated run, whose keys
/// are public, is served by accident.
pub struct ServedCard(Uicc);

impl ServedCard {
    /// A plain card, number `number` of those that are served.
    ///
    /// # Errors
    /// Where the profile has no such card.
    pub fn plain(
        card: &Personalisation,
        number: u32,
        rng: &ServedRng,
        trust_anchor: &[u8],
    ) -> Result<Self, WorldError> {
        Ok(Self(virtual_card(card, number, rng.tree(), trust_anchor)?))
    }

    /// An eUICC.
    ///
    /// # Errors
    /// Where the EUM may not certify the EID, or the profile has no such card.
    pub fn euicc(
        card: &Personalisation,
        number: u32,
        rng: &ServedRng,
        trust_anchor: &[u8],
        issue: &EuiccIssue<'_>,
    ) -> Result<Self, WorldError> {
        Ok(Self(virtual_euicc(card, number, rng.tree(), trust_anchor, issue)?))
    }
}

impl CardPort for ServedCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        self.0.transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.0.reset()
    }
}

impl Deref for ServedCard {
    type Target = Uicc;

    fn deref(&self) -> &Uicc {
        &self.0
    }
}

impl DerefMut for ServedCard {
    fn deref_mut(&mut self) -> &mut Uicc {
        &mut self.0
    }
}
