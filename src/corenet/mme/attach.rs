//! Attach (TS 24.301 clause 5.5.1.2) with its PDN connection (clause 6.5.1).

use std::net::Ipv4Addr;

use super::context::{AttachRequest as Request, Phase, Timer, UeContext};
use super::{Core, Mme, nas};
use crate::corenet::gateway::CreateSession;
use crate::corenet::{CorenetError, EpcConfig};
use crate::id::Imsi;
use crate::wire::nas::{
    AttachAccept, AttachReject, AttachRequest, DefaultBearer, Emm, EmmCause, Esm, EsmCause, EsmMessage,
    EsmProcedure, Guti, Identity, Message, SecurityHeader,
};
use crate::wire::s1ap::{Cause, ContextSetupRequest, SecurityCapabilities, Tunnel, UeIds};

/// The identity of the default bearer: the first that there is (TS 24.007 clause 11.2.3.1.5).
const DEFAULT_BEARER: u8 = 5;
/// The default bearer's QoS class (TS 23.203 table 6.1.7).
const DEFAULT_QCI: u8 = 9;
/// What a UE may use in all, downlink and uplink, in bits per second.
const UE_AMBR_BPS: (u64, u64) = (100_000_000, 50_000_000);

impl Mme {
    pub(super) fn attach_requested(
        &mut self,
        ue: &mut UeContext,
        request: &AttachRequest,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        self.stop_timer(ue);
        let Some((pti, information)) = connectivity_request(request) else {
            return self.reject(ue, EmmCause::INVALID_MANDATORY_INFORMATION, core);
        };
        ue.request = Some(Request {
            capability: request.capability.clone(),
            pti,
            information,
            apn: None,
            by_guti: matches!(request.identity, Identity::Guti(_)),
        });
        (ue.mac_failures, ue.synchronised, ue.identified) = (0, false, false);
        // The key set identifier of the new context must not be that of the UE's old one (clause 5.4.2.4).
        ue.ksi = if request.ksi < 7 { request.ksi } else { 6 };
        let imsi = match &request.identity {
            Identity::Imsi(digits) => digits.parse().ok(),
            Identity::Guti(guti) => self.subscriber_of(guti).cloned(),
            // An IMEI identifies a UE in emergency attach only.
            _ => return self.reject(ue, EmmCause::IMEI_NOT_ACCEPTED, core),
        };
        match imsi {
            Some(imsi) => {
                ue.imsi = Some(imsi);
                self.authenticate(ue, false, core)
            }
            None => self.identify(ue, core),
        }
    }

    fn subscriber_of(&self, guti: &Guti) -> Option<&Imsi> {
        self.tmsis.get(&guti.tmsi).filter(|_| *guti == self.guti(guti.tmsi))
    }

    /// The GUTI under which this MME gave out `tmsi`.
    fn guti(&self, tmsi: u32) -> Guti {
        let EpcConfig { plmn, mme_group, mme_code, .. } = self.config;
        Guti { plmn, mme_group, mme_code, tmsi }
    }

    /// The UE is who it says: fetch the subscription, then the session's details where they were held back.
    pub(super) fn connect(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let information = ue.request.as_ref().map(|request| (request.information, request.pti));
        match information {
            Some((true, pti)) => {
                ue.phase = Phase::EsmInformation;
                let request = EsmMessage::new(0, pti, Esm::InformationRequest);
                self.send_guarded(ue, Message::Esm(request), Timer::T3489, core)
            }
            _ => self.create_session(ue, core),
        }
    }

    /// An ESM message outside an EMM message.
    pub(super) fn session_message(
        &mut self,
        ue: &mut UeContext,
        EsmMessage { bearer, pti, body }: EsmMessage,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let cause = match body {
            Esm::InformationResponse { apn } => {
                if ue.phase != Phase::EsmInformation {
                    return Ok(());
                }
                let Some(request) = &mut ue.request else { return Ok(()) };
                if pti == request.pti {
                    request.apn = apn;
                    self.stop_timer(ue);
                    return self.create_session(ue, core);
                }
                EsmCause::INVALID_PTI_VALUE
            }
            Esm::Status { .. } => return Ok(()),
            _ => EsmCause::MESSAGE_TYPE_NOT_COMPATIBLE_WITH_STATE,
        };
        let status = EsmMessage::new(bearer, pti, Esm::Status { cause });
        self.send_nas(ue, &Message::Esm(status), core)
    }

    fn create_session(&mut self, ue: &mut UeContext, core: &mut Core<'_>) -> Result<(), CorenetError> {
        let (Some(imsi), Some(request)) = (ue.imsi.clone(), ue.request.clone()) else { return Ok(()) };
        let subscription = core.hss.update_location(&imsi);
        let result = subscription.as_ref().map_or_else(|error| error.name(), |_| "SUCCESS");
        core.s6a("Update-Location-Request", "Update-Location-Answer", &imsi, result);
        let Ok(subscription) = subscription else {
            return self.reject(ue, EmmCause::EPS_AND_NON_EPS_SERVICES_NOT_ALLOWED, core);
        };
        let apn = subscription.apn.unwrap_or_else(|| self.config.apn.clone());
        if request.apn.is_some_and(|asked| !asked.eq_ignore_ascii_case(&apn)) {
            return self.refuse_session(ue, EsmCause::MISSING_OR_UNKNOWN_APN, core);
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
            return self.refuse_session(ue, EsmCause::INSUFFICIENT_RESOURCES, core);
        };
        ue.session = Some(created.teid);
        ue.phase = Phase::ContextSetup;
        let tmsi = self.new_tmsi(&imsi);
        let accept = self.attach_accept(tmsi, request.pti, created.ip, apn);
        ue.retransmissions = 0;
        self.start_timer(ue, Timer::T3450, core.now);
        self.set_up_context(ue, &accept, core)?;
        ue.guarded = Some((accept, SecurityHeader::Ciphered));
        Ok(())
    }

    fn attach_accept(&self, tmsi: u32, pti: u8, ip: Ipv4Addr, apn: String) -> Message {
        let bearer = DefaultBearer {
            qci: DEFAULT_QCI,
            apn,
            ip: Some(ip),
            dns: self.config.dns,
            mtu: Some(self.config.mtu),
        };
        Message::Emm(Emm::AttachAccept(AttachAccept {
            guti: Some(self.guti(tmsi)),
            areas: vec![(self.config.plmn, self.config.tac)],
            esm: Some(EsmMessage::new(DEFAULT_BEARER, pti, Esm::DefaultBearerRequest(bearer))),
        }))
    }

    /// INITIAL CONTEXT SETUP REQUEST with the ATTACH ACCEPT in it.
    pub(super) fn set_up_context(
        &mut self,
        ue: &mut UeContext,
        accept: &Message,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let nas = nas::encode(ue, accept, SecurityHeader::Ciphered)?;
        let (Some(enb), Some(teid), Some(kenb), Some(request)) =
            (ue.enb_id, ue.session, &ue.kenb, &ue.request)
        else {
            return Ok(());
        };
        let capability = &request.capability;
        let setup = ContextSetupRequest {
            ids: UeIds { mme: ue.mme_id, enb },
            ambr_bps: UE_AMBR_BPS,
            capabilities: SecurityCapabilities::of_network_capability(
                capability.eea_octet(),
                capability.eia_octet(),
            ),
            kenb: kenb.clone(),
            erab: DEFAULT_BEARER.into(),
            qci: DEFAULT_QCI,
            tunnel: Tunnel::new(core.gateway.address(), teid),
            nas: Some(nas),
        };
        self.send_s1(ue.enb, "InitialContextSetupRequest", setup.build(), core)
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
        answer: Option<&EsmMessage>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::ContextSetup {
            return Ok(());
        }
        let accepted =
            answer.is_some_and(|esm| esm.body == Esm::DefaultBearerAccept && esm.bearer == DEFAULT_BEARER);
        if !accepted {
            return self.abort(ue, core);
        }
        self.stop_timer(ue);
        ue.guarded = None;
        ue.phase = Phase::Registered;
        let imsi = ue.imsi.as_ref().map(ToString::to_string).unwrap_or_default();
        core.state(ue, "emm", "DEREGISTERED -> REGISTERED", vec![("imsi", imsi)]);
        Ok(())
    }

    /// ATTACH REJECT.
    pub(super) fn reject(
        &mut self,
        ue: &mut UeContext,
        cause: EmmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let reject = Message::Emm(Emm::AttachReject(AttachReject::new(cause)));
        self.refuse(ue, &reject, Cause::NAS_UNSPECIFIED, core)
    }

    /// ATTACH REJECT #19 with the PDN CONNECTIVITY REJECT that says why (clause 5.5.1.2.5).
    pub(super) fn refuse_session(
        &mut self,
        ue: &mut UeContext,
        cause: EsmCause,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let pti = ue.request.as_ref().map_or(0, |request| request.pti);
        let refusal = Esm::Reject { procedure: EsmProcedure::PdnConnectivity, cause };
        let esm = Some(EsmMessage::new(0, pti, refusal));
        let reject = AttachReject { esm, ..AttachReject::new(EmmCause::ESM_FAILURE) };
        self.refuse(ue, &Message::Emm(Emm::AttachReject(reject)), Cause::NAS_UNSPECIFIED, core)
    }
}

/// The transaction of the PDN CONNECTIVITY REQUEST, and whether more is to be asked for; `None` where the
/// container has none.
fn connectivity_request(request: &AttachRequest) -> Option<(u8, bool)> {
    match request.esm.as_ref()? {
        &EsmMessage { pti, body: Esm::PdnConnectivityRequest { information }, .. } => {
            Some((pti, information))
        }
        _ => None,
    }
}
