//! Attach (TS 24.301 clause 5.5.1.2): request, acceptance, and every way it fails.

use oxirush_nas::nas_eps::{
    AttachType, EmmCause, KeySetIdentifier, NasAttachAccept, NasAttachComplete, NasAttachReject,
    NasAttachRequest, NasEpsAttachType, NasEpsMessage, NasEpsMobileIdentity, NasEsmMessage,
    NasEsmMessageContainer, NasGutiType, NasKeySetIdentifier,
};

use super::{ATTACH_ATTEMPTS, BARRED, Emm, Rrc, Substate, T3402, T3410, T3411, Timer, Ue, UeOutput};
use crate::kernel::{Duration, Instant};
use crate::ran::{RanError, Uplink};

impl Ue {
    pub(super) fn start_attach(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        for timer in [Timer::T3402, Timer::T3411, Timer::T3346, Timer::Barred] {
            self.timers.remove(&timer);
        }
        self.authentication.begin();
        let request = self.attach_request()?;
        self.timers.insert(Timer::T3410, now + T3410);
        let fields = vec![("T3410", format!("{}s", T3410.as_secs()))];
        self.enter_with(Emm::RegisteredInitiated, fields, out);
        if self.rrc == Rrc::Connected {
            let nas = self.protect_initial(&request, out)?;
            out.push(UeOutput::Air(Uplink::Information { nas }));
        } else {
            self.pending = Some(request);
            self.rrc = Rrc::Connecting;
            out.push(UeOutput::Air(Uplink::ConnectionRequest));
        }
        Ok(())
    }

    fn attach_request(&mut self) -> Result<NasEpsMessage, RanError> {
        let fault = |cause: String| RanError::Encode { place: "UE", what: "ATTACH REQUEST", cause };
        let identity = match (&self.guti, &self.subscriber) {
            (Some(guti), _) => NasEpsMobileIdentity::from_guti(*guti),
            (None, Some(subscriber)) => {
                NasEpsMobileIdentity::from_imsi(subscriber.imsi.as_str()).map_err(|e| fault(e.to_string()))?
            }
            (None, None) => return Err(fault("the card has not been read".into())),
        };
        let ksi = self.nas.ksi().map_or(KeySetIdentifier::NoKey, KeySetIdentifier::Native);
        let esm = self.session.connectivity_request(self.config.apn.is_some())?;
        let mut request = NasAttachRequest::new(
            NasEpsAttachType::from_attach_type(AttachType::EpsAttach),
            NasKeySetIdentifier::from_key_set_identifier(ksi).map_err(|e| fault(e.to_string()))?,
            identity,
            self.capability(),
            NasEsmMessageContainer::from_esm_message(&esm).map_err(|e| fault(e.to_string()))?,
        );
        if self.guti.is_some() {
            request.set_old_guti_type(NasGutiType::from_mapped(false));
        }
        Ok(NasEpsMessage::new_emm(request))
    }

    pub(super) fn attach_accepted(
        &mut self,
        now: Instant,
        accept: &NasAttachAccept,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match self.emm {
            Emm::RegisteredInitiated => {}
            // The network did not get the ATTACH COMPLETE (clause 5.5.1.2.7, case d).
            Emm::Registered => return self.resend_attach_complete(out),
            _ => return Ok(()),
        }
        let reply = match accept.esm_message_container.decode_as_esm_message() {
            Ok(NasEpsMessage::Esm(header, NasEsmMessage::ActivateDefaultEpsBearerContextRequest(bearer))) => {
                self.session.activate(&header, &bearer)?
            }
            _ => None,
        };
        let Some(reply) = reply else {
            self.leave_connection();
            self.attach_failed(now, "esm-failure", "ATTACH ACCEPT without a usable default bearer", out);
            return Ok(());
        };
        self.timers.remove(&Timer::T3410);
        self.attempts = 0;
        if let Some(guti) = accept.guti.as_ref().and_then(|identity| identity.as_guti()) {
            self.guti = Some(guti);
        }
        self.session.complete = Some(reply);
        self.enter(Emm::Registered, out);
        self.resend_attach_complete(out)?;
        if let Some(attached) = self.session.attached() {
            out.push(attached);
        }
        Ok(())
    }

    fn resend_attach_complete(&mut self, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let Some(esm) = self.session.complete.clone() else { return Ok(()) };
        let container = NasEsmMessageContainer::from_esm_message(&esm).map_err(|e| RanError::Encode {
            place: "UE",
            what: "ATTACH COMPLETE",
            cause: e.to_string(),
        })?;
        self.send(&NasEpsMessage::new_emm(NasAttachComplete::new(container)), out)
    }

    /// ATTACH REJECT (clause 5.5.1.2.5): what each cause does to the UE.
    pub(super) fn attach_rejected(
        &mut self,
        now: Instant,
        reject: &NasAttachReject,
        out: &mut Vec<UeOutput>,
    ) {
        if self.emm != Emm::RegisteredInitiated {
            return;
        }
        let raw = reject.emm_cause.cause_raw();
        let reason = format!("emm-cause-{raw}");
        let detail = format!("ATTACH REJECT: {}", reject.emm_cause.cause_received().description());
        use EmmCause as C;
        match reject.emm_cause.cause_received() {
            C::IllegalUe
            | C::IllegalMe
            | C::EpsServicesNotAllowed
            | C::EpsServicesAndNonEpsServicesNotAllowed => {
                self.refused(Substate::NoImsi, &reason, &detail, out);
            }
            C::PlmnNotAllowed
            | C::RequestedServiceOptionNotAuthorizedInThisPlmn
            | C::RoamingNotAllowedInThisTrackingArea
            | C::EpsServicesNotAllowedInThisPlmn => {
                self.refused(Substate::PlmnSearch, &reason, &detail, out);
            }
            C::TrackingAreaNotAllowed | C::NoSuitableCellsInTrackingArea => {
                self.refused(Substate::LimitedService, &reason, &detail, out);
            }
            C::Congestion => self.congested(now, reject, &reason, &detail, out),
            C::EsmFailure => self.session_refused(now, reject, &detail, out),
            C::SemanticallyIncorrectMessage
            | C::InvalidMandatoryInformation
            | C::MessageTypeNonExistentOrNotImplemented
            | C::InformationElementNonExistentOrNotImplemented
            | C::ProtocolErrorUnspecified => {
                self.attempts = ATTACH_ATTEMPTS;
                self.attach_failed(now, &reason, &detail, out);
            }
            _ => self.attach_failed(now, &reason, &detail, out),
        }
    }

    /// #22: back off for T3346 where the network gives one (clause 5.5.1.2.5).
    fn congested(
        &mut self,
        now: Instant,
        reject: &NasAttachReject,
        reason: &str,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        let back_off = reject.t3346_value.as_ref().and_then(|timer| timer.to_seconds()).filter(|&s| s > 0);
        let Some(seconds) = back_off else {
            return self.attach_failed(now, reason, detail, out);
        };
        self.timers.clear();
        self.attempts = 0;
        self.timers.insert(Timer::T3346, now + Duration::from_secs(seconds));
        let fields = vec![("T3346", format!("{seconds}s"))];
        self.enter_with(Emm::Deregistered(Substate::AttemptingToAttach), fields, out);
        out.push(UeOutput::AttachFailed { reason: reason.into(), detail: detail.into(), retry: true });
    }

    /// #19: the PDN connection was refused. Causes that asking again cannot cure end the attempts
    /// (clause 6.5.1.4.3).
    fn session_refused(
        &mut self,
        now: Instant,
        reject: &NasAttachReject,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        let esm = reject.esm_message_container.as_ref().map(|container| container.decode_as_esm_message());
        let Some(Ok(NasEpsMessage::Esm(_, NasEsmMessage::PdnConnectivityReject(pdn)))) = esm else {
            return self.attach_failed(now, "emm-cause-19", detail, out);
        };
        let reason = format!("esm-cause-{}", pdn.esm_cause.cause_raw());
        let detail = format!("{detail}; PDN CONNECTIVITY REJECT: {}", pdn.esm_cause.description());
        match pdn.esm_cause.cause_raw() {
            8 | 27 | 28 | 29 | 32 | 33 => {
                self.end_attach(Substate::LimitedService, out);
                out.push(UeOutput::AttachFailed { reason, detail, retry: false });
            }
            _ => self.attach_failed(now, &reason, &detail, out),
        }
    }

    /// A refusal that holds: nothing of the registration is kept (EU3, ROAMING NOT ALLOWED).
    pub(super) fn refused(&mut self, next: Substate, reason: &str, detail: &str, out: &mut Vec<UeOutput>) {
        self.guti = None;
        self.nas.forget();
        self.end_attach(next, out);
        out.push(UeOutput::AttachFailed { reason: reason.into(), detail: detail.into(), retry: false });
    }

    fn end_attach(&mut self, next: Substate, out: &mut Vec<UeOutput>) {
        self.timers.clear();
        self.attempts = 0;
        self.session.clear();
        self.enter(Emm::Deregistered(next), out);
    }

    /// An attempt that failed and may be repeated (clause 5.5.1.2.6): T3411 up to the fifth, then T3402.
    pub(super) fn attach_failed(
        &mut self,
        now: Instant,
        reason: &str,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        self.timers.clear();
        self.session.clear();
        self.attempts = (self.attempts + 1).min(ATTACH_ATTEMPTS);
        let (timer, name, wait) = if self.attempts < ATTACH_ATTEMPTS {
            (Timer::T3411, "T3411", T3411)
        } else {
            self.attempts = 0;
            self.guti = None;
            self.nas.forget();
            (Timer::T3402, "T3402", T3402)
        };
        self.timers.insert(timer, now + wait);
        let fields = vec![(name, format!("{}s", wait.as_secs()))];
        self.enter_with(Emm::Deregistered(Substate::AttemptingToAttach), fields, out);
        out.push(UeOutput::AttachFailed { reason: reason.into(), detail: detail.into(), retry: true });
    }

    /// The network failed authentication: its cell is barred for a while (clause 5.4.2.7).
    pub(super) fn network_failed_authentication(&mut self, now: Instant, out: &mut Vec<UeOutput>) {
        let reason = self.authentication.last_failure().unwrap_or("cell-barred");
        self.leave_connection();
        self.end_attach(Substate::PlmnSearch, out);
        self.timers.insert(Timer::Barred, now + BARRED);
        let detail =
            format!("the network failed authentication; its cell is barred for {} s", BARRED.as_secs());
        out.push(UeOutput::AttachFailed { reason: reason.into(), detail, retry: true });
    }
}
