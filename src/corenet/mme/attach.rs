//! Attach (TS 24.301 clause 5.5.1.2) with its PDN connection (clause 6.5.1).

use std::net::Ipv4Addr;

use oxirush_nas::nas_eps::{
    AttachResult, EmmCause, EpsQos, EsmCause, GprsTimerUnit, NasAccessPointName,
    NasActivateDefaultEpsBearerContextRequest, NasAttachAccept, NasAttachComplete, NasAttachReject,
    NasAttachRequest, NasEmmCause, NasEpsAttachResult, NasEpsMessage, NasEpsMobileIdentity,
    NasEpsQualityOfService, NasEpsSecurityHeaderType as Header, NasEsmCause, NasEsmHeader,
    NasEsmInformationRequest, NasEsmMessage, NasEsmMessageContainer, NasEsmStatus, NasPdnAddress,
    NasPdnConnectivityReject, NasProtocolConfigurationOptions, NasT3412Value, NasTrackingAreaIdentityList,
    Pco, PcoDirection, PcoEntry, ValueError,
};
use oxirush_s1ap::s1ap::CauseNas;
use oxirush_security::identity::GutiEps;

use super::context::{AttachRequest, Phase, Timer, UeContext};
use super::{Core, Mme, fault, messages, nas};
use crate::corenet::gateway::CreateSession;
use crate::corenet::{CorenetError, EpcOutput};
use crate::event::Actor;
use crate::id::Imsi;
use crate::wire::nas::plmn;

/// The identity of the default bearer: the first that there is (TS 24.007 clause 11.2.3.1.5).
const DEFAULT_BEARER: u8 = 5;
/// DNS server IPv4 address, and IPv4 link MTU (TS 24.008 table 10.5.154).
const PCO_DNS: u16 = 0x000d;
const PCO_MTU: u16 = 0x0010;

impl Mme {
    pub(super) fn attach_requested(
        &mut self,
        ue: &mut UeContext,
        request: &NasAttachRequest,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.stop_timer(ue);
        let Some((pti, information)) = connectivity_request(request) else {
            return self.reject(ue, EmmCause::InvalidMandatoryInformation, core);
        };
        let identity = &request.eps_mobile_identity;
        let guti = identity.as_guti();
        ue.request = Some(AttachRequest {
            capability: request.ue_network_capability.clone(),
            pti,
            information,
            apn: None,
            by_guti: guti.is_some(),
        });
        (ue.mac_failures, ue.synchronised, ue.identified) = (0, false, false);
        let claimed = request.nas_key_set_identifier.ksi();
        // The key set identifier of the new context must not be that of the UE's old one (clause 5.4.2.4).
        ue.ksi = if claimed < 7 { claimed } else { 6 };
        let imsi = match (identity.as_imsi(), guti) {
            (Some(imsi), _) => imsi.as_str().parse().ok(),
            (None, Some(guti)) => self.subscriber_of(&guti).cloned(),
            // An IMEI identifies a UE in emergency attach only.
            (None, None) => return self.reject(ue, EmmCause::ImeiNotAccepted, core),
        };
        match imsi {
            Some(imsi) => {
                ue.imsi = Some(imsi);
                self.authenticate(ue, false, core)
            }
            None => self.identify(ue, core),
        }
    }

    fn subscriber_of(&self, guti: &GutiEps) -> Option<&Imsi> {
        let config = &self.config;
        let ours = guti.plmn() == plmn(config.plmn)
            && guti.mme_group_id() == config.mme_group
            && guti.mme_code() == config.mme_code;
        self.tmsis.get(&guti.m_tmsi()).filter(|_| ours)
    }

    /// The UE is who it says: fetch the subscription, then the session's details where they were held back.
    pub(super) fn connect(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let information = ue.request.as_ref().map(|request| (request.information, request.pti));
        match information {
            Some((true, pti)) => {
                ue.phase = Phase::EsmInformation;
                let request = NasEpsMessage::new_esm(NasEsmInformationRequest::new(), 0, pti);
                self.send_guarded(ue, request, Timer::T3489, core)
            }
            _ => self.create_session(ue, core),
        }
    }

    /// An ESM message outside an EMM message.
    pub(super) fn session_message(
        &mut self,
        ue: &mut UeContext,
        header: &NasEsmHeader,
        message: NasEsmMessage,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        match message {
            NasEsmMessage::EsmInformationResponse(response) => {
                if ue.phase != Phase::EsmInformation {
                    return Ok(());
                }
                let Some(request) = &mut ue.request else { return Ok(()) };
                if header.procedure_transaction_identity != request.pti {
                    return self.session_status(ue, header, EsmCause::InvalidPtiValue, core);
                }
                request.apn = response.access_point_name.as_ref().and_then(|apn| apn.as_string());
                self.stop_timer(ue);
                self.create_session(ue, core)
            }
            NasEsmMessage::EsmStatus(_) => Ok(()),
            _ => {
                let cause = EsmCause::MessageTypeNotCompatibleWithTheProtocolState;
                self.session_status(ue, header, cause, core)
            }
        }
    }

    fn session_status(
        &mut self,
        ue: &mut UeContext,
        header: &NasEsmHeader,
        cause: EsmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let status = NasEsmStatus::new(NasEsmCause::from_cause(cause));
        let (ebi, pti) = (header.eps_bearer_identity, header.procedure_transaction_identity);
        self.send_nas(ue, &NasEpsMessage::new_esm(status, ebi, pti), core)
    }

    fn create_session(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let (Some(imsi), Some(request)) = (ue.imsi.clone(), ue.request.clone()) else { return Ok(()) };
        let subscription = core.hss.update_location(&imsi);
        let result = subscription.as_ref().map_or_else(|error| error.name(), |_| "SUCCESS");
        core.s6a("Update-Location-Request", "Update-Location-Answer", &imsi, result);
        let Ok(subscription) = subscription else {
            return self.reject(ue, EmmCause::EpsServicesAndNonEpsServicesNotAllowed, core);
        };
        let apn = subscription.apn.unwrap_or_else(|| self.config.apn.clone());
        if request.apn.is_some_and(|asked| !asked.eq_ignore_ascii_case(&apn)) {
            return self.refuse_session(ue, EsmCause::MissingOrUnknownApn, core);
        }
        let session = CreateSession {
            imsi: imsi.clone(),
            iccid: subscription.iccid,
            imei: ue.imei.clone(),
            apn: apn.clone(),
            policy: subscription.policy,
            rat: self.config.rat,
        };
        let Some(created) = core.gateway.create(core.now, session, core.out) else {
            return self.refuse_session(ue, EsmCause::InsufficientResources, core);
        };
        ue.session = Some(created.teid);
        ue.phase = Phase::ContextSetup;
        let guti = GutiEps::new(
            plmn(self.config.plmn),
            self.config.mme_group,
            self.config.mme_code,
            self.new_tmsi(&imsi),
        );
        let accept = self.attach_accept(guti, request.pti, created.ip, &apn)?;
        ue.retransmissions = 0;
        self.start_timer(ue, Timer::T3450, core.now);
        self.set_up_context(ue, &accept, core)?;
        ue.guarded = Some((accept, Header::IntegrityProtectedAndCiphered));
        Ok(())
    }

    fn attach_accept(
        &self,
        guti: GutiEps,
        pti: u8,
        ip: Ipv4Addr,
        apn: &str,
    ) -> Result<NasEpsMessage, CorenetError> {
        let fault = |e: ValueError| fault("ATTACH ACCEPT", &e);
        let mut options = Vec::new();
        if let Some(dns) = self.config.dns {
            options.push(PcoEntry { identifier: PCO_DNS, contents: dns.octets().to_vec() });
        }
        options.push(PcoEntry { identifier: PCO_MTU, contents: self.config.mtu.to_be_bytes().to_vec() });
        let options =
            NasProtocolConfigurationOptions::from_pco(&Pco::new(0, options), PcoDirection::Downlink)
                .map_err(fault)?;
        let qos = EpsQos::new(messages::DEFAULT_QCI, None, None, None);
        let bearer = NasActivateDefaultEpsBearerContextRequest::new(
            NasEpsQualityOfService::from_qos(qos).map_err(fault)?,
            NasAccessPointName::from_string(apn).map_err(fault)?,
            NasPdnAddress::from_ipv4(ip.octets()),
        )
        .with_protocol_configuration_options(options);
        let bearer = NasEpsMessage::new_esm(bearer, DEFAULT_BEARER, pti);
        let container = NasEsmMessageContainer::from_esm_message(&bearer)
            .map_err(|e| super::fault("ATTACH ACCEPT", &e))?;
        // There is no periodic update: a device of the testbed does not move.
        let t3412 = NasT3412Value::from_unit_value(GprsTimerUnit::Deactivated, 0).map_err(fault)?;
        let areas = NasTrackingAreaIdentityList::from_plmn_tacs(&plmn(self.config.plmn), &[self.config.tac])
            .map_err(fault)?;
        let result = NasEpsAttachResult::from_attach_result(AttachResult::EpsOnly);
        Ok(NasEpsMessage::new_emm(
            NasAttachAccept::new(result, t3412, areas, container)
                .with_guti(NasEpsMobileIdentity::from_guti(guti)),
        ))
    }

    /// INITIAL CONTEXT SETUP REQUEST with the ATTACH ACCEPT in it.
    pub(super) fn set_up_context(
        &mut self,
        ue: &mut UeContext,
        accept: &NasEpsMessage,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let nas = nas::encode(ue, accept, Header::IntegrityProtectedAndCiphered)?;
        let (Some(enb_id), Some(teid), Some(kenb), Some(request)) =
            (ue.enb_id, ue.session, &ue.kenb, &ue.request)
        else {
            return Ok(());
        };
        let pdu = messages::initial_context_setup_request(messages::ContextSetup {
            mme_id: ue.mme_id,
            enb_id,
            eea: request.capability.eea_byte(),
            eia: request.capability.eia_byte(),
            kenb,
            erab: u64::from(DEFAULT_BEARER),
            gateway: core.gateway.address(),
            teid,
            nas,
        });
        self.send_s1(ue.enb, "InitialContextSetupRequest", pdu, core)
    }

    /// INITIAL CONTEXT SETUP RESPONSE: downlink packets know their way now.
    pub(super) fn context_set_up(
        &mut self,
        ue: &mut UeContext,
        remote: (Ipv4Addr, u32),
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let (Some(teid), Phase::ContextSetup | Phase::Registered) = (ue.session, ue.phase) else {
            return Ok(());
        };
        ue.bearer_up = true;
        core.gateway.modify(teid, remote, core.out)
    }

    pub(super) fn attach_completed(
        &mut self,
        ue: &mut UeContext,
        complete: &NasAttachComplete,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::ContextSetup {
            return Ok(());
        }
        let accepted = matches!(
            complete.esm_message_container.decode_as_esm_message(),
            Ok(NasEpsMessage::Esm(header, NasEsmMessage::ActivateDefaultEpsBearerContextAccept(_)))
                if header.eps_bearer_identity == DEFAULT_BEARER
        );
        if !accepted {
            return self.abort(ue, core);
        }
        self.stop_timer(ue);
        ue.guarded = None;
        ue.phase = Phase::Registered;
        let imsi = ue.imsi.as_ref().map(ToString::to_string).unwrap_or_default();
        core.out.push(EpcOutput::State {
            actor: Actor::MME,
            machine: "emm",
            change: "DEREGISTERED -> REGISTERED".into(),
            fields: vec![("imsi", imsi)],
        });
        Ok(())
    }

    /// ATTACH REJECT.
    pub(super) fn reject(
        &mut self,
        ue: &mut UeContext,
        cause: EmmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let reject = NasAttachReject::new(NasEmmCause::from_cause(cause));
        self.refuse(ue, &NasEpsMessage::new_emm(reject), CauseNas::unspecified, core)
    }

    /// ATTACH REJECT #19 with the PDN CONNECTIVITY REJECT that says why (clause 5.5.1.2.5).
    pub(super) fn refuse_session(
        &mut self,
        ue: &mut UeContext,
        cause: EsmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let pti = ue.request.as_ref().map_or(0, |request| request.pti);
        let refusal =
            NasEpsMessage::new_esm(NasPdnConnectivityReject::new(NasEsmCause::from_cause(cause)), 0, pti);
        let container =
            NasEsmMessageContainer::from_esm_message(&refusal).map_err(|e| fault("ATTACH REJECT", &e))?;
        let reject = NasAttachReject::new(NasEmmCause::from_cause(EmmCause::EsmFailure))
            .with_esm_message_container(container);
        self.refuse(ue, &NasEpsMessage::new_emm(reject), CauseNas::unspecified, core)
    }
}

/// The transaction of the PDN CONNECTIVITY REQUEST, and whether more is to be asked for; `None` where the
/// container has none.
fn connectivity_request(request: &NasAttachRequest) -> Option<(u8, bool)> {
    match request.esm_message_container.decode_as_esm_message() {
        Ok(NasEpsMessage::Esm(header, NasEsmMessage::PdnConnectivityRequest(pdn))) => {
            let flag = pdn.esm_information_transfer_flag.as_ref();
            Some((header.procedure_transaction_identity, flag.is_some_and(|flag| flag.is_required())))
        }
        _ => None,
    }
}
