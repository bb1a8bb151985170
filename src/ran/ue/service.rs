//! Service request (TS 24.301 clause 5.6.1): a UE without a connection gets its bearers back when it has something to send,
//! or is paged (clause 5.6.2).

use super::radio::Initial;
use super::refusals::Refused;
use super::{Emm, Rrc, T3417, Timer, Ue, UeOutput};
use crate::kernel::Instant;
use crate::ran::RanError;
use crate::wire::Reason;
use crate::wire::nas::EmmCause;
use crate::wire::rrc::connection::EstablishmentCause;

/// How many packets wait for a bearer. One more takes the place of the oldest.
const WAITING_MAX: usize = 32;

impl Ue {
    pub(super) fn send_ip(
        &mut self,
        now: Instant,
        packet: Vec<u8>,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        match (self.emm, self.rrc) {
            (Emm::Registered, Rrc::Connected) if self.radio.has_data() => self.send_packet(&packet, out),
            (Emm::Registered, Rrc::Idle) if self.nas.ksi().is_some() => {
                self.wait(packet);
                self.request_service(now, EstablishmentCause::MoData, out);
            }
            (Emm::Registered, Rrc::Idle) => {
                self.session.clear();
                self.start_attach(now, out)?;
            }
            (Emm::ServiceRequestInitiated, _) => self.wait(packet),
            _ => {}
        }
        Ok(())
    }

    fn wait(&mut self, packet: Vec<u8>) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(packet);
    }

    /// The network looks for this UE.
    pub(super) fn paged(&mut self, now: Instant, out: &mut Vec<UeOutput>) {
        if self.emm == Emm::Registered && self.rrc == Rrc::Idle && self.nas.ksi().is_some() {
            self.request_service(now, EstablishmentCause::MtAccess, out);
        }
    }

    fn request_service(&mut self, now: Instant, cause: EstablishmentCause, out: &mut Vec<UeOutput>) {
        self.timers.insert(Timer::T3417, now + T3417);
        let fields = vec![("T3417", format!("{}s", T3417.as_secs()))];
        self.enter_with(Emm::ServiceRequestInitiated, fields, out);
        self.connect(Initial::ServiceRequest, cause, out);
    }

    /// The bearers stand: that is the network's answer (clause 5.6.1.4).
    pub(super) fn served(&mut self, out: &mut Vec<UeOutput>) {
        if self.emm != Emm::ServiceRequestInitiated || !self.radio.has_data() {
            return;
        }
        self.timers.remove(&Timer::T3417);
        self.nas.established();
        self.enter(Emm::Registered, out);
        for packet in std::mem::take(&mut self.waiting) {
            self.send_packet(&packet, out);
        }
    }

    /// Nothing came of the request (clause 5.6.1.6): the UE stays registered, and asks again when it has something to send.
    pub(super) fn service_failed(&mut self, now: Instant, why: &str, out: &mut Vec<UeOutput>) {
        self.leave_connection();
        self.timers.remove(&Timer::T3417);
        self.waiting.clear();
        self.enter_with(Emm::Registered, vec![("why", why.to_owned())], out);
        self.idle(now);
    }

    /// SERVICE REJECT (clause 5.6.1.5). `proved`: it was authentic.
    pub(super) fn service_rejected(
        &mut self,
        now: Instant,
        cause: EmmCause,
        proved: bool,
        out: &mut Vec<UeOutput>,
    ) {
        if self.emm != Emm::ServiceRequestInitiated {
            return;
        }
        self.timers.remove(&Timer::T3417);
        self.waiting.clear();
        let reason = Reason::EmmCause(cause.0);
        let detail = format!("SERVICE REJECT: {}", cause.description());
        use EmmCause as C;
        match cause.as_received() {
            C::UE_IDENTITY_CANNOT_BE_DERIVED | C::IMPLICITLY_DETACHED => self.forgotten(cause, out),
            other => match Refused::by(other) {
                Some(what) => self.refused(now, (what, proved), &reason, &detail, out),
                None => self.service_failed(now, &detail, out),
            },
        }
    }
}
