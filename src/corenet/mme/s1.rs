//! What the MME does with each S1AP message of a base station (TS 36.413 clause 8).

use super::context::{Phase, Timer, UeContext};
use super::{Core, Mme};
use crate::corenet::CorenetError;
use crate::id::Plmn;
use crate::wire::s1ap::{
    Cause, Connection, ContextReleaseComplete, ContextReleaseRequest, ContextSetupFailure,
    ContextSetupResponse, ErrorIndication, Gummei, InitialUeMessage, Kind, Pdu, Reset, ResetAcknowledge,
    S1SetupFailure, S1SetupRequest, S1SetupResponse, UeIds, UplinkNasTransport, enb_configuration_updated,
    handover_cancelled,
};

/// The name of this MME, and how much of the load it takes: all there is.
const NAME: &str = "mme-1";
const CAPACITY: u8 = 255;

impl Mme {
    pub(in crate::corenet) fn receive(
        &mut self,
        enb: u32,
        bytes: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Some(&ready) = self.enbs.get(&enb) else { return Ok(()) };
        let Ok(pdu) = Pdu::decode(bytes) else {
            let error = ErrorIndication::transfer_syntax_error();
            return self.send_s1(enb, "ErrorIndication", error.build(), core);
        };
        self.receive_pdu(enb, ready, &pdu, core)?;
        self.relieve(core)
    }

    fn receive_pdu(
        &mut self,
        enb: u32,
        ready: bool,
        pdu: &Pdu<'_>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        match pdu.kind() {
            Kind::S1SetupRequest => self.set_up(enb, pdu, core),
            // Nothing else passes before S1 is set up (clause 8.7.3.1).
            _ if !ready => Ok(()),
            Kind::InitialUeMessage => match InitialUeMessage::read(pdu) {
                Ok(message) => self.initial_ue_message(enb, message, core),
                Err(_) => self.not_understood(enb, pdu, core),
            },
            Kind::UplinkNasTransport => match UplinkNasTransport::read(pdu) {
                Ok(UplinkNasTransport { ids, nas, .. }) => {
                    self.for_ue(enb, ids, core, |mme, ue, core| mme.receive_nas(ue, &nas, core))
                }
                Err(_) => self.not_understood(enb, pdu, core),
            },
            Kind::Reset => match Reset::read(pdu) {
                Ok(reset) => self.reset(enb, reset, core),
                Err(_) => self.not_understood(enb, pdu, core),
            },
            Kind::ErrorIndication => {
                self.error_indicated(enb, &ErrorIndication::read(pdu), core);
                Ok(())
            }
            Kind::EnbConfigurationUpdate => self.configuration_updated(enb, pdu, core),
            Kind::PathSwitchRequest => {
                let known = pdu.source_mme_id().is_some_and(|id| self.ues.contains_key(&id));
                let cause = if known { Cause::HANDOVER_NOT_ALLOWED } else { Cause::UNKNOWN_MME_UE_ID };
                self.refuse_procedure(enb, pdu, &cause, core)
            }
            Kind::ResetAcknowledge | Kind::ErabReleaseResponse | Kind::UeCapabilityInfoIndication => Ok(()),
            _ => self.receive_for_ue(enb, pdu, core),
        }
    }

    /// The messages about one UE that carry no NAS message.
    fn receive_for_ue(&mut self, enb: u32, pdu: &Pdu<'_>, core: &mut Core<'_>) -> Result<(), CorenetError> {
        match pdu.kind() {
            Kind::InitialContextSetupResponse => {
                let response = ContextSetupResponse::read(pdu);
                let remote = response.ok().and_then(|response| {
                    Some((response.ids, (response.tunnel.address.ipv4()?, response.tunnel.teid)))
                });
                match remote {
                    Some((ids, remote)) => {
                        self.for_ue(enb, ids, core, |mme, ue, core| mme.context_set_up(ue, remote, core))
                    }
                    None => self.not_understood(enb, pdu, core),
                }
            }
            Kind::InitialContextSetupFailure => match ContextSetupFailure::read(pdu) {
                Ok(failure) => self.for_ue(enb, failure.ids, core, |mme, ue, core| match ue.phase {
                    // A registration is none the worse for it.
                    Phase::Registered if ue.timer.is_some_and(|(_, timer)| timer == Timer::ContextSetup) => {
                        mme.release(ue, Cause::RADIO_PROCEDURE_FAILURE, core)
                    }
                    _ => mme.abort(ue, core),
                }),
                Err(_) => self.not_understood(enb, pdu, core),
            },
            Kind::UeContextReleaseRequest => match ContextReleaseRequest::read(pdu) {
                Ok(ContextReleaseRequest { ids, cause }) => {
                    let cause = cause.unwrap_or(Cause::RADIO_UNSPECIFIED);
                    self.for_ue(enb, ids, core, |mme, ue, core| mme.release_requested(ue, cause, core))
                }
                Err(_) => self.not_understood(enb, pdu, core),
            },
            Kind::UeContextReleaseComplete => match ContextReleaseComplete::read(pdu) {
                // The last message of a procedure is not answered, whatever it names (clause 10.6).
                Ok(complete) if !self.is_of(enb, complete.ids) => Ok(()),
                Ok(complete) => self.for_ue(enb, complete.ids, core, |mme, ue, core| {
                    mme.connection_lost(ue, core);
                    Ok(())
                }),
                Err(_) => self.not_understood(enb, pdu, core),
            },
            Kind::HandoverRequired | Kind::UeContextResumeRequest => match ids(pdu) {
                Some(ids) => self.for_ue(enb, ids, core, |mme, _, core| {
                    let handover = pdu.kind() == Kind::HandoverRequired;
                    let cause = if handover { Cause::HANDOVER_NOT_ALLOWED } else { Cause::RADIO_UNSPECIFIED };
                    mme.refuse_procedure(enb, pdu, &cause, core)
                }),
                None => self.not_understood(enb, pdu, core),
            },
            Kind::HandoverCancel => match ids(pdu) {
                Some(ids) => self.for_ue(enb, ids, core, |mme, _, core| {
                    let done = handover_cancelled(ids.mme, ids.enb);
                    mme.send_s1(enb, "HandoverCancelAcknowledge", done, core)
                }),
                None => self.not_understood(enb, pdu, core),
            },
            _ => self.not_understood(enb, pdu, core),
        }
    }

    /// What there is not here: handover (clause 8.4), and the resumption of a UE that was suspended (clause 8.3.8).
    fn refuse_procedure(
        &mut self,
        enb: u32,
        pdu: &Pdu<'_>,
        cause: &Cause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        match pdu.failure(cause) {
            Some(failure) => self.send_s1(enb, "the failure of a procedure", failure, core),
            None => self.not_understood(enb, pdu, core),
        }
    }

    /// A base station that would serve another network or tracking area from now on is refused, as at S1 Setup
    /// (clause 8.7.4).
    fn configuration_updated(
        &mut self,
        enb: u32,
        pdu: &Pdu<'_>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Ok(areas) = pdu.updated_areas() else { return self.not_understood(enb, pdu, core) };
        match areas.and_then(|areas| self.refusal_of(&areas)) {
            Some(cause) => self.refuse_procedure(enb, pdu, &cause, core),
            None => self.send_s1(enb, "ENBConfigurationUpdateAcknowledge", enb_configuration_updated(), core),
        }
    }

    /// Why a base station with these tracking areas is not served.
    fn refusal_of(&self, areas: &[(Plmn, u16)]) -> Option<Cause> {
        let in_plmn = || areas.iter().filter(|(plmn, _)| *plmn == self.config.plmn);
        if in_plmn().next().is_none() {
            Some(Cause::UNKNOWN_PLMN)
        } else if !in_plmn().any(|(_, tac)| *tac == self.config.tac) {
            Some(Cause::MISC_UNSPECIFIED)
        } else {
            None
        }
    }

    fn not_understood(&mut self, enb: u32, pdu: &Pdu<'_>, core: &mut Core<'_>) -> Result<(), CorenetError> {
        match pdu.abstract_syntax_error() {
            Some(answer) => self.send_s1(enb, "ErrorIndication", answer.build(), core),
            None => Ok(()),
        }
    }

    /// Runs `step` on the UE that the two identifiers name together; an ErrorIndication where they name none
    /// (clause 10.6).
    fn for_ue(
        &mut self,
        enb: u32,
        ids: UeIds,
        core: &mut Core<'_>,
        step: impl FnOnce(&mut Self, &mut UeContext, &mut Core<'_>) -> Result<(), CorenetError>,
    ) -> Result<(), CorenetError> {
        let cause = match self.ues.get(&ids.mme) {
            Some(_) if self.is_of(enb, ids) => {
                return self.with(ids.mme, |mme, ue| step(mme, ue, core)).unwrap_or(Ok(()));
            }
            Some(_) => Cause::UNKNOWN_PAIR,
            None => Cause::UNKNOWN_MME_UE_ID,
        };
        let answer = ErrorIndication::unknown_ue(ids.mme, ids.enb, cause);
        self.send_s1(enb, "ErrorIndication", answer.build(), core)
    }

    fn is_of(&self, enb: u32, ids: UeIds) -> bool {
        self.ues.get(&ids.mme).is_some_and(|ue| ue.enb == enb && ue.enb_id == Some(ids.enb))
    }

    fn set_up(&mut self, enb: u32, pdu: &Pdu<'_>, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let Ok(request) = S1SetupRequest::read(pdu) else {
            return self.send_s1(enb, "S1SetupFailure", pdu.s1_setup_not_understood().build(), core);
        };
        if let Some(cause) = self.refusal_of(&request.areas) {
            return self.send_s1(enb, "S1SetupFailure", S1SetupFailure::new(cause).build(), core);
        }
        // Setting up S1 erases what was there before (clause 8.7.3.1).
        self.connections_lost(enb, core);
        self.pending.forget_enb(enb);
        self.enbs.insert(enb, true);
        let config = &self.config;
        let served = Gummei { plmn: config.plmn, group: config.mme_group, code: config.mme_code };
        let response =
            S1SetupResponse { name: Some(NAME.to_owned()), served: vec![served], capacity: CAPACITY };
        self.send_s1(enb, "S1SetupResponse", response.build(), core)
    }

    fn initial_ue_message(
        &mut self,
        enb: u32,
        message: InitialUeMessage,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        // The base station took the identifier into use again: its old connection is gone.
        if let Some(&old) = self.by_enb.get(&(enb, message.enb)) {
            self.with(old, |mme, ue| mme.connection_lost(ue, core));
        }
        let area = message.location.map(|location| (location.plmn, location.tac));
        let served = area == Some((self.config.plmn, self.config.tac));
        let about = (served, message.s_tmsi);
        let id = self.new_context(enb, message.enb);
        self.with(id, |mme, ue| mme.receive_initial(ue, &message.nas, about, core)).unwrap_or(Ok(()))
    }

    fn reset(&mut self, enb: u32, reset: Reset, core: &mut Core<'_>) -> Result<(), CorenetError> {
        match &reset.connections {
            Some(named) => {
                for connection in named {
                    if let Some(id) = self.connection_of(enb, *connection) {
                        self.with(id, |mme, ue| mme.connection_lost(ue, core));
                    }
                }
            }
            None => self.connections_lost(enb, core),
        }
        let acknowledge = ResetAcknowledge { connections: reset.connections.unwrap_or_default() };
        self.send_s1(enb, "ResetAcknowledge", acknowledge.build(), core)
    }

    /// The UE whose connection a base station names by either identifier, or by both, which must then name the same
    /// (clause 8.7.1.2.2).
    fn connection_of(&self, enb: u32, named: Connection) -> Option<u32> {
        let id = match (named.mme, named.enb) {
            (Some(id), _) => id,
            (None, Some(enb_id)) => *self.by_enb.get(&(enb, enb_id))?,
            (None, None) => return None,
        };
        let ue = self.ues.get(&id).filter(|ue| ue.enb == enb)?;
        named.enb.is_none_or(|enb_id| ue.enb_id == Some(enb_id)).then_some(id)
    }

    /// A base station that does not know the UE has no connection to it any more.
    fn error_indicated(&mut self, enb: u32, error: &ErrorIndication, core: &mut Core<'_>) {
        let unknown = [Cause::UNKNOWN_ENB_UE_ID, Cause::UNKNOWN_PAIR];
        if let (Some(mme_id), Some(cause)) = (error.mme, &error.cause)
            && unknown.contains(cause)
            && self.ues.get(&mme_id).is_some_and(|ue| ue.enb == enb && ue.enb_id == error.enb)
        {
            self.with(mme_id, |mme, ue| mme.connection_lost(ue, core));
        }
    }

    /// UE CONTEXT RELEASE REQUEST (clause 8.3.2): the registration survives it, an attach does not.
    fn release_requested(
        &mut self,
        ue: &mut UeContext,
        cause: Cause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        match ue.phase {
            Phase::Registered => {
                if let Some(teid) = ue.session {
                    core.gateway.release_access(teid);
                }
                ue.bearer_up = false;
                self.release(ue, cause, core)
            }
            Phase::Releasing | Phase::Ended => Ok(()),
            _ => {
                self.end_session(ue, core);
                ue.phase = Phase::Releasing;
                self.release(ue, cause, core)
            }
        }
    }
}

fn ids(pdu: &Pdu<'_>) -> Option<UeIds> {
    let (mme, enb) = pdu.ids();
    Some(UeIds { mme: mme?, enb: enb? })
}
