//! What the base station does with each S1AP message of the MME (TS 36.413 clause 8).

use super::{Bearer, Context, Enb, EnbOutput, S1State};
use crate::kernel::{Duration, Instant};
use crate::ran::RanError;
use crate::wire::gtpu::FarEnd;
use crate::wire::s1ap::{
    Cause, Connection, ContextReleaseCommand, ContextReleaseComplete, ContextSetupFailure,
    ContextSetupRequest, ContextSetupResponse, DownlinkNasTransport, ErabReleaseCommand, ErabReleaseResponse,
    ErrorIndication, Kind, OverloadAction, OverloadStart, Paging, Pdu, Reset, ResetAcknowledge,
    S1SetupFailure, SecurityCapabilities, Tunnel, UeIds,
};

/// How long to wait after a refused S1 SETUP REQUEST where the MME does not say.
const SETUP_WAIT_S: u64 = 10;

impl Enb {
    pub(super) fn receive_s1(
        &mut self,
        now: Instant,
        bytes: &[u8],
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        if self.s1 == S1State::Down {
            return Ok(());
        }
        let Ok(pdu) = Pdu::decode(bytes) else {
            let error = ErrorIndication::transfer_syntax_error();
            return self.send_s1("ErrorIndication", error.build(), out);
        };
        match pdu.kind() {
            Kind::S1SetupResponse => self.set_up_done(out),
            Kind::S1SetupFailure => {
                self.set_up_refused(now, S1SetupFailure::read(&pdu), out);
                Ok(())
            }
            Kind::DownlinkNasTransport => match DownlinkNasTransport::read(&pdu) {
                Ok(message) => self.downlink_nas(message, out),
                Err(_) => self.not_understood(&pdu, out),
            },
            Kind::InitialContextSetupRequest => match ContextSetupRequest::read(&pdu) {
                Ok(request) => self.context_setup_requested(request, out),
                Err(_) => self.not_understood(&pdu, out),
            },
            Kind::UeContextReleaseCommand => match ContextReleaseCommand::read(&pdu) {
                Ok(command) => self.release_commanded(command, out),
                Err(_) => self.not_understood(&pdu, out),
            },
            Kind::ErabReleaseCommand => match ErabReleaseCommand::read(&pdu) {
                Ok(command) => self.erab_released(command, out),
                Err(_) => self.not_understood(&pdu, out),
            },
            Kind::Reset => match Reset::read(&pdu) {
                Ok(reset) => self.reset(reset, out),
                Err(_) => self.not_understood(&pdu, out),
            },
            Kind::ErrorIndication => self.error_indicated(&ErrorIndication::read(&pdu), out),
            Kind::OverloadStart => match OverloadStart::read(&pdu) {
                Ok(OverloadStart { action }) => {
                    self.overload(action == OverloadAction::RejectSignalling, out);
                    Ok(())
                }
                Err(_) => self.not_understood(&pdu, out),
            },
            Kind::OverloadStop => {
                self.overload(false, out);
                Ok(())
            }
            Kind::HandoverRequest => self.refuse(&pdu, &Cause::HANDOVER_NOT_ALLOWED, out),
            Kind::MmeConfigurationUpdate => self.refuse(&pdu, &Cause::MISC_UNSPECIFIED, out),
            Kind::UeContextModificationRequest => match pdu.ids() {
                (Some(mme), Some(enb)) if self.adopt(UeIds { mme, enb }).is_none() => {
                    self.unknown_ids(UeIds { mme, enb }, out)
                }
                _ => self.refuse(&pdu, &Cause::RADIO_UNSPECIFIED, out),
            },
            // What cannot be read pages nobody (clause 10.3.5: the message is ignored).
            Kind::Paging => {
                if let Ok(paging) = Paging::read(&pdu) {
                    self.paging_requested(now, &paging);
                }
                Ok(())
            }
            Kind::ResetAcknowledge => Ok(()),
            _ => self.not_understood(&pdu, out),
        }
    }

    /// Whether connections are rejected from now on, since the MME has too much to do.
    fn overload(&mut self, overloaded: bool, out: &mut Vec<EnbOutput>) {
        if self.overloaded != overloaded {
            self.overloaded = overloaded;
            let change = if overloaded { "connections are rejected" } else { "connections are taken again" };
            Self::note("s1", change, out);
        }
    }

    /// What this base station does not do: take over a UE (clause 8.4.2), or be told otherwise of what it was told at S1
    /// Setup and at Initial Context Setup (clauses 8.7.5 and 8.3.4).
    fn refuse(&mut self, pdu: &Pdu<'_>, cause: &Cause, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        match pdu.failure(cause) {
            Some(failure) => self.send_s1("the failure of a procedure", failure, out),
            None => self.not_understood(pdu, out),
        }
    }

    fn not_understood(&mut self, pdu: &Pdu<'_>, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        match pdu.abstract_syntax_error() {
            Some(answer) => self.send_s1("ErrorIndication", answer.build(), out),
            None => Ok(()),
        }
    }

    fn unknown_ids(&mut self, ids: UeIds, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let known = self.contexts.contains_key(&ids.enb);
        let cause = if known { Cause::UNKNOWN_PAIR } else { Cause::UNKNOWN_ENB_UE_ID };
        self.send_s1("ErrorIndication", ErrorIndication::unknown_ue(ids.mme, ids.enb, cause).build(), out)
    }

    fn set_up_done(&mut self, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        if self.s1 != S1State::SettingUp {
            return Ok(());
        }
        self.s1 = S1State::Ready;
        self.setup_at = None;
        Self::note("s1", "READY", out);
        self.broadcast(false, out)
    }

    fn set_up_refused(&mut self, now: Instant, refusal: S1SetupFailure, out: &mut Vec<EnbOutput>) {
        if self.s1 != S1State::SettingUp {
            return;
        }
        let wait = refusal.wait_s.unwrap_or(SETUP_WAIT_S);
        self.setup_at = Some(now + Duration::from_secs(wait));
        let cause = refusal.cause.map_or_else(|| "unreadable".to_owned(), |cause| cause.to_string());
        out.push(EnbOutput::State {
            machine: "s1",
            change: "REFUSED".into(),
            fields: vec![("cause", cause), ("retry", format!("{wait}s"))],
        });
    }

    fn downlink_nas(
        &mut self,
        DownlinkNasTransport { ids, nas }: DownlinkNasTransport,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        match self.adopt(ids) {
            Some(_) => self.transfer(ids.enb, nas, out),
            None => self.unknown_ids(ids, out),
        }
    }

    /// The device of a context, where the two identifiers name one. The first message of the MME gives it the
    /// MME UE S1AP ID.
    fn adopt(&mut self, ids: UeIds) -> Option<Option<u32>> {
        let context = self.contexts.get_mut(&ids.enb)?;
        match context.mme_id {
            None => context.mme_id = Some(ids.mme),
            Some(known) if known != ids.mme => return None,
            Some(_) => {}
        }
        Some(context.ue)
    }

    fn context_setup_requested(
        &mut self,
        setup: ContextSetupRequest,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let enb_id = setup.ids.enb;
        let Some(ue) = self.adopt(setup.ids) else { return self.unknown_ids(setup.ids, out) };
        if ue.is_none() {
            return self.fail_context_setup(enb_id, Cause::RADIO_CONNECTION_LOST, out);
        }
        // Security of the radio begins once in a connection (TS 36.331 clause 5.3.1.2): beginning again would send other
        // messages under the same key and COUNT 0. What is there stays.
        if self.contexts.get(&enb_id).is_some_and(|context| context.secured) {
            return self.refuse_context_setup(enb_id, Cause::NOT_COMPATIBLE_WITH_STATE, out);
        }
        let Some(gateway) = setup.tunnel.address.ipv4() else {
            return self.fail_context_setup(enb_id, Cause::TRANSPORT_UNAVAILABLE, out);
        };
        let Some(algorithms) = self.choose(setup.capabilities) else {
            return self.fail_context_setup(enb_id, Cause::ALGORITHMS_NOT_SUPPORTED, out);
        };
        self.drop_bearer(enb_id);
        let teid = self.tunnels.open(enb_id);
        self.tunnels.connect(teid, FarEnd { address: gateway, teid: setup.tunnel.teid });
        if let Some(context) = self.contexts.get_mut(&enb_id) {
            context.nas = setup.nas.clone();
            context.bearer = Some(Bearer { erab: setup.erab, teid });
        }
        self.secure(enb_id, &setup, algorithms, out)
    }

    /// The best algorithms that the UE supports too.
    fn choose(&self, capabilities: SecurityCapabilities) -> Option<(u8, u8)> {
        let eia = self.config.eia.iter().copied().find(|&n| capabilities.eia(n))?;
        let eea = self.config.eea.iter().copied().find(|&n| capabilities.eea(n))?;
        Some((eia, eea))
    }

    pub(super) fn confirm_context_setup(
        &mut self,
        enb_id: u32,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get(&enb_id) else { return Ok(()) };
        let (Some(mme), Some(bearer)) = (context.mme_id, context.bearer) else { return Ok(()) };
        let (ids, tunnel) = (UeIds { mme, enb: enb_id }, Tunnel::new(self.tunnels.address(), bearer.teid));
        let response = ContextSetupResponse { ids, erab: bearer.erab, tunnel };
        self.send_s1("InitialContextSetupResponse", response.build(), out)
    }

    pub(super) fn fail_context_setup(
        &mut self,
        enb_id: u32,
        cause: Cause,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        self.drop_bearer(enb_id);
        self.refuse_context_setup(enb_id, cause, out)
    }

    /// INITIAL CONTEXT SETUP FAILURE, which changes nothing of what stands.
    fn refuse_context_setup(
        &mut self,
        enb_id: u32,
        cause: Cause,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(mme) = self.contexts.get(&enb_id).and_then(|context| context.mme_id) else {
            return Ok(());
        };
        let failure = ContextSetupFailure { ids: UeIds { mme, enb: enb_id }, cause: Some(cause) };
        self.send_s1("InitialContextSetupFailure", failure.build(), out)
    }

    fn release_commanded(
        &mut self,
        command: ContextReleaseCommand,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let ids = UeIds { mme: command.mme, enb: command.enb.unwrap_or(0) };
        // Without the pair, the UE never answered the MME here, or the MME lost its half.
        if command.enb.is_none_or(|id| !self.contexts.contains_key(&id)) {
            return self.unknown_ids(ids, out);
        }
        self.release(ids.enb, out)?;
        self.send_s1("UEContextReleaseComplete", ContextReleaseComplete { ids }.build(), out)
    }

    fn erab_released(
        &mut self,
        ErabReleaseCommand { ids, erabs, nas, .. }: ErabReleaseCommand,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        if self.adopt(ids).is_none() {
            return self.unknown_ids(ids, out);
        }
        let held = self.contexts.get(&ids.enb).and_then(|context| context.bearer).map(|bearer| bearer.erab);
        let (released, unknown): (Vec<u64>, Vec<u64>) =
            erabs.into_iter().partition(|erab| Some(*erab) == held);
        if !released.is_empty() {
            self.drop_bearer(ids.enb);
        }
        self.reconfigure(ids.enb, !released.is_empty(), nas, out)?;
        let response = ErabReleaseResponse { ids, released, unknown };
        self.send_s1("E-RABReleaseResponse", response.build(), out)
    }

    fn reset(&mut self, reset: Reset, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let ids: Vec<u32> = match &reset.connections {
            Some(named) => named.iter().filter_map(|connection| self.connection_of(*connection)).collect(),
            None => self.contexts.keys().copied().collect(),
        };
        ids.into_iter().try_for_each(|id| self.release(id, out))?;
        let acknowledge = ResetAcknowledge { connections: reset.connections.unwrap_or_default() };
        self.send_s1("ResetAcknowledge", acknowledge.build(), out)
    }

    /// The context of a connection that the MME names by either identifier, or by both, which must then name the same
    /// (clause 8.7.1.2.1).
    fn connection_of(&self, named: Connection) -> Option<u32> {
        let of_mme = |mme: u32| move |context: &Context| context.mme_id == Some(mme);
        match (named.enb, named.mme) {
            (Some(id), None) => self.contexts.contains_key(&id).then_some(id),
            (Some(id), Some(mme)) => {
                let context = self.contexts.get(&id)?;
                // Before the first message of the MME only that knows its own.
                context.mme_id.is_none_or(|known| known == mme).then_some(id)
            }
            (None, Some(mme)) => {
                self.contexts.iter().find(|(_, context)| of_mme(mme)(context)).map(|(id, _)| *id)
            }
            (None, None) => None,
        }
    }

    /// The MME does not know a UE that this base station serves: its connection leads nowhere.
    fn error_indicated(&mut self, error: &ErrorIndication, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let unknown = [Cause::UNKNOWN_MME_UE_ID, Cause::UNKNOWN_PAIR];
        if let (Some(enb), Some(cause)) = (error.enb, &error.cause)
            && unknown.contains(cause)
            // An error about another pair of identifiers is none of this connection.
            && let Some(enb_id) = self.connection_of(Connection { mme: error.mme, enb: Some(enb) })
        {
            return self.release(enb_id, out);
        }
        Ok(())
    }
}
