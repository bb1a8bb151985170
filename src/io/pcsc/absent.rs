//! What [`super`] offers where it was built without PC/SC.

use std::convert::Infallible;

use super::{PcscError, Reader};
use crate::card::{CardPort, PortError};

/// A card in a reader. There is none in this build.
#[derive(Debug)]
pub struct PcscCard(Infallible);

pub(super) fn readers() -> Result<Vec<Reader>, PcscError> {
    Err(PcscError::NotBuilt)
}

pub(super) fn open(_: &str) -> Result<PcscCard, PcscError> {
    Err(PcscError::NotBuilt)
}

impl PcscCard {
    /// The name of the reader.
    pub fn reader(&self) -> &str {
        match self.0 {}
    }

    /// The card's last Answer To Reset.
    pub fn atr(&self) -> &[u8] {
        match self.0 {}
    }
}

impl CardPort for PcscCard {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, PortError> {
        match self.0 {}
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        match self.0 {}
    }
}
