//! RRC of the base station (TS 36.331): system information, connections, security and bearers.

use super::{CONNECTION_SETUP_WAIT, Context, Enb, EnbOutput, MME_WAIT, S1State, Stage, fault};
use crate::kernel::Instant;
use crate::ran::RanError;
use crate::ran::cell::Cell;
use crate::ran::uu::{self, Bearers, Frame};
use crate::wire::pdcp::{self, End, RadioKeys, Signalling};
use crate::wire::rrc::connection::*;
use crate::wire::rrc::radio::*;
use crate::wire::rrc::security::*;
use crate::wire::rrc::{DlCcch, DlDcch, Index, Int, Later, List, Octets, UlCcch, UlDcch};
use crate::wire::s1ap::{self, Cause, InitialUeMessage, UeIds, UplinkNasTransport};

/// How long a UE that was rejected stays away, in seconds (TS 36.331 clause 6.2.2).
pub const REJECT_WAIT_S: i32 = 10;

/// The data radio bearer of the default bearer.
pub(super) const DRB: u8 = 1;

/// Its logical channel.
const DRB_CHANNEL: i32 = 3;

impl Enb {
    /// Tells everybody in the cell whether it is barred.
    pub(super) fn broadcast(&mut self, barred: bool, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let super::EnbConfig { number, plmn, tac, .. } = self.config;
        let cell = Cell { plmn, tac, station: crate::event::Actor::enb(number), barred };
        let messages = cell.system_information(self.said).map_err(|e| fault("system information", &e))?;
        self.said += 1;
        out.push(EnbOutput::System { messages });
        Ok(())
    }

    pub(super) fn air(
        &mut self,
        now: Instant,
        ue: u32,
        frame: &Frame,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        match frame.bearer {
            uu::Bearer::Ccch => match UlCcch::decode(&frame.octets) {
                Ok(UlCcch::RrcConnectionRequest(request)) => {
                    self.connection_requested(now, ue, &request, out)
                }
                Ok(_) => self.ignored(ue, "a connection of which nothing is known", out),
                Err(error) => self.ignored(ue, &error.to_string(), out),
            },
            uu::Bearer::Srb1 | uu::Bearer::Srb2 => self.dcch(now, ue, frame, out),
            uu::Bearer::Drb(identity) => self.uplink(now, ue, identity, &frame.octets, out),
            uu::Bearer::Bcch | uu::Bearer::Pcch => Ok(()),
        }
    }

    fn connection_requested(
        &mut self,
        now: Instant,
        ue: u32,
        request: &RrcConnectionRequest,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        // An MME with too much to do lets in who is called, and what cannot wait (TS 36.413 clause 9.2.3.20).
        use EstablishmentCause as C;
        let comes_first = matches!(request.cause, C::Emergency | C::HighPriorityAccess | C::MtAccess);
        if self.s1 != S1State::Ready || self.overloaded && !comes_first {
            let reject = RrcConnectionReject { wait_time: Int::clamped(REJECT_WAIT_S), v8a0: None };
            return Self::ccch(ue, reject, out);
        }
        // A UE that asks again has left its old connection.
        if let Some(old) = self.by_ue.remove(&ue) {
            self.radio_lost(old, out)?;
        }
        let id = self.next_id;
        // The eNB UE S1AP ID has 24 bits (TS 36.413 clause 9.2.3.4).
        self.next_id = (self.next_id + 1) & 0x00ff_ffff;
        let s_tmsi = match &request.ue_identity {
            InitialUeIdentity::STmsi(s_tmsi) => Some(s_tmsi.parts()),
            InitialUeIdentity::Random(_) => None,
        };
        let context = Context {
            ue: Some(ue),
            mme_id: None,
            stage: Stage::Connecting { cause: request.cause, s_tmsi },
            radio: Bearers::new(End::BaseStation),
            transaction: 0,
            secured: false,
            bearer: None,
            active: now,
            nas: None,
        };
        self.contexts.insert(id, context);
        self.by_ue.insert(ue, id);
        self.awaited.push_back((now + CONNECTION_SETUP_WAIT, id));
        let srb1 = SrbToAddMod {
            identity: Int::clamped(1),
            rlc: Some(ExplicitRlc::Default(())),
            logical_channel: Some(ExplicitLogicalChannel::Default(())),
        };
        let radio = RadioResourceConfigDedicated {
            srbs: Some(List::one(srb1)),
            mac: Some(ExplicitMac::Default(())),
            ..Default::default()
        };
        Self::ccch(ue, RrcConnectionSetup { radio, ..Default::default() }, out)
    }

    fn dcch(
        &mut self,
        now: Instant,
        ue: u32,
        frame: &Frame,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(&id) = self.by_ue.get(&ue) else { return Ok(()) };
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        if let Stage::Securing(keys) = &context.stage
            && frame.bearer == uu::Bearer::Srb1
            && let Some(Ok(UlDcch::SecurityModeComplete(_))) =
                Signalling::look(&frame.octets).map(UlDcch::decode)
        {
            let keys = keys.clone();
            return match context.radio.srb1().begin(keys.clone(), &frame.octets) {
                Ok(_) => self.secured(id, keys, out),
                Err(error) => self.ignored(ue, &error.to_string(), out),
            };
        }
        let message = match context.radio.receive(frame.bearer, &frame.octets) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return self.ignored(ue, &error.to_string(), out),
            None => return self.ignored(ue, "a bearer that is not set up", out),
        };
        match UlDcch::decode(&message) {
            Ok(message) => self.message(now, id, message, out),
            Err(error) => self.ignored(ue, &error.to_string(), out),
        }
    }

    fn message(
        &mut self,
        now: Instant,
        id: u32,
        message: UlDcch,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        match (message, &context.stage) {
            (UlDcch::RrcConnectionSetupComplete(complete), &Stage::Connecting { cause, s_tmsi }) => {
                context.stage = Stage::Connected;
                self.unanswered.push_back((now + MME_WAIT, id));
                let (nas, location) = (complete.nas.0, Some(self.location()));
                let message = InitialUeMessage { enb: id, nas, location, cause, s_tmsi };
                self.send_s1("InitialUEMessage", message.build(), out)
            }
            (UlDcch::UlInformationTransfer(transfer), _) => match (transfer.info, context.mme_id) {
                (DedicatedInfo::Nas(nas), Some(mme)) => {
                    let (ids, location) = (UeIds { mme, enb: id }, Some(self.location()));
                    let message = UplinkNasTransport { ids, nas: nas.0, location };
                    self.send_s1("UplinkNASTransport", message.build(), out)
                }
                _ => Ok(()),
            },
            (UlDcch::SecurityModeFailure(_), Stage::Securing(_)) => {
                context.stage = Stage::Connected;
                context.radio.srb1().unprotect_sending();
                self.fail_context_setup(id, Cause::RADIO_PROCEDURE_FAILURE, out)
            }
            (UlDcch::RrcConnectionReconfigurationComplete(_), Stage::Reconfiguring) => {
                context.stage = Stage::Active;
                context.active = now;
                self.watch_idle(now, id);
                self.confirm_context_setup(id, out)
            }
            _ => Ok(()),
        }
    }

    /// Has the radio of a context secured.
    pub(super) fn secure(
        &mut self,
        id: u32,
        setup: &s1ap::ContextSetupRequest,
        (eia, eea): (u8, u8),
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let algorithms = CipheringAlgorithm::of(eea).zip(IntegrityAlgorithm::of(eia));
        let keys = RadioKeys::derive(&setup.kenb, eia, eea);
        let (Some((ciphering, integrity)), Some(keys)) = (algorithms, keys) else {
            return self.fail_context_setup(id, Cause::ALGORITHMS_NOT_SUPPORTED, out);
        };
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        context.secured = true;
        context.stage = Stage::Securing(keys.clone());
        // The command has integrity; what follows it is ciphered too (TS 36.331 clause 5.3.4.2).
        context.radio.srb1().protect_sending(keys);
        let config = SecurityConfigSmc { algorithms: SecurityAlgorithmConfig { ciphering, integrity } };
        let (transaction, later) = (context.next_transaction(), Later::default());
        self.signal(id, SecurityModeCommand { transaction, config, later }, out)?;
        if let Some(context) = self.contexts.get_mut(&id) {
            context.radio.srb1().cipher_sending();
        }
        Ok(())
    }

    /// The UE has taken the security in use: it gets its bearers.
    fn secured(&mut self, id: u32, keys: RadioKeys, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        context.stage = Stage::Reconfiguring;
        context.radio.srb1().cipher_hearing();
        context.radio.secure(keys);
        let (transaction, nas, bearer) = (context.next_transaction(), context.nas.take(), context.bearer);
        let radio = RadioResourceConfigDedicated {
            srbs: Some(List::one(srb2())),
            drbs: bearer.map(|bearer| List::one(drb(bearer.erab))),
            ..Default::default()
        };
        let radio = Some(radio);
        let nas = nas.map(|nas| List::one(Octets(nas)));
        let message = RrcConnectionReconfiguration { transaction, nas, radio, ..Default::default() };
        self.signal(id, message, out)?;
        // The bearers stand for the UE before the base station hears so.
        if let Some(context) = self.contexts.get_mut(&id) {
            context.radio.add_srb2();
            if context.bearer.is_some() {
                context.radio.add_data(DRB);
            }
        }
        Ok(())
    }

    /// Has the UE release its data radio bearer, where `released`, with a NAS message.
    pub(super) fn reconfigure(
        &mut self,
        id: u32,
        released: bool,
        nas: Option<Vec<u8>>,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        let transaction = context.next_transaction();
        let mut message = RrcConnectionReconfiguration { transaction, ..Default::default() };
        message.nas = nas.map(|nas| List::one(Octets(nas)));
        if released {
            context.radio.remove_data(DRB);
            let drbs_to_release = Some(List::one(Int::clamped(DRB.into())));
            message.radio = Some(RadioResourceConfigDedicated { drbs_to_release, ..Default::default() });
        }
        self.signal(id, message, out)
    }

    /// Hands a NAS message to the UE of a context.
    pub(super) fn transfer(
        &mut self,
        id: u32,
        nas: Vec<u8>,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        let (transaction, info) = (context.next_transaction(), DedicatedInfo::Nas(Octets(nas)));
        let message = DlInformationTransfer { transaction, info, later: Later::default() };
        self.send_by(id, message, Bearers::send_nas, out)
    }

    /// Tells the UE that its connection is over.
    pub(super) fn radio_release(context: &mut Context, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let Some(ue) = context.ue else { return Ok(()) };
        let (transaction, cause) = (context.next_transaction(), ReleaseCause::Other);
        let message = DlDcch::from(RrcConnectionRelease { transaction, cause, ..Default::default() });
        let octets = message.encode().map_err(|e| fault("RRCConnectionRelease", &e))?;
        // Where no COUNT is left the UE finds out by itself.
        if let Ok(frame) = context.radio.send(&octets) {
            out.push(EnbOutput::Air { ue, frame });
        }
        Ok(())
    }

    fn signal(
        &mut self,
        id: u32,
        message: impl Into<DlDcch>,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        self.send_by(id, message, Bearers::send, out)
    }

    /// Sends a message to the UE of a context, on the bearer that `send` takes; nothing where it has left.
    fn send_by(
        &mut self,
        id: u32,
        message: impl Into<DlDcch>,
        send: fn(&mut Bearers, &[u8]) -> Result<Frame, pdcp::Error>,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        let Some(ue) = context.ue else { return Ok(()) };
        let octets = message.into().encode().map_err(|e| fault("RRC message", &e))?;
        match send(&mut context.radio, &octets) {
            Ok(frame) => out.push(EnbOutput::Air { ue, frame }),
            Err(error) => return self.exhausted(id, &error.to_string(), out),
        }
        Ok(())
    }

    fn ccch(ue: u32, message: impl Into<DlCcch>, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let octets = message.into().encode().map_err(|e| fault("RRC message", &e))?;
        out.push(EnbOutput::Air { ue, frame: Frame::new(uu::Bearer::Ccch, octets) });
        Ok(())
    }

    /// Nothing more can be sent under the keys of a connection: it ends (TS 33.401 clause 7.2.9.1).
    pub(super) fn exhausted(&mut self, id: u32, why: &str, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let Some(context) = self.contexts.get(&id) else { return Ok(()) };
        let (ue, mme) = (context.ue, context.mme_id);
        self.ignored(ue.unwrap_or_default(), why, out)?;
        match mme {
            Some(mme) => self.request_release(UeIds { mme, enb: id }, Cause::RADIO_UNSPECIFIED, out),
            None => Ok(()),
        }
    }

    /// Something that came on the radio, or was to be sent there, leads to nothing.
    fn ignored(&self, ue: u32, why: &str, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let fields = vec![("ue", ue.to_string()), ("why", why.to_owned())];
        out.push(EnbOutput::State { machine: "rrc", change: "message dropped".into(), fields });
        Ok(())
    }
}

/// SRB2 with the configuration that every UE knows (clause 9.2.1.2).
fn srb2() -> SrbToAddMod {
    SrbToAddMod {
        identity: Int::clamped(2),
        rlc: Some(ExplicitRlc::Default(())),
        logical_channel: Some(ExplicitLogicalChannel::Default(())),
    }
}

/// The data radio bearer of E-RAB `erab` in acknowledged mode, with sequence numbers of 12 bits in PDCP.
fn drb(erab: u64) -> DrbToAddMod {
    let pdcp = PdcpConfig {
        discard_timer: None,
        rlc_am: Some(PdcpAm { status_report_required: false }),
        rlc_um: None,
        header_compression: HeaderCompression::NotUsed(()),
    };
    let ul = UlAmRlc {
        // ms80, p64, kBinfinity, t8.
        t_poll_retransmit: Index::clamped(15),
        poll_pdu: Index::clamped(4),
        poll_byte: Index::clamped(14),
        max_retx_threshold: Index::clamped(5),
    };
    // ms35, ms60.
    let dl = DlAmRlc { t_reordering: Index::clamped(7), t_status_prohibit: Index::clamped(12) };
    let ul_parameters = UlSpecificParameters {
        priority: Int::clamped(13),
        // kBps8, ms100.
        prioritised_bit_rate: Index::clamped(1),
        bucket_size_duration: Index::clamped(1),
        group: Some(Int::clamped(2)),
    };
    DrbToAddMod {
        eps_bearer_identity: Some(Int::clamped(i32::try_from(erab).unwrap_or(0))),
        identity: Int::clamped(DRB.into()),
        pdcp: Some(pdcp),
        rlc: Some(RlcConfig::Am(RlcAm { ul, dl })),
        logical_channel_identity: Some(Int::clamped(DRB_CHANNEL)),
        logical_channel: Some(LogicalChannelConfig { ul: Some(ul_parameters) }),
    }
}
