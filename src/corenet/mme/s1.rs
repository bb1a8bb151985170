//! What the MME does with each S1AP message of a base station (TS 36.413 clause 8).

use std::net::Ipv4Addr;

use oxirush_s1ap::helpers::plmn_from;
use oxirush_s1ap::{Error, S1apPduKind, extract_s1ap_ies, ie, s1ap::*};

use super::context::{Phase, UeContext};
use super::{Core, Mme, fault, messages};
use crate::corenet::CorenetError;
use crate::wire::s1ap;

impl Mme {
    pub(in crate::corenet) fn receive(
        &mut self,
        enb: u32,
        bytes: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let Some(&ready) = self.enbs.get(&enb) else { return Ok(()) };
        let Ok(pdu) = S1AP_PDU::decode_borrowed(bytes) else {
            return self.send_s1(enb, "ErrorIndication", s1ap::transfer_syntax_error(), core);
        };
        use S1apPduKind as K;
        match pdu.kind() {
            K::Initiating_S1Setup => self.set_up(enb, &pdu, core),
            // Nothing else passes before S1 is set up (clause 8.7.3.1).
            _ if !ready => Ok(()),
            K::Initiating_initialUEMessage => match initial_ue_message(&pdu) {
                Ok((enb_id, nas)) => self.initial_ue_message(enb, enb_id, &nas, core),
                Err(_) => self.not_understood(enb, &pdu, core),
            },
            K::Initiating_uplinkNASTransport => match uplink_nas_transport(&pdu) {
                Ok((mme_id, enb_id, nas)) => {
                    self.for_ue(enb, mme_id, enb_id, core, |mme, ue, core| mme.receive_nas(ue, &nas, core))
                }
                Err(_) => self.not_understood(enb, &pdu, core),
            },
            K::Initiating_Reset => self.reset(enb, &pdu, core),
            K::Initiating_ErrorIndication => {
                self.error_indicated(enb, &pdu, core);
                Ok(())
            }
            K::Successful_Reset | K::Successful_E_RABRelease | K::Initiating_UECapabilityInfoIndication => {
                Ok(())
            }
            kind => self.receive_for_ue(enb, kind, &pdu, core),
        }
    }

    /// The messages about one UE that carry no NAS message.
    fn receive_for_ue(
        &mut self,
        enb: u32,
        kind: S1apPduKind,
        pdu: &S1APPDU<'_>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        use S1apPduKind as K;
        let (Some(mme_id), Some(enb_id)) = s1ap::ids(pdu) else { return self.not_understood(enb, pdu, core) };
        match kind {
            K::Successful_InitialContextSetup => match tunnel(pdu) {
                Some(remote) => self
                    .for_ue(enb, mme_id, enb_id, core, |mme, ue, core| mme.context_set_up(ue, remote, core)),
                None => self.not_understood(enb, pdu, core),
            },
            K::Unsuccessful_InitialContextSetup => {
                self.for_ue(enb, mme_id, enb_id, core, |mme, ue, core| mme.abort(ue, core))
            }
            K::Initiating_UEContextReleaseRequest => {
                let cause = pdu.ie::<ie::Cause>().and_then(Result::ok);
                let cause = cause.unwrap_or(Cause::radioNetwork(CauseRadioNetwork::unspecified));
                self.for_ue(enb, mme_id, enb_id, core, |mme, ue, core| mme.release_requested(ue, cause, core))
            }
            K::Successful_UEContextRelease => self.for_ue(enb, mme_id, enb_id, core, |mme, ue, core| {
                mme.connection_lost(ue, core);
                Ok(())
            }),
            _ => self.not_understood(enb, pdu, core),
        }
    }

    fn not_understood(
        &mut self,
        enb: u32,
        pdu: &S1APPDU<'_>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        match s1ap::abstract_syntax_error(pdu).map_err(|e| fault("ErrorIndication", &e))? {
            Some(answer) => self.send_s1(enb, "ErrorIndication", Ok(answer), core),
            None => Ok(()),
        }
    }

    /// Runs `step` on the UE that the two identifiers name together; an ErrorIndication where they name none
    /// (clause 10.6).
    fn for_ue(
        &mut self,
        enb: u32,
        mme_id: u32,
        enb_id: u32,
        core: &mut Core<'_>,
        step: impl FnOnce(&mut Self, &mut UeContext, &mut Core<'_>) -> Result<(), CorenetError>,
    ) -> Result<(), CorenetError> {
        let cause = match self.ues.get(&mme_id) {
            Some(ue) if ue.enb == enb && ue.enb_id == Some(enb_id) => {
                return self.with(mme_id, |mme, ue| step(mme, ue, core)).unwrap_or(Ok(()));
            }
            Some(_) => CauseRadioNetwork::unknown_pair_ue_s1ap_id,
            None => CauseRadioNetwork::unknown_mme_ue_s1ap_id,
        };
        let answer = s1ap::error_indication(Some(mme_id), Some(enb_id), Cause::radioNetwork(cause), None);
        self.send_s1(enb, "ErrorIndication", answer, core)
    }

    fn set_up(&mut self, enb: u32, pdu: &S1APPDU<'_>, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let Ok(areas) = supported_areas(pdu) else {
            return self.send_s1(enb, "S1SetupFailure", messages::s1_setup_not_understood(pdu), core);
        };
        let ours = (self.config.plmn.mcc().to_owned(), self.config.plmn.mnc().to_owned());
        let in_plmn: Vec<u16> =
            areas.into_iter().filter(|(plmn, _)| plmn.as_ref() == Some(&ours)).map(|(_, tac)| tac).collect();
        let refused = if in_plmn.is_empty() {
            Some(CauseMisc::unknown_PLMN)
        } else if !in_plmn.contains(&self.config.tac) {
            Some(CauseMisc::unspecified)
        } else {
            None
        };
        if let Some(cause) = refused {
            return self.send_s1(enb, "S1SetupFailure", messages::s1_setup_failure(Cause::misc(cause)), core);
        }
        // Setting up S1 erases what was there before (clause 8.7.3.1).
        self.connections_lost(enb, core);
        self.enbs.insert(enb, true);
        let response = messages::s1_setup_response(&self.config);
        self.send_s1(enb, "S1SetupResponse", response, core)
    }

    fn initial_ue_message(
        &mut self,
        enb: u32,
        enb_id: u32,
        nas: &[u8],
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        // The base station took the identifier into use again: its old connection is gone.
        if let Some(&old) = self.by_enb.get(&(enb, enb_id)) {
            self.with(old, |mme, ue| mme.connection_lost(ue, core));
        }
        let id = self.new_context(enb, enb_id);
        self.with(id, |mme, ue| mme.receive_initial(ue, nas, core)).unwrap_or(Ok(()))
    }

    fn reset(&mut self, enb: u32, pdu: &S1APPDU<'_>, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let Some(Ok(kind)) = pdu.ie::<ie::ResetType>() else { return self.not_understood(enb, pdu, core) };
        let named = s1ap::reset_connections(&kind);
        match &named {
            Some(named) => {
                for item in named {
                    let by_enb =
                        item.enb_ue_s1ap_id.as_ref().and_then(|id| self.by_enb.get(&(enb, id.0))).copied();
                    let by_mme = item.mme_ue_s1ap_id.as_ref().map(|id| id.0);
                    let by_mme = by_mme.filter(|id| self.ues.get(id).is_some_and(|ue| ue.enb == enb));
                    if let Some(id) = by_enb.or(by_mme) {
                        self.with(id, |mme, ue| mme.connection_lost(ue, core));
                    }
                }
            }
            None => self.connections_lost(enb, core),
        }
        self.send_s1(enb, "ResetAcknowledge", s1ap::reset_acknowledge(named.unwrap_or_default()), core)
    }

    /// A base station that does not know the UE has no connection to it any more.
    fn error_indicated(&mut self, enb: u32, pdu: &S1APPDU<'_>, core: &mut Core<'_>) {
        let unknown = matches!(
            pdu.ie::<ie::Cause>(),
            Some(Ok(Cause::radioNetwork(
                CauseRadioNetwork::unknown_enb_ue_s1ap_id | CauseRadioNetwork::unknown_pair_ue_s1ap_id
            )))
        );
        if let ((Some(mme_id), enb_id), true) = (s1ap::ids(pdu), unknown)
            && self.ues.get(&mme_id).is_some_and(|ue| ue.enb == enb && ue.enb_id == enb_id)
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

fn initial_ue_message(pdu: &S1APPDU<'_>) -> Result<(u32, Vec<u8>), Error> {
    extract_s1ap_ies!(pdu, InitialUEMessage,
        req enb_id: u32 = eNB_UE_S1AP_ID(id),
        req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
    );
    Ok((enb_id, nas))
}

fn uplink_nas_transport(pdu: &S1APPDU<'_>) -> Result<(u32, u32, Vec<u8>), Error> {
    extract_s1ap_ies!(pdu, UplinkNASTransport,
        req mme_id: u32 = MME_UE_S1AP_ID(id),
        req enb_id: u32 = eNB_UE_S1AP_ID(id),
        req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
    );
    Ok((mme_id, enb_id, nas))
}

type Area = (Option<(String, String)>, u16);

fn supported_areas(pdu: &S1APPDU<'_>) -> Result<Vec<Area>, Error> {
    extract_s1ap_ies!(pdu, S1SetupRequest,
        req _enb: GlobalENBID = Global_ENB_ID(id) => id,
        req areas: SupportedTAs = SupportedTAs(areas) => areas,
    );
    let plmns = |area: &SupportedTAsItem| {
        let tac = u16::from_be_bytes(area.tac.0);
        area.broadcast_plmns.0.iter().map(|plmn| (plmn_from(plmn), tac)).collect::<Vec<_>>()
    };
    Ok(areas.0.iter().flat_map(plmns).collect())
}

/// The base station's end of the first bearer that it set up.
fn tunnel(pdu: &S1APPDU<'_>) -> Option<(Ipv4Addr, u32)> {
    let item = pdu.items::<ie::E_RABSetupListCtxtSURes>().next()?.ok()?;
    Some((s1ap::ipv4_of(&item.transport_layer_address)?, u32::from_be_bytes(item.gtp_teid.0)))
}
