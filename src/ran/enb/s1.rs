//! What the base station does with each S1AP message of the MME (TS 36.413 clause 8).

use std::net::Ipv4Addr;

use oxirush_s1ap::{Error, S1apPduKind, extract_s1ap_ies, ie, s1ap::*};
use oxirush_security::nas_eps::KEnb;

use super::{Bearer, Enb, EnbOutput, S1State, Stage, fault, messages};
use crate::kernel::{Duration, Instant};
use crate::ran::security::mac_i;
use crate::ran::{Downlink, RanError, ReleaseCause};
use crate::wire::s1ap;

/// The parts of an INITIAL CONTEXT SETUP REQUEST that the base station uses.
struct ContextSetup {
    mme_id: u32,
    enb_id: u32,
    encryption: u8,
    integrity: u8,
    kenb: KEnb,
    erab: u64,
    gateway: Option<Ipv4Addr>,
    teid: u32,
    nas: Option<Vec<u8>>,
}

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
        let Ok(pdu) = S1AP_PDU::decode_borrowed(bytes) else {
            return self.send_s1("ErrorIndication", s1ap::transfer_syntax_error(), out);
        };
        use S1apPduKind as K;
        let done = match pdu.kind() {
            K::Successful_S1Setup => {
                self.set_up_done(out);
                Ok(())
            }
            K::Unsuccessful_S1Setup => {
                self.set_up_refused(now, &pdu, out);
                Ok(())
            }
            K::Initiating_downlinkNASTransport => self.downlink_nas(&pdu, out),
            K::Initiating_InitialContextSetup => match context_setup(&pdu) {
                Ok(setup) => return self.context_setup_requested(setup, out),
                Err(error) => Err(error),
            },
            K::Initiating_UEContextRelease => return self.release_commanded(&pdu, out),
            K::Initiating_E_RABRelease => match erab_release(&pdu) {
                Ok(command) => return self.erab_released(command, out),
                Err(error) => Err(error),
            },
            K::Initiating_Reset => return self.reset(&pdu, out),
            K::Initiating_ErrorIndication => {
                self.error_indicated(&pdu, out);
                Ok(())
            }
            K::Successful_Reset | K::Initiating_Paging => Ok(()),
            _ => return self.not_understood(&pdu, out),
        };
        match done {
            Ok(()) => Ok(()),
            Err(_) => self.not_understood(&pdu, out),
        }
    }

    fn not_understood(&mut self, pdu: &S1APPDU<'_>, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        match s1ap::abstract_syntax_error(pdu).map_err(|e| fault("ErrorIndication", &e))? {
            Some(answer) => self.send_s1("ErrorIndication", Ok(answer), out),
            None => Ok(()),
        }
    }

    fn unknown_ids(&mut self, mme_id: u32, enb_id: u32, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let cause = Cause::radioNetwork(if self.contexts.contains_key(&enb_id) {
            CauseRadioNetwork::unknown_pair_ue_s1ap_id
        } else {
            CauseRadioNetwork::unknown_enb_ue_s1ap_id
        });
        let answer = s1ap::error_indication(Some(mme_id), Some(enb_id), cause, None);
        self.send_s1("ErrorIndication", answer, out)
    }

    fn set_up_done(&mut self, out: &mut Vec<EnbOutput>) {
        if self.s1 == S1State::SettingUp {
            self.s1 = S1State::Ready;
            self.setup_at = None;
            Self::note("s1", "READY", out);
            out.push(EnbOutput::Access { barred: false });
        }
    }

    fn set_up_refused(&mut self, now: Instant, pdu: &S1APPDU<'_>, out: &mut Vec<EnbOutput>) {
        if self.s1 != S1State::SettingUp {
            return;
        }
        let wait = match pdu.ie::<ie::TimeToWait>() {
            Some(Ok(TimeToWait::v1s)) => 1,
            Some(Ok(TimeToWait::v2s)) => 2,
            Some(Ok(TimeToWait::v5s)) => 5,
            Some(Ok(TimeToWait::v20s)) => 20,
            Some(Ok(TimeToWait::v60s)) => 60,
            _ => 10,
        };
        self.setup_at = Some(now + Duration::from_secs(wait));
        let cause = match pdu.ie::<ie::Cause>() {
            Some(Ok(cause)) => s1ap::cause_name(&cause),
            _ => "unreadable".into(),
        };
        out.push(EnbOutput::State {
            machine: "s1",
            change: "REFUSED".into(),
            fields: vec![("cause", cause), ("retry", format!("{wait}s"))],
        });
    }

    fn downlink_nas(&mut self, pdu: &S1APPDU<'_>, out: &mut Vec<EnbOutput>) -> Result<(), Error> {
        extract_s1ap_ies!(pdu, DownlinkNASTransport,
            req mme_id: u32 = MME_UE_S1AP_ID(id),
            req enb_id: u32 = eNB_UE_S1AP_ID(id),
            req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
        );
        let Some(ue) = self.adopt(mme_id, enb_id) else {
            return self.unknown_ids(mme_id, enb_id, out).map_err(|e| Error::argument(e.to_string()));
        };
        if let Some(ue) = ue {
            out.push(EnbOutput::Air { ue, message: Downlink::Information { nas } });
        }
        Ok(())
    }

    /// The device of a context, where the two identifiers name one. The first message of the MME gives it the
    /// MME UE S1AP ID.
    fn adopt(&mut self, mme_id: u32, enb_id: u32) -> Option<Option<u32>> {
        let context = self.contexts.get_mut(&enb_id)?;
        match context.mme_id {
            None => context.mme_id = Some(mme_id),
            Some(known) if known != mme_id => return None,
            Some(_) => {}
        }
        Some(context.ue)
    }

    fn context_setup_requested(
        &mut self,
        setup: ContextSetup,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let (mme_id, enb_id) = (setup.mme_id, setup.enb_id);
        let Some(ue) = self.adopt(mme_id, enb_id) else { return self.unknown_ids(mme_id, enb_id, out) };
        let Some(ue) = ue else {
            let cause = Cause::radioNetwork(CauseRadioNetwork::radio_connection_with_ue_lost);
            return self.fail_context_setup(enb_id, cause, out);
        };
        let Some(gateway) = setup.gateway else {
            let cause = Cause::transport(CauseTransport::transport_resource_unavailable);
            return self.fail_context_setup(enb_id, cause, out);
        };
        let Some((eia, eea)) = self.choose(setup.integrity, setup.encryption) else {
            let algorithms =
                CauseRadioNetwork::encryption_and_or_integrity_protection_algorithms_not_supported;
            return self.fail_context_setup(enb_id, Cause::radioNetwork(algorithms), out);
        };
        let Some(mac_i) = mac_i(&setup.kenb, eia, eea) else { return Ok(()) };
        self.drop_bearer(enb_id);
        let local = self.next_teid;
        self.next_teid = self.next_teid.checked_add(1).unwrap_or(1);
        self.by_teid.insert(local, enb_id);
        self.by_remote.insert((gateway, setup.teid), enb_id);
        if let Some(context) = self.contexts.get_mut(&enb_id) {
            context.kenb = Some(setup.kenb);
            context.nas = setup.nas;
            context.bearer = Some(Bearer { erab: setup.erab, local, remote: setup.teid, gateway });
            context.stage = Stage::Securing;
        }
        out.push(EnbOutput::Air { ue, message: Downlink::SecurityMode { eia, eea, mac_i } });
        Ok(())
    }

    /// The best algorithms that the UE supports too. EEA0 is mandatory for every UE (TS 33.401 clause 5.1.3.2),
    /// so S1AP does not signal it.
    fn choose(&self, integrity: u8, encryption: u8) -> Option<(u8, u8)> {
        let signalled = |octet: u8, n: u8| n > 0 && octet & (0x80 >> (n - 1)) != 0;
        let eia = self.config.eia.iter().copied().find(|&n| signalled(integrity, n))?;
        let eea = self.config.eea.iter().copied().find(|&n| n == 0 || signalled(encryption, n))?;
        Some((eia, eea))
    }

    pub(super) fn confirm_context_setup(
        &mut self,
        enb_id: u32,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get(&enb_id) else { return Ok(()) };
        let (Some(mme_id), Some(bearer)) = (context.mme_id, context.bearer) else { return Ok(()) };
        let pdu =
            messages::initial_context_setup_response(mme_id, enb_id, bearer.erab, self.address, bearer.local);
        self.send_s1("InitialContextSetupResponse", pdu, out)
    }

    pub(super) fn fail_context_setup(
        &mut self,
        enb_id: u32,
        cause: Cause,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        self.drop_bearer(enb_id);
        let Some(mme_id) = self.contexts.get(&enb_id).and_then(|context| context.mme_id) else {
            return Ok(());
        };
        let pdu = messages::initial_context_setup_failure(mme_id, enb_id, cause);
        self.send_s1("InitialContextSetupFailure", pdu, out)
    }

    fn release_commanded(&mut self, pdu: &S1APPDU<'_>, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let (Some(mme_id), enb_id) = s1ap::ids(pdu) else { return self.not_understood(pdu, out) };
        // Without the pair, the UE never answered the MME here, or the MME lost its half.
        let Some(enb_id) = enb_id.filter(|id| self.contexts.contains_key(id)) else {
            return self.unknown_ids(mme_id, enb_id.unwrap_or(0), out);
        };
        self.release(enb_id, ReleaseCause::Network, out);
        self.send_s1("UEContextReleaseComplete", messages::ue_context_release_complete(mme_id, enb_id), out)
    }

    fn erab_released(
        &mut self,
        (mme_id, enb_id, erabs, nas): (u32, u32, Vec<u64>, Option<Vec<u8>>),
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(ue) = self.adopt(mme_id, enb_id) else { return self.unknown_ids(mme_id, enb_id, out) };
        let held = self.contexts.get(&enb_id).and_then(|context| context.bearer).map(|bearer| bearer.erab);
        let (released, unknown): (Vec<u64>, Vec<u64>) =
            erabs.into_iter().partition(|erab| Some(*erab) == held);
        let bearer = (!released.is_empty()).then_some(false);
        if bearer.is_some() {
            self.drop_bearer(enb_id);
        }
        if let Some(ue) = ue {
            out.push(EnbOutput::Air { ue, message: Downlink::Reconfiguration { bearer, nas } });
        }
        let pdu = messages::erab_release_response(mme_id, enb_id, &released, &unknown);
        self.send_s1("E-RABReleaseResponse", pdu, out)
    }

    fn reset(&mut self, pdu: &S1APPDU<'_>, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let Some(Ok(kind)) = pdu.ie::<ie::ResetType>() else { return self.not_understood(pdu, out) };
        let named = s1ap::reset_connections(&kind);
        let ids: Vec<u32> = match &named {
            Some(named) => {
                named.iter().filter_map(|item| item.enb_ue_s1ap_id.as_ref().map(|id| id.0)).collect()
            }
            None => self.contexts.keys().copied().collect(),
        };
        for id in ids {
            self.release(id, ReleaseCause::Network, out);
        }
        self.send_s1("ResetAcknowledge", s1ap::reset_acknowledge(named.unwrap_or_default()), out)
    }

    /// The MME does not know a UE that this base station serves: its connection leads nowhere.
    fn error_indicated(&mut self, pdu: &S1APPDU<'_>, out: &mut Vec<EnbOutput>) {
        let unknown = matches!(
            pdu.ie::<ie::Cause>(),
            Some(Ok(Cause::radioNetwork(
                CauseRadioNetwork::unknown_mme_ue_s1ap_id | CauseRadioNetwork::unknown_pair_ue_s1ap_id
            )))
        );
        if let ((_, Some(enb_id)), true) = (s1ap::ids(pdu), unknown) {
            self.release(enb_id, ReleaseCause::Network, out);
        }
    }
}

fn context_setup(pdu: &S1APPDU<'_>) -> Result<ContextSetup, Error> {
    extract_s1ap_ies!(pdu, InitialContextSetupRequest,
        req mme_id: u32 = MME_UE_S1AP_ID(id),
        req enb_id: u32 = eNB_UE_S1AP_ID(id),
        req capabilities: (u8, u8) = UESecurityCapabilities(c) => (
            c.encryption_algorithms.0.as_octets().first().copied().unwrap_or(0),
            c.integrity_protection_algorithms.0.as_octets().first().copied().unwrap_or(0),
        ),
        req kenb: KEnb = SecurityKey(key) => {
            KEnb::from_slice(key.0.as_octets()).map_err(|e| Error::argument(e.to_string()))?
        },
    );
    let bearer = pdu
        .items::<ie::E_RABToBeSetupListCtxtSUReq>()
        .next()
        .ok_or_else(|| Error::argument("no E-RAB to set up".to_owned()))??;
    Ok(ContextSetup {
        mme_id,
        enb_id,
        encryption: capabilities.0,
        integrity: capabilities.1,
        kenb,
        erab: bearer.e_rab_id.0,
        gateway: s1ap::ipv4_of(&bearer.transport_layer_address),
        teid: u32::from_be_bytes(bearer.gtp_teid.0),
        nas: bearer.nas_pdu.map(|nas| nas.0.to_vec()),
    })
}

type ErabRelease = (u32, u32, Vec<u64>, Option<Vec<u8>>);

fn erab_release(pdu: &S1APPDU<'_>) -> Result<ErabRelease, Error> {
    extract_s1ap_ies!(pdu, ERABReleaseCommand,
        req mme_id: u32 = MME_UE_S1AP_ID(id),
        req enb_id: u32 = eNB_UE_S1AP_ID(id),
        lax nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
    );
    let items = pdu.items::<ie::E_RABToBeReleasedList>();
    let erabs = items.map(|item| item.map(|item| item.e_rab_id.0)).collect::<Result<Vec<u64>, _>>()?;
    Ok((mme_id, enb_id, erabs, nas))
}
