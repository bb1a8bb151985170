//! Attach (TS 24.301 clause 5.5.1.2): request, acceptance, and every way it fails.

use super::radio::Initial;
use super::refusals::{Refused, T3346};
use super::{ATTACH_ATTEMPTS, BARRED, Emm, NO_KEY, Rrc, Substate, T3402, T3410, T3411, Timer, Ue, UeOutput};
use crate::kernel::{Duration, Instant};
use crate::ran::RanError;
use crate::wire::Reason;
use crate::wire::nas::{
    AttachAccept, AttachReject, AttachRequest, Emm as Mobility, EmmCause, Esm, EsmCause, EsmProcedure,
    Message,
};
use crate::wire::rrc::connection::EstablishmentCause;

impl Ue {
    pub(super) fn start_attach(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        for timer in [Timer::T3402, Timer::T3411, Timer::T3346, Timer::Barred, Timer::T3412, Timer::T3430] {
            self.timers.remove(&timer);
        }
        self.authentication.begin();
        let request = self.attach_request()?;
        self.timers.insert(Timer::T3410, now + T3410);
        let fields = vec![("T3410", format!("{}s", T3410.as_secs()))];
        self.enter_with(Emm::RegisteredInitiated, fields, out);
        if self.rrc == Rrc::Connected {
            let nas = self.protect_initial(&request, out)?;
            return self.transfer(nas, out);
        }
        self.connect(Initial::Message(request), EstablishmentCause::MoSignalling, out);
        Ok(())
    }

    fn attach_request(&mut self) -> Result<Message, RanError> {
        let identity = self.identity("ATTACH REQUEST")?;
        let esm = self.session.connectivity_request(self.config.pdn_type, self.config.apn.is_some());
        Ok(Message::Emm(Mobility::AttachRequest(AttachRequest {
            kind: self.config.attach_type,
            identity,
            ksi: self.nas.ksi().unwrap_or(NO_KEY),
            capability: self.capability(),
            esm: Some(esm),
        })))
    }

    pub(super) fn attach_accepted(
        &mut self,
        now: Instant,
        accept: AttachAccept,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match self.emm {
            Emm::RegisteredInitiated => {}
            // The network did not get the ATTACH COMPLETE (clause 5.5.1.2.7, case d).
            Emm::Registered => return self.resend_attach_complete(out),
            _ => return Ok(()),
        }
        let reply = accept.esm.and_then(|esm| match esm.body {
            Esm::DefaultBearerRequest(bearer) => self.session.activate(esm.bearer, esm.pti, bearer),
            _ => None,
        });
        let Some(reply) = reply else {
            self.leave_connection();
            self.attach_failed(
                now,
                &Reason::EsmFailure,
                "ATTACH ACCEPT without a usable default bearer",
                out,
            );
            return Ok(());
        };
        self.timers.remove(&Timer::T3410);
        self.attempts = 0;
        self.forgiven.reset();
        self.take_t3412(accept.t3412_s);
        if let Some(guti) = accept.guti {
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
        self.send(&Message::Emm(Mobility::AttachComplete { esm: Some(esm) }), out)
    }

    /// ATTACH REJECT (clause 5.5.1.2.5): what each cause does to the UE. `proved`: the message was authentic.
    pub(super) fn attach_rejected(
        &mut self,
        now: Instant,
        reject: &AttachReject,
        proved: bool,
        out: &mut Vec<UeOutput>,
    ) {
        if self.emm != Emm::RegisteredInitiated {
            return;
        }
        let reason = Reason::EmmCause(reject.cause.0);
        let detail = format!("ATTACH REJECT: {}", reject.cause.description());
        use EmmCause as C;
        let cause = reject.cause.as_received();
        if let Some(what) = Refused::by(cause) {
            return self.refused(now, (what, proved), &reason, &detail, out);
        }
        match cause {
            C::CONGESTION => self.congested(now, (reject, proved), &reason, &detail, out),
            C::ESM_FAILURE => self.session_refused(now, reject, &detail, out),
            C::SEMANTICALLY_INCORRECT_MESSAGE
            | C::INVALID_MANDATORY_INFORMATION
            | C::MESSAGE_TYPE_NOT_IMPLEMENTED
            | C::INFORMATION_ELEMENT_NOT_IMPLEMENTED
            | C::PROTOCOL_ERROR_UNSPECIFIED => {
                self.attempts = ATTACH_ATTEMPTS;
                self.attach_failed(now, &reason, &detail, out);
            }
            _ => self.attach_failed(now, &reason, &detail, out),
        }
    }

    /// #22: back off for T3346 where the network gives one, and as long as it says where that is proved (clause
    /// 5.5.1.2.5).
    fn congested(
        &mut self,
        now: Instant,
        (reject, proved): (&AttachReject, bool),
        reason: &Reason,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        let Some(seconds) = reject.back_off_s.filter(|&s| s > 0) else {
            return self.attach_failed(now, reason, detail, out);
        };
        let wait = if proved { Duration::from_secs(seconds) } else { self.draw(T3346) };
        self.stop_timers();
        self.attempts = 0;
        self.timers.insert(Timer::T3346, now + wait);
        let fields = vec![("T3346", format!("{}s", wait.as_secs()))];
        self.enter_with(Emm::Deregistered(Substate::AttemptingToAttach), fields, out);
        out.push(UeOutput::AttachFailed { reason: reason.clone(), detail: detail.into(), retry: true });
    }

    /// #19: the PDN connection was refused. Causes that asking again cannot cure end the attempts
    /// (clause 6.5.1.4.3).
    fn session_refused(
        &mut self,
        now: Instant,
        reject: &AttachReject,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        let refusal = reject.esm.as_ref().map(|esm| &esm.body);
        let Some(&Esm::Reject { procedure: EsmProcedure::PdnConnectivity, cause }) = refusal else {
            return self.attach_failed(now, &Reason::EmmCause(EmmCause::ESM_FAILURE.0), detail, out);
        };
        let reason = Reason::EsmCause(cause.0);
        let asked = self.config.apn.as_ref().filter(|_| cause == EsmCause::MISSING_OR_UNKNOWN_APN);
        let asked = asked.map_or_else(String::new, |apn| format!(" (the device asks for \"{apn}\")"));
        let detail = format!("{detail}; PDN CONNECTIVITY REJECT: {}{asked}", cause.description());
        use EsmCause as C;
        match cause {
            C::OPERATOR_DETERMINED_BARRING
            | C::MISSING_OR_UNKNOWN_APN
            | C::UNKNOWN_PDN_TYPE
            | C::PDN_TYPE_IPV4_ONLY_ALLOWED
            | C::PDN_TYPE_IPV6_ONLY_ALLOWED
            | C::PDN_TYPE_IPV4V6_ONLY_ALLOWED
            | C::USER_AUTHENTICATION_FAILED
            | C::SERVICE_OPTION_NOT_SUPPORTED
            | C::SERVICE_OPTION_NOT_SUBSCRIBED => {
                self.end_attach(Substate::LimitedService, out);
                out.push(UeOutput::AttachFailed { reason, detail, retry: false });
            }
            _ => self.attach_failed(now, &reason, &detail, out),
        }
    }

    pub(super) fn end_attach(&mut self, next: Substate, out: &mut Vec<UeOutput>) {
        self.stop_timers();
        self.attempts = 0;
        self.session.clear();
        self.enter(Emm::Deregistered(next), out);
    }

    /// An attempt that failed and may be repeated (clause 5.5.1.2.6): T3411 up to the fifth, then T3402.
    pub(super) fn attach_failed(
        &mut self,
        now: Instant,
        reason: &Reason,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        self.stop_timers();
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
        out.push(UeOutput::AttachFailed { reason: reason.clone(), detail: detail.into(), retry: true });
    }

    /// The network failed authentication: its cell is barred for a while (clause 5.4.2.7).
    pub(super) fn network_failed_authentication(&mut self, now: Instant, out: &mut Vec<UeOutput>) {
        let reason = self.authentication.last_failure().unwrap_or(Reason::CellBarred);
        self.leave_connection();
        self.end_attach(Substate::PlmnSearch, out);
        self.timers.insert(Timer::Barred, now + BARRED);
        let detail =
            format!("the network failed authentication; its cell is barred for {} s", BARRED.as_secs());
        out.push(UeOutput::AttachFailed { reason, detail, retry: true });
    }
}
