//! Attach (TS 24.301 clause 5.5.1.2) with its PDN connection (clause 6.5.1).

use std::net::Ipv4Addr;

use super::context::{AttachRequest as Request, Phase, Timer, UeContext};
use super::{Core, Mme};
use crate::corenet::gateway::{CreateSession, Created};
use crate::corenet::{CorenetError, EpcConfig};
use crate::id::Imsi;
use crate::wire::nas::{
    AttachAccept, AttachReject, AttachRequest, AttachType, Count, DefaultBearer, Emm, EmmCause, Esm,
    EsmCause, EsmMessage, EsmProcedure, Guti, Identity, Message, PdnType, SecurityHeader,
};
use crate::wire::s1ap::{Cause, ContextSetupRequest, SecurityCapabilities, Tunnel, UeIds};

/// The identity of the default bearer: the first that there is (TS 24.007 clause 11.2.3.1.5).
const DEFAULT_BEARER: u8 = 5;
/// The default bearer's QoS class (TS 23.203 table 6.1.7).
const DEFAULT_QCI: u8 = 9;
/// What a UE may use in all, downlink and uplink, in bits per second.
const UE_AMBR_BPS: (u64, u64) = (100_000_000, 50_000_000);

impl Mme {
    /// ATTACH REQUEST. `octets` are those of the plain message; `proof` is its uplink NAS COUNT where it is authentic under
    /// the context of the subscriber that it names.
    pub(super) fn attach_requested(
        &mut self,
        ue: &mut UeContext,
        request: &AttachRequest,
        octets: &[u8],
        proof: Option<Count>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.request.as_ref().is_some_and(|before| before.octets == octets) {
            return self.attach_requested_again(ue, core);
        }
        let imsi = self.named(&request.identity);
        // On a secured connection there is one subscriber. A radio connection whose security has begun takes no other
        // key: the UE begins anew on another one (clause 5.5.1.2.7, cases d and f).
        if ue.set_up || ue.exchanged && imsi != ue.imsi {
            self.deregister(ue, core);
            return self.release(ue, Cause::NAS_NORMAL_RELEASE, core);
        }
        self.stop_timer(ue);
        // Who is challenged next has nothing to do with the attempt before (case e).
        (ue.commanded, ue.vector, ue.guarded) = (None, None, None);
        if !self.adopt(ue, request, octets, proof.is_some(), core)? {
            return Ok(());
        }
        (ue.mac_failures, ue.synchronised, ue.identified) = (0, false, false);
        // The key set identifier of the new context must not be that of the UE's old one (clause 5.4.2.4).
        ue.ksi = if request.ksi < 7 { request.ksi } else { 6 };
        let Some(imsi) = imsi else { return self.identify(ue, core) };
        let native = self.natives.get(&imsi).filter(|native| native.capability == request.capability);
        if let (Some(count), Some(native)) = (proof, native) {
            ue.kenb = Some(native.kasme.kenb(count));
            self.prove(ue, &imsi);
            self.register(ue, &imsi, core)?;
            return self.connect(ue, core);
        }
        ue.imsi = Some(imsi);
        self.authenticate(ue, false, core)
    }

    /// The same ATTACH REQUEST once more: its answer is sent once more where there is one, and else it is on its way
    /// (clause 5.5.1.2.7, cases d and e).
    fn attach_requested_again(
        &mut self,
        ue: &mut UeContext,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        if ue.phase != Phase::ContextSetup {
            return Ok(());
        }
        self.start_timer(ue, Timer::T3450, core.now);
        self.resend(ue, Timer::T3450, core)
    }

    /// Takes an ATTACH REQUEST for the one that this connection is about; `false` where it was rejected for what it says.
    pub(super) fn adopt(
        &mut self,
        ue: &mut UeContext,
        request: &AttachRequest,
        octets: &[u8],
        verified: bool,
        core: &mut Core<'_>,
    ) -> Result<bool, CorenetError> {
        let Some(Connectivity { pti, information, pdn_type }) = connectivity_request(request) else {
            self.reject(ue, EmmCause::INVALID_MANDATORY_INFORMATION, core)?;
            return Ok(false);
        };
        let tmsi = match &request.identity {
            Identity::Guti(guti) => Some(guti.tmsi),
            _ => None,
        };
        ue.request = Some(Request {
            octets: octets.to_vec(),
            verified,
            kind: request.kind,
            capability: request.capability.clone(),
            pti,
            information,
            apn: None,
            pdn_type,
            tmsi,
        });
        match (&request.identity, request.kind, pti) {
            // An IMEI identifies a UE in emergency attach only, which there is not (annex A.2: #5 is for that).
            (Identity::Imei(_), ..) => self.reject(ue, EmmCause::IMEI_NOT_ACCEPTED, core)?,
            (_, AttachType::Emergency, _) => {
                self.refuse_session(ue, EsmCause::SERVICE_OPTION_NOT_SUPPORTED, core)?;
            }
            // Unassigned and reserved (clause 7.3.1).
            (_, _, 0 | 255) => self.refuse_session(ue, EsmCause::INVALID_PTI_VALUE, core)?,
            _ => return Ok(true),
        }
        Ok(false)
    }

    pub(super) fn subscriber_of(&self, guti: &Guti) -> Option<&Imsi> {
        self.gutis.subscriber(guti.tmsi).filter(|_| *guti == self.guti(guti.tmsi))
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
        if subscription.barred {
            return self.refuse_session(ue, EsmCause::OPERATOR_DETERMINED_BARRING, core);
        }
        let (versions, cause) = match subscription.pdn.grant(request.pdn_type) {
            Ok(granted) => granted,
            Err(cause) => return self.refuse_session(ue, cause, core),
        };
        let apn = subscription.apn.unwrap_or_else(|| self.config.apn.clone());
        if request.apn.as_ref().is_some_and(|asked| !asked.eq_ignore_ascii_case(&apn)) {
            return self.refuse_session(ue, EsmCause::MISSING_OR_UNKNOWN_APN, core);
        }
        let session = CreateSession {
            imsi: imsi.clone(),
            iccid: subscription.iccid,
            imei: ue.imei.clone(),
            apn: apn.clone(),
            policy: subscription.policy,
            rat: self.config.rat,
            versions,
        };
        let Some(created) = core.gateway.create(core.now, session, core.out) else {
            return self.refuse_session(ue, EsmCause::INSUFFICIENT_RESOURCES, core);
        };
        ue.session = Some(created.teid);
        ue.phase = Phase::ContextSetup;
        let tmsi = self.gutis.offer(&imsi, request.tmsi, &mut self.tmsi_stream);
        let accept = self.attach_accept(tmsi, &request, created, apn, cause);
        ue.retransmissions = 0;
        self.start_timer(ue, Timer::T3450, core.now);
        self.set_up_context(ue, Some(&accept), core)?;
        ue.guarded = Some((accept, SecurityHeader::Ciphered));
        Ok(())
    }

    fn attach_accept(
        &self,
        tmsi: u32,
        request: &Request,
        Created { ip, interface, .. }: Created,
        apn: String,
        cause: Option<EsmCause>,
    ) -> Message {
        let bearer = DefaultBearer {
            qci: DEFAULT_QCI,
            apn,
            ip,
            interface,
            dns: self.config.dns,
            mtu: Some(self.config.mtu),
            cause,
        };
        let combined = request.kind == AttachType::Combined;
        Message::Emm(Emm::AttachAccept(AttachAccept {
            t3412_s: self.config.t3412.as_secs(),
            cause: combined.then_some(EmmCause::CS_DOMAIN_NOT_AVAILABLE),
            guti: Some(self.guti(tmsi)),
            areas: vec![(self.config.plmn, self.config.tac)],
            esm: Some(EsmMessage::new(DEFAULT_BEARER, request.pti, Esm::DefaultBearerRequest(bearer))),
        }))
    }

    /// INITIAL CONTEXT SETUP REQUEST, with an ATTACH ACCEPT in it where there is one.
    pub(super) fn set_up_context(
        &mut self,
        ue: &mut UeContext,
        accept: Option<&Message>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let nas = accept.map(|accept| self.encode(ue, accept, SecurityHeader::Ciphered)).transpose()?;
        let native = ue.imsi.as_ref().and_then(|imsi| self.natives.get(imsi));
        let asked = ue.request.as_ref().map(|request| &request.capability);
        let (Some(enb), Some(teid), Some(kenb), Some(capability)) =
            (ue.enb_id, ue.session, &ue.kenb, asked.or(native.map(|native| &native.capability)))
        else {
            return Ok(());
        };
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
            nas,
        };
        ue.set_up = true;
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
        if ue.timer.is_some_and(|(_, timer)| timer == Timer::ContextSetup) {
            self.stop_timer(ue);
        }
        core.gateway.modify(core.now, teid, remote, core.out)
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
        (ue.guarded, ue.request, ue.kenb) = (None, None, None);
        ue.phase = Phase::Registered;
        if let Some(imsi) = &ue.imsi {
            self.gutis.confirm(imsi);
        }
        if !ue.bearer_up {
            self.start_timer(ue, Timer::ContextSetup, core.now);
        }
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

/// What a PDN CONNECTIVITY REQUEST asks for.
struct Connectivity {
    pti: u8,
    /// Whether more is to be asked for.
    information: bool,
    pdn_type: PdnType,
}

/// The PDN CONNECTIVITY REQUEST of an ATTACH REQUEST; `None` where the container has none.
fn connectivity_request(request: &AttachRequest) -> Option<Connectivity> {
    match request.esm.as_ref()? {
        &EsmMessage { pti, body: Esm::PdnConnectivityRequest { pdn_type, information }, .. } => {
            Some(Connectivity { pti, information, pdn_type })
        }
        _ => None,
    }
}
