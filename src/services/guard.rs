//! The guard office: who has a device cut off, released or ended. It takes alarms and operators' words in and writes to the
//! ledger; what follows from that is for those to do who follow the ledger. An alarm alone does nothing that stays.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::Ticket;
use super::office::{Answer, Caller, Context, Notice, Office, Request};
use super::rate::Rate;
use super::{ServiceError, short};
use crate::crypto::key::verify;
use crate::event::Actor;
use crate::kernel::Duration;
use crate::ledger::{Account, Contract, Reason, Status};
use crate::wire::alarm::{Alarm, Level, Witness};
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
    pub fn call(self) -> &'static str {
        match self {
            Self::RevokeCertificate => "revokeCertificate",
            other => other.name(),
        }
    }

    /// Its transaction of the account with the role GUARD, for `cause` or what is usual; it rests on what has the digest
    /// `evidence`, zero where there is nothing. None for what is the CA's to do.
    pub fn by_guard(
        self,
        account: &mut Account,
        contract: Contract,
        id: [u8; 32],
        cause: Option<Cause>,
        evidence: [u8; 32],
    ) -> Option<Vec<u8>> {
        let reason = self.reason(cause);
        Some(match self {
            Self::Quarantine => account.quarantine(contract, id, reason, evidence),
            Self::Release => account.release(contract, id, reason, evidence),
            Self::Revoke => account.revoke(contract, id, reason, evidence),
            Self::RevokeCertificate => return None,
        })
    }

    /// The reason as the ledger has it: that of `cause`, or what is usual.
    pub fn reason(self, cause: Option<Cause>) -> Reason {
        cause.unwrap_or_else(|| self.usual()).on_ledger()
    }

    /// How its transaction is called.
    pub(super) fn label(self, id: &[u8; 32], reason: Reason) -> Label {
        Label::new(Proto::Evm, self.call())
            .with("id", short(id))
            .with("reason", Reason::name_of(reason as u8))
    }

    /// The reason where nobody gives one.
    fn usual(self) -> Cause {
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
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
    ];

    /// The name that scenarios and the command line use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::CertificateHold => "certificate-hold",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

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

/// What is told where an alarm is taken in.
pub const ALARM_TAKEN: &str = "alarm taken";

/// What is told where an operator acts.
pub const OPERATOR_ACTS: &str = "operator acts";

/// What is told where the ledger does not do what the office has asked for.
pub const LEDGER_REFUSES: &str = "the ledger refuses";

/// How many alarms of one device are looked at at once, and after which time one more.
const ALARMS: u32 = 8;
const ALARM_EVERY: Duration = Duration::from_secs(10);
/// How many alarms of one peer are looked at at once, whomever they are about, and after which time one more: a liar cannot
/// have a crowd restricted.
const OF_A_PEER: u32 = 8;
const OF_A_PEER_EVERY: Duration = Duration::from_secs(60);
/// How many alarms are kept as evidence; the oldest go first.
const EVIDENCE_MAX: usize = 1024;

/// A device that is to be kept to what it is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restriction {
    /// Its identity on the ledger.
    pub id: [u8; 32],
    /// The digest of what was seen.
    pub evidence: [u8; 32],
}

/// Somebody whose alarms are believed.
struct Sentry {
    /// `X || Y`.
    public: [u8; 64],
    /// As whom it may speak, and as nobody else.
    witness: Witness,
    /// The sequence of its last alarm.
    last: u64,
}

/// The guard office.
pub struct Guard {
    /// Of the role GUARD.
    account: Account,
    /// What waits for its block, and for which device.
    pending: BTreeMap<Ticket, (Deed, [u8; 32])>,
    /// Who raises alarms, by name.
    sentries: BTreeMap<String, Sentry>,
    /// The sequence of the last alarm of each device that has raised one itself, by its identity.
    own: BTreeMap<[u8; 32], u64>,
    rate: Rate,
    /// Of those who accuse others, by their place in `sentries`.
    peers: Rate,
    evidence: VecDeque<Alarm>,
}

impl Guard {
    /// An office that signs its transactions with `account`.
    pub fn new(account: Account) -> Self {
        let (rate, peers) = (Rate::new(ALARMS, ALARM_EVERY), Rate::new(OF_A_PEER, OF_A_PEER_EVERY));
        let (pending, sentries, own, evidence) = Default::default();
        Self { account, pending, sentries, own, rate, peers, evidence }
    }

    /// The same, which believes the alarms of `issuer` under the public point `X || Y`, as those of the network's guard.
    #[must_use]
    pub fn believing(self, issuer: &str, public: [u8; 64]) -> Self {
        self.knowing(issuer, public, Witness::Network)
    }

    /// The same, which takes in what the peer `issuer`, such as a cloud, says of devices that talk to it.
    #[must_use]
    pub fn hearing(self, issuer: &str, public: [u8; 64]) -> Self {
        self.knowing(issuer, public, Witness::Peer)
    }

    fn knowing(mut self, issuer: &str, public: [u8; 64], witness: Witness) -> Self {
        self.sentries.insert(issuer.to_owned(), Sentry { public, witness, last: 0 });
        self
    }

    /// Whether something waits for its block.
    pub fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The alarms that were taken in, the latest last: what was decided rests on them.
    pub fn evidence(&self) -> impl Iterator<Item = &Alarm> {
        self.evidence.iter()
    }

    /// Takes an alarm in. What is certain to the guard of the network becomes a quarantine on the ledger; whatever else is
    /// believed becomes a restriction, which is returned: a device that accuses itself or a peer that accuses it has one
    /// voice, and proves nothing. `who` says which device has an address, by its number and its identity; `device` is set
    /// to that number.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub fn alarm(
        &mut self,
        token: &[u8],
        who: impl FnOnce(IpAddr, &Context<'_>) -> Option<(u32, [u8; 32])>,
        device: &mut Option<u32>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Restriction>, ServiceError> {
        let alarm = match self.believed(token) {
            Ok(alarm) => alarm,
            Err(reason) => {
                cx.note(Actor::GUARD, "alarm refused", vec![("reason", reason.to_owned())]);
                return Ok(None);
            }
        };
        let Some((number, id)) = who(alarm.address, cx) else {
            let fields = vec![("reason", "no-session".to_owned()), ("address", alarm.address.to_string())];
            cx.note(Actor::GUARD, "alarm refused", fields);
            return Ok(None);
        };
        *device = Some(number);
        if alarm.witness == Witness::Peer {
            let place = self.sentries.keys().position(|issuer| *issuer == alarm.issuer).unwrap_or_default();
            if self.peers.take(cx.now, u32::try_from(place).unwrap_or(u32::MAX)).is_err() {
                let fields = vec![("reason", "too-many-of-this-peer".to_owned())];
                cx.note(Actor::GUARD, "alarm refused", fields);
                return Ok(None);
            }
        }
        let Some((witness, level, evidence)) = self.keep(number, alarm, cx) else { return Ok(None) };
        match (witness, level) {
            (Witness::Network, Level::Certain) => self.suspend(id, evidence, cx).map(|()| None),
            _ => Ok(Some(Restriction { id, evidence })),
        }
    }

    /// Takes in what device `number`, which the ledger knows by `id` and this key, states of itself in a session with these `addresses`. It has one
    /// voice and proves nothing: what is believed becomes a restriction.
    ///
    /// # Errors
    /// In a word why it is not believed.
    pub fn own_alarm(
        &mut self,
        token: &[u8],
        (number, id, public): (u32, [u8; 32], [u8; 64]),
        (name, addresses): (&str, &[IpAddr]),
        cx: &mut Context<'_>,
    ) -> Result<Option<Restriction>, &'static str> {
        let alarm = Alarm::decode(token, |issuer, message, signature| {
            issuer == name && verify(&public, message, signature).is_ok()
        });
        let alarm = alarm.map_err(|error| error.word())?;
        if alarm.witness != Witness::Device || !addresses.contains(&alarm.address) {
            return Err("not-of-itself");
        }
        let last = self.own.entry(id).or_default();
        if alarm.sequence <= *last {
            return Err("replayed");
        }
        *last = alarm.sequence;
        let kept = self.keep(number, alarm, cx);
        Ok(kept.map(|(_, _, evidence)| Restriction { id, evidence }))
    }

    /// Keeps an alarm of device `number` that is believed as evidence, and tells it. None where it is one too many: the first
    /// alarms of a device decide, more of the same say nothing new.
    fn keep(
        &mut self,
        number: u32,
        alarm: Alarm,
        cx: &mut Context<'_>,
    ) -> Option<(Witness, Level, [u8; 32])> {
        // What others say of a device does not use up what the network's guard, or it itself, may say.
        let voice = number.wrapping_mul(4).wrapping_add(alarm.witness as u32);
        self.rate.take(cx.now, voice).ok()?;
        let fields = vec![
            ("level", alarm.level.word().to_owned()),
            ("witness", alarm.witness.word().to_owned()),
            ("address", alarm.address.to_string()),
            ("evidence", short(&alarm.evidence)),
        ];
        cx.note(Actor::GUARD, ALARM_TAKEN, fields);
        let kept = (alarm.witness, alarm.level, alarm.evidence);
        if self.evidence.len() >= EVIDENCE_MAX {
            self.evidence.pop_front();
        }
        self.evidence.push_back(alarm);
        Some(kept)
    }

    /// The alarm that `token` is, or in a word why it is not believed.
    fn believed(&mut self, token: &[u8]) -> Result<Alarm, &'static str> {
        let sentries = &self.sentries;
        let alarm = Alarm::decode(token, |issuer, message, signature| {
            sentries.get(issuer).is_some_and(|sentry| verify(&sentry.public, message, signature).is_ok())
        });
        let alarm = alarm.map_err(|error| error.word())?;
        match self.sentries.get_mut(&alarm.issuer) {
            Some(sentry) if alarm.witness != sentry.witness => Err("another-witness"),
            Some(sentry) if alarm.sequence > sentry.last => {
                sentry.last = alarm.sequence;
                Ok(alarm)
            }
            _ => Err("replayed"),
        }
    }

    /// Asks the ledger to quarantine the device `id` where it is in service and nobody has asked for it yet.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub fn suspend(
        &mut self,
        id: [u8; 32],
        evidence: [u8; 32],
        cx: &mut Context<'_>,
    ) -> Result<(), ServiceError> {
        let status = cx.chain.ledger().device(&id).map_or(Status::None, |record| record.status);
        let asked = self.pending.values().any(|asked| *asked == (Deed::Quarantine, id));
        match status {
            Status::Registered | Status::Active if !asked => {
                self.ask(Deed::Quarantine, id, None, evidence, cx)
            }
            _ => Ok(()),
        }
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
        let Some(raw) = deed.by_guard(&mut self.account, contract, id, cause, evidence) else {
            return Ok(());
        };
        let reason = deed.reason(cause);
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
            cx.note(Actor::GUARD, LEDGER_REFUSES, fields);
        }
        Ok(())
    }
}
