//! The protocol UE: EPS mobility and session management (TS 24.301) above the modelled radio, with the real
//! card behind it.
//!
//! It attaches with a PDN connection, keeps it, and detaches; without a connection it updates its tracking area from time
//! to time, asks for service when it has something to send, and answers when it is paged. Not built: tracking area update for
//! another reason, dedicated bearers.

mod attach;
mod authentication;
mod detach;
mod nas;
mod radio;
mod refusals;
mod service;
mod session;
mod update;

pub use refusals::{FORGIVEN_MAX, T3247};

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use rand_core::RngCore;

use super::usim::{self, Subscriber};
use super::{Frame, RanError};
use crate::card::{CardHandle, CardUser, Exchange};
use crate::event::Actor;
use crate::id::{Imei, Imsi};
use crate::kernel::{Duration, Instant, RngTree};
use crate::wire::Reason;
use crate::wire::nas::{AlgorithmSet, AttachType, Guti, Identity, Kenb, NetworkCapability, PdnType};
use crate::wire::{Fields, Label};

/// Guards the attach procedure (TS 24.301 table 10.2.1).
pub const T3410: Duration = Duration::from_secs(15);
/// Time to the next attach attempt.
pub const T3411: Duration = Duration::from_secs(10);
/// Time to the next attach attempt after five that failed.
pub const T3402: Duration = Duration::from_secs(12 * 60);
/// How long the last RAND and RES are kept.
pub const T3416: Duration = Duration::from_secs(30);
/// How long a network that failed the MAC check has to do better.
pub const T3418: Duration = Duration::from_secs(20);
/// How long the network has to answer a synchronisation failure.
pub const T3420: Duration = Duration::from_secs(15);
/// Time to the next detach request.
pub const T3421: Duration = Duration::from_secs(15);
/// How long the network has to answer a service request.
pub const T3417: Duration = Duration::from_secs(5);
/// How long the network has to answer a tracking area update.
pub const T3430: Duration = Duration::from_secs(15);
/// How long a cell stays barred whose network failed authentication (TS 36.304 clause 5.3.1).
pub const BARRED: Duration = Duration::from_secs(300);
/// The key set identifier that says there is no key (TS 24.301 clause 9.9.3.21).
const NO_KEY: u8 = 7;
/// How many attach attempts are made before T3402.
pub const ATTACH_ATTEMPTS: u8 = 5;

/// What a UE is.
#[derive(Debug, Clone)]
pub struct UeConfig {
    /// Who it is in events.
    pub actor: Actor,
    /// The number of the equipment.
    pub imei: Imei,
    /// Integrity algorithms it supports. EIA0 is never accepted: it is for emergency calls.
    pub eia: AlgorithmSet,
    /// Ciphering algorithms it supports.
    pub eea: AlgorithmSet,
    /// The access point name to ask for, sent ciphered; `None` leaves the choice to the subscription.
    pub apn: Option<String>,
    /// The addresses to ask for.
    pub pdn_type: PdnType,
    /// What to be attached for.
    pub attach_type: AttachType,
}

impl UeConfig {
    /// Device `number` with its test IMEI and every algorithm.
    pub fn new(number: u32) -> Self {
        Self {
            actor: Actor::ue(number),
            imei: Imei::test(number),
            eia: AlgorithmSet::PROTECTING,
            eea: AlgorithmSet::ALL,
            apn: None,
            pdn_type: PdnType::Ipv4,
            attach_type: AttachType::Eps,
        }
    }
}

/// What happens to a UE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UeInput {
    /// The device was switched on and has found a cell: read the card, attach.
    PowerOn,
    /// A frame of a base station.
    Air(Frame),
    /// The radio has lost the cell (TS 36.331 clause 5.3.11).
    RadioLinkFailure,
    /// The device has an IP packet to send. Dropped where there is no bearer.
    SendIp(Vec<u8>),
    /// The device, which is on and detached, wants to be attached again.
    Attach,
    /// The device wants to leave the network and stay on.
    Detach,
    /// The card of the device, which is on and detached, holds another subscriber now and waits for the REFRESH that
    /// says so to be fetched: read it anew, attach.
    CardChanged,
    /// The moment of [`Ue::deadline`] has come.
    Timer,
}

/// What a UE does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum UeOutput {
    /// A frame for the base station of the cell that was selected.
    Air(Frame),
    /// The UE looks for a cell. System information of the one that it finds comes as frames on BCCH.
    SelectCell,
    /// An RRC message that the UE sent to base station `station`, or received from it, as it was before PDCP; `label` says on
    /// which logical channel.
    Rrc { to_network: bool, station: Actor, label: Label, bytes: Vec<u8> },
    /// A NAS PDU that the UE sent, or received, as it was on the air, with what the UE knows of it.
    Nas { to_network: bool, label: Label, bytes: Vec<u8> },
    /// The card says who its subscriber is.
    Subscriber(Imsi),
    /// The card was busy with this; whatever follows happens after it.
    Card(Exchange),
    /// A change of state.
    State { machine: &'static str, change: Cow<'static, str>, fields: Fields },
    /// Registered, with an IP session: its IPv4 address, and the identifier of its link-local address of IPv6.
    Attached {
        ip: Option<Ipv4Addr>,
        interface: Option<[u8; 8]>,
        dns: Option<Ipv4Addr>,
        mtu: u16,
        apn: String,
    },
    /// An IP packet for the device.
    ReceiveIp(Vec<u8>),
    /// An attempt to attach failed. `retry` says whether the UE tries again by itself; after a refusal without proof it does
    /// so anyhow, when T3247 has expired.
    AttachFailed { reason: Reason, detail: String, retry: bool },
    /// Not registered any more, by its own wish or the network's.
    Detached,
}

/// EMM states (TS 24.301 clause 5.1.3.2), with the substates that tell why nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emm {
    Off,
    Deregistered(Substate),
    RegisteredInitiated,
    Registered,
    UpdatingInitiated,
    ServiceRequestInitiated,
    DeregisteredInitiated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Substate {
    NormalService,
    AttemptingToAttach,
    PlmnSearch,
    LimitedService,
    NoImsi,
}

impl Emm {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "NULL",
            Self::Deregistered(Substate::NormalService) => "DEREGISTERED",
            Self::Deregistered(Substate::AttemptingToAttach) => "DEREGISTERED.ATTEMPTING_TO_ATTACH",
            Self::Deregistered(Substate::PlmnSearch) => "DEREGISTERED.PLMN_SEARCH",
            Self::Deregistered(Substate::LimitedService) => "DEREGISTERED.LIMITED_SERVICE",
            Self::Deregistered(Substate::NoImsi) => "DEREGISTERED.NO_IMSI",
            Self::RegisteredInitiated => "REGISTERED_INITIATED",
            Self::Registered => "REGISTERED",
            Self::UpdatingInitiated => "TRACKING_AREA_UPDATING_INITIATED",
            Self::ServiceRequestInitiated => "SERVICE_REQUEST_INITIATED",
            Self::DeregisteredInitiated => "DEREGISTERED_INITIATED",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rrc {
    Idle,
    /// A cell is looked for.
    Searching,
    /// RRCConnectionRequest was sent.
    Connecting,
    Connected,
}

/// A running timer, named as in the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    T3402,
    T3410,
    T3411,
    T3418,
    T3420,
    T3421,
    T3346,
    T3412,
    T3417,
    T3430,
    T3247,
    Barred,
}

/// A UE with its card.
pub struct Ue {
    config: UeConfig,
    card: CardHandle,
    subscriber: Option<Subscriber>,
    emm: Emm,
    rrc: Rrc,
    radio: radio::Radio,
    timers: BTreeMap<Timer, Instant>,
    /// The attach attempt counter, or that of the detach procedure while detaching.
    attempts: u8,
    guti: Option<Guti>,
    /// The initial NAS message that waits for the radio connection.
    pending: Option<radio::Initial>,
    /// The packets that wait for a bearer.
    waiting: VecDeque<Vec<u8>>,
    nas: nas::Security,
    kenb: Option<Kenb>,
    authentication: authentication::Progress,
    session: session::Session,
    forgiven: refusals::Forgiven,
    /// How long the UE may be without a connection before it shows itself; zero: for ever.
    t3412: Duration,
    rng: RngTree,
}

impl Ue {
    /// A UE that is switched off.
    pub fn new(config: UeConfig, card: CardHandle, rng: RngTree) -> Self {
        let first_pti = 1 + (rng.stream("esm/pti").next_u32() % 254) as u8;
        Self {
            config,
            card: card.used_by(CardUser::Modem),
            subscriber: None,
            emm: Emm::Off,
            rrc: Rrc::Idle,
            radio: radio::Radio::new(),
            timers: BTreeMap::new(),
            attempts: 0,
            guti: None,
            pending: None,
            waiting: VecDeque::new(),
            nas: nas::Security::default(),
            kenb: None,
            authentication: authentication::Progress::default(),
            session: session::Session::new(first_pti),
            forgiven: refusals::Forgiven::default(),
            t3412: Duration::ZERO,
            rng,
        }
    }

    /// Takes one input. Fails where the card or a codec lets the UE down; what the network does wrong is
    /// answered in the protocol.
    pub fn handle(&mut self, now: Instant, input: UeInput, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        match input {
            UeInput::PowerOn => self.power_on(now, out),
            UeInput::Attach => match self.emm {
                Emm::Deregistered(Substate::NoImsi) | Emm::Off => Ok(()),
                Emm::Deregistered(_) if self.forgiven.waits() => Ok(()),
                Emm::Deregistered(_) if self.rrc == Rrc::Idle => self.start_attach(now, out),
                // The network has yet to release the connection of the registration before.
                Emm::Deregistered(_) => {
                    self.session.reattach = true;
                    Ok(())
                }
                _ => Ok(()),
            },
            UeInput::Air(frame) => self.air(now, &frame, out),
            UeInput::RadioLinkFailure if self.rrc == Rrc::Connected => {
                self.released(now, "the radio link failed", out)
            }
            UeInput::RadioLinkFailure => Ok(()),
            UeInput::SendIp(packet) => self.send_ip(now, packet, out),
            UeInput::Detach => self.detach(now, out),
            UeInput::CardChanged => self.card_changed(now, out),
            UeInput::Timer => self.expire(now, out),
        }
    }

    /// When the next timer expires.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.values().min().copied()
    }

    fn power_on(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        if self.emm != Emm::Off {
            return Ok(());
        }
        self.read_subscriber(out)?;
        self.enter(Emm::Deregistered(Substate::NormalService), out);
        self.start_attach(now, out)
    }

    fn read_subscriber(&mut self, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let subscriber = self.with_card(out, usim::activate)?;
        out.push(UeOutput::Subscriber(subscriber.imsi.clone()));
        self.subscriber = Some(subscriber);
        Ok(())
    }

    /// Has the card do something; what went through stands in `out` then.
    fn with_card<T>(&self, out: &mut Vec<UeOutput>, work: impl FnOnce(&CardHandle) -> T) -> T {
        let done = work(&self.card);
        out.extend(self.card.take_log().into_iter().map(UeOutput::Card));
        done
    }

    /// Everything that belonged to the subscriber before is forgotten (TS 31.111 clause 6.4.7.1, TS 24.301 clause
    /// 5.3.1). The network must have released the connection before the next subscriber asks for one.
    fn card_changed(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        if !matches!(self.emm, Emm::Deregistered(_)) {
            return Ok(());
        }
        self.with_card(out, usim::take_refresh)?;
        self.read_subscriber(out)?;
        self.guti = None;
        self.attempts = 0;
        self.timers.clear();
        self.forgiven = refusals::Forgiven::default();
        self.nas = nas::Security::default();
        self.authentication = authentication::Progress::default();
        self.enter(Emm::Deregistered(Substate::NormalService), out);
        match self.rrc {
            Rrc::Idle => self.start_attach(now, out),
            _ => {
                self.session.reattach = true;
                Ok(())
            }
        }
    }

    /// The radio connection is gone: by the network, or because it never came about.
    fn released(&mut self, now: Instant, why: &str, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        self.leave_connection();
        match self.emm {
            Emm::RegisteredInitiated => {
                let reason = self.authentication.last_failure().unwrap_or(Reason::LowerLayerFailure);
                self.attach_failed(now, &reason, why, out);
                Ok(())
            }
            Emm::DeregisteredInitiated => {
                self.detached(out);
                Ok(())
            }
            Emm::UpdatingInitiated => {
                self.update_failed(now, why, out);
                Ok(())
            }
            Emm::Registered => {
                self.idle(now);
                Ok(())
            }
            Emm::ServiceRequestInitiated => {
                self.service_failed(now, why, out);
                Ok(())
            }
            _ if self.session.reattach => {
                self.session.reattach = false;
                self.start_attach(now, out)
            }
            _ => Ok(()),
        }
    }

    fn expire(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        while let Some(timer) = self.timers.iter().find(|(_, at)| **at <= now).map(|(timer, _)| *timer) {
            self.timers.remove(&timer);
            match timer {
                Timer::T3410 => {
                    self.leave_connection();
                    self.attach_failed(now, &Reason::TimeoutT3410, "the network did not answer in 15 s", out);
                }
                Timer::T3402 | Timer::T3411 if self.emm == Emm::Registered => self.start_update(now, out)?,
                Timer::T3402 | Timer::T3411 | Timer::T3346 | Timer::Barred => self.start_attach(now, out)?,
                Timer::T3412 => self.start_update(now, out)?,
                Timer::T3417 => self.service_failed(now, "the network did not answer in 5 s", out),
                Timer::T3430 => self.update_failed(now, "the network did not answer in 15 s", out),
                Timer::T3247 => {
                    if self.forgives() {
                        self.start_attach(now, out)?;
                    }
                }
                Timer::T3418 | Timer::T3420 => self.network_failed_authentication(now, out),
                Timer::T3421 => self.retry_detach(now, out)?,
            }
        }
        Ok(())
    }

    /// Stops every timer but the one that runs whatever the UE does.
    fn stop_timers(&mut self) {
        self.timers.retain(|timer, _| *timer == Timer::T3247);
    }

    /// Forgets the radio connection and what lives and dies with it.
    fn leave_connection(&mut self) {
        self.rrc = Rrc::Idle;
        self.pending = None;
        self.radio.leave();
        self.kenb = None;
        self.nas.connection_ended();
    }

    fn enter(&mut self, next: Emm, out: &mut Vec<UeOutput>) {
        self.enter_with(next, Vec::new(), out);
    }

    fn enter_with(&mut self, next: Emm, fields: Fields, out: &mut Vec<UeOutput>) {
        if self.emm != next {
            let change = format!("{} -> {}", self.emm.name(), next.name()).into();
            out.push(UeOutput::State { machine: "emm", change, fields });
            self.emm = next;
        }
    }

    fn note(machine: &'static str, change: impl Into<Cow<'static, str>>, out: &mut Vec<UeOutput>) {
        out.push(UeOutput::State { machine, change: change.into(), fields: Vec::new() });
    }

    fn capability(&self) -> NetworkCapability {
        NetworkCapability::new(self.config.eea, self.config.eia)
    }

    /// Who the UE says it is: by the GUTI where it has one. `what` is the message that says so.
    fn identity(&self, what: &'static str) -> Result<Identity, RanError> {
        match (&self.guti, &self.subscriber) {
            (Some(guti), _) => Ok(Identity::Guti(*guti)),
            (None, Some(subscriber)) => Ok(Identity::Imsi(subscriber.imsi.as_str().to_owned())),
            (None, None) => Err(fault(what, &"the card has not been read")),
        }
    }
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> RanError {
    RanError::Encode { place: "UE", what, cause: cause.to_string() }
}
