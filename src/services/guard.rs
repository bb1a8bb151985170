//! The guard office: who has a device cut off, released or ended. It writes to the ledger and to nothing else; what
//! follows from that is for those to do who follow the ledger.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::Ticket;
use super::office::{Answer, Caller, Context, Notice, Office, Request};
use super::{ServiceError, short};
use crate::event::Actor;
use crate::ledger::{Account, Reason};
use crate::wire::{Label, Proto, http};

/// What an operator does with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Cuts it off until it is released.
    Quarantine,
    /// Lets it back from quarantine, as what it was.
    Release,
    /// Ends its life: it is not to be trusted any more.
    Revoke,
    /// Ends its certificate. The device keeps its key and may ask for another certificate.
    RevokeCertificate,
}

impl Deed {
    /// The name that scenarios and transcripts use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::Release => "release",
            Self::Revoke => "revoke",
            Self::RevokeCertificate => "revoke-certificate",
        }
    }

    /// The function of the contract.
    fn call(self) -> &'static str {
        match self {
            Self::RevokeCertificate => "revokeCertificate",
            other => other.name(),
        }
    }

    /// How its transaction is called.
    pub(super) fn label(self, id: &[u8; 32], reason: Reason) -> Label {
        Label::new(Proto::Evm, self.call())
            .with("id", short(id))
            .with("reason", Reason::name_of(reason as u8))
    }

    /// The reason where nobody gives one.
    pub(super) fn usual(self) -> Cause {
        match self {
            Self::Quarantine => Cause::CertificateHold,
            Self::Release => Cause::Unspecified,
            Self::Revoke => Cause::PrivilegeWithdrawn,
            Self::RevokeCertificate => Cause::KeyCompromise,
        }
    }
}

/// Why an operator does it, in the words of RFC 5280 clause 5.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing is said.
    Unspecified,
    /// Somebody else may hold the key.
    KeyCompromise,
    /// Another certificate has taken its place.
    Superseded,
    /// The device is out of use.
    CessationOfOperation,
    /// It is cut off for now.
    CertificateHold,
    /// It may no longer do what its certificate was for.
    PrivilegeWithdrawn,
}

impl Cause {
    /// The reason as the ledger has it.
    pub fn on_ledger(self) -> Reason {
        match self {
            Self::Unspecified => Reason::Unspecified,
            Self::KeyCompromise => Reason::KeyCompromise,
            Self::Superseded => Reason::Superseded,
            Self::CessationOfOperation => Reason::CessationOfOperation,
            Self::CertificateHold => Reason::CertificateHold,
            Self::PrivilegeWithdrawn => Reason::PrivilegeWithdrawn,
        }
    }
}

/// What an operator wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorAct {
    /// What.
    pub deed: Deed,
    /// With which device of the run, by its number.
    pub device: u32,
    /// Why; what is usual where there is nothing.
    pub cause: Option<Cause>,
}

/// What is told where an operator acts.
pub const OPERATOR_ACTS: &str = "operator acts";

/// The guard office.
pub struct Guard {
    /// Of the role GUARD.
    account: Account,
    /// What waits for its block, and for which device.
    pending: BTreeMap<Ticket, (Deed, [u8; 32])>,
}

impl Guard {
    /// An office that signs its transactions with `account`.
    pub fn new(account: Account) -> Self {
        Self { account, pending: BTreeMap::new() }
    }

    /// Asks the ledger for `deed` with the device `id`, for `cause`, which rests on what has the digest `evidence`; zero
    /// where there is nothing. Ends no certificates: that is the CA's to do.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub fn ask(
        &mut self,
        deed: Deed,
        id: [u8; 32],
        cause: Option<Cause>,
        evidence: [u8; 32],
        cx: &mut Context<'_>,
    ) -> Result<(), ServiceError> {
        let contract = cx.chain.ledger().contract();
        let reason = cause.unwrap_or_else(|| deed.usual()).on_ledger();
        let raw = match deed {
            Deed::Quarantine => self.account.quarantine(contract, id, reason, evidence),
            Deed::Release => self.account.release(contract, id, reason, evidence),
            Deed::Revoke => self.account.revoke(contract, id, reason, evidence),
            Deed::RevokeCertificate => return Ok(()),
        };
        let ticket = cx.chain.submit(cx.now, Actor::GUARD, deed.label(&id, reason), raw, cx.events)?;
        self.pending.insert(ticket, (deed, id));
        Ok(())
    }
}

impl Office for Guard {
    /// Nobody asks it by HTTP or MQTT.
    fn answer(
        &mut self,
        _: &Caller<'_>,
        _: &Request<'_>,
        _: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        Ok(http::Response::new(404).into())
    }

    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let Notice::Sealed(sealed) = what else { return Ok(()) };
        let Some((deed, id)) = self.pending.remove(&sealed.ticket) else { return Ok(()) };
        if let Some((reason, detail)) = sealed.refusal() {
            let fields = vec![
                ("deed", deed.name().to_owned()),
                ("id", short(&id)),
                ("reason", reason.to_owned()),
                ("detail", detail),
            ];
            cx.note(Actor::GUARD, "the ledger refuses", fields);
        }
        Ok(())
    }
}
