//! What the MME does with each S1AP message of a base station (TS 36.413 clause 8).

use super::context::{Phase, UeContext};
use super::{Core, Mme};
use crate::corenet::CorenetError;
use crate::wire::s1ap::{
    Cause, ContextReleaseComplete, ContextReleaseRequest, ContextSetupFailure, ContextSetupResponse,
    ErrorIndication, Gummei, InitialUeMessage, Kind, Pdu, Reset, ResetAcknowledge, S1SetupFailure,
    S1SetupRequest, S1SetupResponse, UeIds, UplinkNasTransport,
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
                Ok(failure) => self.for_ue(enb, failure.ids, core, |mme, ue, core| mme.abort(ue, core)),
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
            _ => self.not_understood(enb, pdu, core),
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
        let in_plmn = || request.areas.iter().filter(|(plmn, _)| *plmn == self.config.plmn);
        let refused = if in_plmn().next().is_none() {
            Some(Cause::UNKNOWN_PLMN)
        } else if !in_plmn().any(|(_, tac)| *tac == self.config.tac) {
            Some(Cause::MISC_UNSPECIFIED)
        } else {
            None
        };
        if let Some(cause) = refused {
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
        let id = self.new_context(enb, message.enb);
        self.with(id, |mme, ue| mme.receive_initial(ue, &message.nas, served, core)).unwrap_or(Ok(()))
    }

    fn reset(&mut self, enb: u32, reset: Reset, core: &mut Core<'_>) -> Result<(), CorenetError> {
        match &reset.connections {
            Some(named) => {
                for connection in named {
                    let by_enb = connection.enb.and_then(|id| self.by_enb.get(&(enb, id))).copied();
                    let by_mme = connection.mme.filter(|id| self.ues.get(id).is_some_and(|ue| ue.enb == enb));
                    if let Some(id) = by_enb.or(by_mme) {
                        self.with(id, |mme, ue| mme.connection_lost(ue, core));
                    }
                }
            }
            None => self.connections_lost(enb, core),
        }
        let acknowledge = ResetAcknowledge { connections: reset.connections.unwrap_or_default() };
        self.send_s1(enb, "ResetAcknowledge", acknowledge.build(), core)
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
