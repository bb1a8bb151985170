//! The eUICC of the house, with a fault that can be switched on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cellbed::card::{CardPort, PortError, Uicc};

/// INS of STORE DATA.
const STORE_DATA: u8 = 0xe2;
/// ES10b.LoadEuiccPackage.
const LOAD_PACKAGE: [u8; 2] = [0xbf, 0x51];

/// A card of which the results of packages can be forged.
pub struct FaultyCard {
    inner: Uicc,
    /// Whether the signature of each result is changed from now on.
    pub forge: Arc<AtomicBool>,
    /// Whether the function that is answered is LoadEuiccPackage.
    loading: bool,
}

impl FaultyCard {
    pub fn new(inner: Uicc) -> Self {
        Self { inner, forge: Arc::default(), loading: false }
    }
}

impl CardPort for FaultyCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        if let [_, STORE_DATA, _, 0, _, data @ ..] = command {
            self.loading = data.starts_with(&LOAD_PACKAGE);
        }
        let mut response = self.inner.transmit(command)?;
        // The signature is the last data object of a result.
        if let [.., last, 0x90, 0x00] = &mut response[..]
            && self.loading
            && self.forge.load(Ordering::Relaxed)
        {
            *last ^= 1;
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.loading = false;
        self.inner.reset()
    }
}
