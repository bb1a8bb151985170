//! What the operator has recorded on the ledger of its own servers, and what proves it to devices.

use sha2::{Digest, Sha256};

use super::chain::Chain;
use super::{ServiceError, short};
use crate::event::{Actor, Body};
use crate::kernel::Instant;
use crate::ledger::{Account, Contract, Engine, server_key, server_record};
use crate::net::ServiceAddress;
use crate::wire::{Label, Proto, http};

/// The certificate of one server.
pub struct Vouched {
    name: &'static str,
    certificate: [u8; 32],
    /// The transaction that records it, as long as it was not sent.
    unsent: Option<Vec<u8>>,
}

impl Vouched {
    /// Has `account` record the `certificate` (DER) that `server` shows.
    ///
    /// # Errors
    /// Where the name of the server is too long for the contract, which is a fault of ours.
    pub fn new(
        account: &mut Account,
        contract: Contract,
        server: ServiceAddress,
        certificate: &[u8],
    ) -> Result<Self, ServiceError> {
        let digest = Sha256::digest(certificate).into();
        let record = server_record(server.name, digest, 1);
        let record = record.map_err(|error| ServiceError::Release(error.to_string()))?;
        let unsent = Some(account.publish_firmware(contract, &record));
        Ok(Self { name: server.name, certificate: digest, unsent })
    }

    /// When something happens by itself: the certificate is recorded at once.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.unsent.is_some().then_some(Instant::ZERO)
    }

    /// Records what is not on the ledger yet.
    ///
    /// # Errors
    /// Where the ledger does not take it: a transaction of ours is in order.
    pub(super) fn open(
        &mut self,
        now: Instant,
        chain: &mut Chain,
        events: &mut Vec<Body>,
    ) -> Result<(), ServiceError> {
        let Some(raw) = self.unsent.take() else { return Ok(()) };
        let label = Label::new(Proto::Evm, "publishFirmware")
            .with("server", self.name)
            .with("certificate", short(&self.certificate));
        chain.submit(now, Actor::REGISTRAR, label, raw, events)?;
        Ok(())
    }

    /// The certificate of the server `name`, and what proves it; nothing of servers that nobody vouches for.
    pub(super) fn answer(&self, name: &str, ledger: &Engine) -> Option<http::Response> {
        let (model, component) = server_key(name).ok().filter(|_| name == self.name)?;
        let proof = ledger.prove_release(&self.certificate, model, component)?;
        let body = [&self.certificate[..], &proof.to_bytes()].concat();
        Some(http::Response::new(200).body("application/octet-stream", body))
    }
}
