//! Detach (TS 24.301 clause 5.5.2), by the UE and by the network.

use super::radio::Initial;
use super::{Emm, NO_KEY, Rrc, Substate, T3421, Timer, Ue, UeOutput};
use crate::kernel::Instant;
use crate::ran::RanError;
use crate::wire::Reason;
use crate::wire::nas::{Emm as Mobility, Message, NetworkDetach};
use crate::wire::rrc::connection::EstablishmentCause;

/// How often T3421 may expire before the UE detaches without an answer.
const ATTEMPTS: u8 = 5;

impl Ue {
    pub(super) fn detach(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        match self.emm {
            Emm::Registered | Emm::UpdatingInitiated | Emm::ServiceRequestInitiated => {
                self.stop_timers();
                self.attempts = 0;
                self.enter(Emm::DeregisteredInitiated, out);
                self.request_detach(now, out)
            }
            Emm::DeregisteredInitiated | Emm::Off => Ok(()),
            _ => {
                self.stop_timers();
                self.leave_connection();
                self.detached(out);
                Ok(())
            }
        }
    }

    fn request_detach(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        let identity = self.identity("DETACH REQUEST")?;
        let ksi = self.nas.ksi().unwrap_or(NO_KEY);
        self.timers.insert(Timer::T3421, now + T3421);
        let request = Message::Emm(Mobility::DetachRequest { switch_off: false, ksi, identity });
        if self.rrc == Rrc::Connected {
            return self.send(&request, out);
        }
        // The request is the first message of a connection of its own.
        self.connect(Initial::Message(request), EstablishmentCause::MoSignalling, out);
        Ok(())
    }

    pub(super) fn retry_detach(&mut self, now: Instant, out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        if self.emm != Emm::DeregisteredInitiated {
            return Ok(());
        }
        self.attempts += 1;
        if self.attempts < ATTEMPTS {
            return self.request_detach(now, out);
        }
        self.leave_connection();
        self.detached(out);
        Ok(())
    }

    pub(super) fn detach_accepted(&mut self, out: &mut Vec<UeOutput>) {
        if self.emm == Emm::DeregisteredInitiated {
            self.detached(out);
        }
    }

    pub(super) fn detach_requested(
        &mut self,
        now: Instant,
        kind: NetworkDetach,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        if !matches!(self.emm, Emm::Registered | Emm::DeregisteredInitiated | Emm::RegisteredInitiated) {
            return Ok(());
        }
        let attaching = self.emm == Emm::RegisteredInitiated;
        self.send(&Message::Emm(Mobility::DetachAccept), out)?;
        if attaching {
            self.attach_failed(
                now,
                &Reason::NetworkDetach,
                "the network detached the UE during the attach",
                out,
            );
        } else {
            self.detached(out);
        }
        self.session.reattach = kind == NetworkDetach::ReattachRequired && !attaching;
        Ok(())
    }

    /// Not registered any more. The GUTI and the security context stay for the next attach.
    pub(super) fn detached(&mut self, out: &mut Vec<UeOutput>) {
        self.stop_timers();
        self.attempts = 0;
        self.session.clear();
        self.enter(Emm::Deregistered(Substate::NormalService), out);
        out.push(UeOutput::Detached);
    }
}
