//! The periodic tracking area update (TS 24.301 clauses 5.3.5 and 5.5.3), by which a UE without a connection shows that it
//! is there, and the reallocation of its GUTI (clause 5.4.1).

use super::radio::Initial;
use super::refusals::Refused;
use super::{ATTACH_ATTEMPTS, Emm, NO_KEY, Rrc, Substate, T3402, T3411, T3430, Timer, Ue, UeOutput};
use crate::kernel::{Duration, Instant};
use crate::ran::RanError;
use crate::wire::Reason;
use crate::wire::nas::{Emm as Mobility, EmmCause, Guti, Message, TrackingAreaUpdateRequest};
use crate::wire::rrc::connection::EstablishmentCause;

impl Ue {
    /// T3412 as the network has told it; zero: no periodic update.
    pub(super) fn take_t3412(&mut self, seconds: u64) {
        self.t3412 = Duration::from_secs(seconds);
    }

    /// The UE is registered and without a connection from now on.
    pub(super) fn idle(&mut self, now: Instant) {
        if !self.t3412.is_zero() {
            self.timers.insert(Timer::T3412, now + self.t3412);
        }
    }

    pub(super) fn start_update(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        if self.emm != Emm::Registered || self.rrc != Rrc::Idle {
            return Ok(());
        }
        let request = TrackingAreaUpdateRequest {
            periodic: true,
            ksi: self.nas.ksi().unwrap_or(NO_KEY),
            identity: self.identity("TRACKING AREA UPDATE REQUEST")?,
        };
        self.timers.insert(Timer::T3430, now + T3430);
        let fields = vec![("T3430", format!("{}s", T3430.as_secs()))];
        self.enter_with(Emm::UpdatingInitiated, fields, out);
        let message = Message::Emm(Mobility::TrackingAreaUpdateRequest(request));
        self.connect(Initial::Message(message), EstablishmentCause::MoSignalling, out);
        Ok(())
    }

    pub(super) fn update_accepted(&mut self, t3412_s: Option<u64>, out: &mut Vec<UeOutput>) {
        if self.emm != Emm::UpdatingInitiated {
            return;
        }
        self.timers.remove(&Timer::T3430);
        self.attempts = 0;
        self.forgiven.reset();
        if let Some(seconds) = t3412_s {
            self.take_t3412(seconds);
        }
        self.enter(Emm::Registered, out);
    }

    /// TRACKING AREA UPDATE REJECT (clause 5.5.3.2.5). `proved`: it was authentic.
    pub(super) fn update_rejected(
        &mut self,
        now: Instant,
        cause: EmmCause,
        proved: bool,
        out: &mut Vec<UeOutput>,
    ) {
        if self.emm != Emm::UpdatingInitiated {
            return;
        }
        let reason = Reason::EmmCause(cause.0);
        let detail = format!("TRACKING AREA UPDATE REJECT: {}", cause.description());
        use EmmCause as C;
        let refused = match cause.as_received() {
            C::UE_IDENTITY_CANNOT_BE_DERIVED | C::IMPLICITLY_DETACHED => return self.forgotten(cause, out),
            other => Refused::by(other),
        };
        match refused {
            Some(what) => self.refused(now, (what, proved), &reason, &detail, out),
            None => self.update_failed(now, &detail, out),
        }
    }

    /// The network does not know the UE, or its registration, any more: it attaches anew.
    pub(super) fn forgotten(&mut self, cause: EmmCause, out: &mut Vec<UeOutput>) {
        if cause == EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED {
            self.guti = None;
            self.nas.forget();
        }
        self.end_attach(Substate::NormalService, out);
        // The network releases the connection first.
        self.session.reattach = true;
    }

    /// An update that failed and is repeated (clause 5.5.3.2.6): T3411 up to the fifth, then T3402.
    pub(super) fn update_failed(&mut self, now: Instant, why: &str, out: &mut Vec<UeOutput>) {
        self.leave_connection();
        self.timers.remove(&Timer::T3430);
        self.attempts = (self.attempts + 1).min(ATTACH_ATTEMPTS);
        let (timer, name, wait) = match self.attempts < ATTACH_ATTEMPTS {
            true => (Timer::T3411, "T3411", T3411),
            false => (Timer::T3402, "T3402", T3402),
        };
        self.attempts %= ATTACH_ATTEMPTS;
        self.timers.insert(timer, now + wait);
        let fields = vec![(name, format!("{}s", wait.as_secs())), ("why", why.to_owned())];
        self.enter_with(Emm::Registered, fields, out);
    }

    /// GUTI REALLOCATION COMMAND, which only a proved network gives.
    pub(super) fn guti_reallocated(
        &mut self,
        guti: Option<Guti>,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let answer = match guti {
            Some(guti) => {
                self.guti = Some(guti);
                Mobility::GutiReallocationComplete
            }
            None => Mobility::Status { cause: EmmCause::INVALID_MANDATORY_INFORMATION },
        };
        self.send(&Message::Emm(answer), out)
    }
}
