//! What a refusal does to the UE, and for how long (TS 24.301 clause 5.3.7b): one that the network has proved to be its own
//! holds until the device is switched off; one that anybody may have sent holds until T3247 expires, a few times.

use rand_core::RngCore;

use super::{Emm, Substate, Timer, Ue, UeOutput};
use crate::kernel::{Duration, Instant};
use crate::wire::Reason;
use crate::wire::nas::EmmCause;

/// T3247 takes half an hour to an hour.
pub const T3247: (Duration, Duration) = (Duration::from_secs(30 * 60), Duration::from_secs(60 * 60));
/// T3346 that nothing protects, whatever value was told with it (clause 5.5.1.2.5, TS 24.008 clause 4.7.2a).
pub const T3346: (Duration, Duration) = (Duration::from_secs(15 * 60), Duration::from_secs(30 * 60));
/// How many unproved refusals of a kind are forgiven: the most that the clause allows.
pub const FORGIVEN_MAX: u8 = 10;

/// What is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The USIM: no service with it at all.
    Usim,
    /// The network.
    Plmn,
    /// The tracking area, and the UE looks for another one of the network.
    Area,
    /// The tracking area, and the UE looks for another network.
    Roaming,
}

impl Refused {
    /// What a cause of a reject refuses for good (TS 24.301 clauses 5.5.1.2.5 and 5.5.3.2.5); `None` where the UE may ask
    /// again.
    pub(super) fn by(cause: EmmCause) -> Option<Self> {
        use EmmCause as C;
        match cause {
            C::ILLEGAL_UE
            | C::ILLEGAL_ME
            | C::EPS_SERVICES_NOT_ALLOWED
            | C::EPS_AND_NON_EPS_SERVICES_NOT_ALLOWED => Some(Self::Usim),
            C::PLMN_NOT_ALLOWED
            | C::SERVICE_OPTION_NOT_AUTHORIZED_IN_PLMN
            | C::EPS_SERVICES_NOT_ALLOWED_IN_PLMN => Some(Self::Plmn),
            C::TRACKING_AREA_NOT_ALLOWED | C::NO_SUITABLE_CELLS_IN_TRACKING_AREA => Some(Self::Area),
            C::ROAMING_NOT_ALLOWED_IN_TRACKING_AREA => Some(Self::Roaming),
            _ => None,
        }
    }
}

/// The counters of refusals without proof, since the last time that the network has proved itself.
#[derive(Debug, Default)]
pub(super) struct Forgiven {
    usim: u8,
    plmn: u8,
    /// Whether the UE attaches again when T3247 expires.
    waits: bool,
    /// How many random times were drawn.
    drawn: u32,
}

impl Forgiven {
    /// A proof has come: nothing is held against this network.
    pub(super) fn reset(&mut self) {
        (self.usim, self.plmn, self.waits) = (0, 0, false);
    }

    /// Whether the UE stays away until T3247 expires.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }
}

impl Ue {
    /// A refusal: nothing of the registration is kept (EU3, ROAMING NOT ALLOWED).
    pub(super) fn refused(
        &mut self,
        now: Instant,
        (what, proved): (Refused, bool),
        reason: &Reason,
        detail: &str,
        out: &mut Vec<UeOutput>,
    ) {
        let counter = match what {
            Refused::Usim => Some(&mut self.forgiven.usim),
            Refused::Plmn => Some(&mut self.forgiven.plmn),
            Refused::Area | Refused::Roaming => None,
        };
        let forgiven = !proved && counter.is_none_or(count_up);
        let next = match what {
            Refused::Usim if !forgiven => Substate::NoImsi,
            Refused::Plmn | Refused::Roaming => Substate::PlmnSearch,
            Refused::Usim | Refused::Area => Substate::LimitedService,
        };
        self.guti = None;
        self.nas.forget();
        self.end_attach(next, out);
        self.forgiven.waits = forgiven;
        if forgiven && !self.timers.contains_key(&Timer::T3247) {
            let wait = self.draw(T3247);
            self.timers.insert(Timer::T3247, now + wait);
            out.push(UeOutput::State {
                machine: "emm",
                change: "refused without proof".into(),
                fields: vec![("T3247", format!("{}s", wait.as_secs()))],
            });
        }
        out.push(UeOutput::AttachFailed { reason: reason.clone(), detail: detail.into(), retry: false });
    }

    /// Whether the UE is to attach now that T3247 has expired.
    pub(super) fn forgives(&mut self) -> bool {
        std::mem::take(&mut self.forgiven.waits) && matches!(self.emm, Emm::Deregistered(_))
    }

    /// A time between two, in whole seconds.
    pub(super) fn draw(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let mut stream = self.rng.stream(&format!("emm/wait/{}", self.forgiven.drawn));
        self.forgiven.drawn = self.forgiven.drawn.wrapping_add(1);
        let span = (most - least).as_secs() + 1;
        least + Duration::from_secs(u64::from(stream.next_u32()) % span)
    }
}

/// Counts one more where it is still forgiven.
fn count_up(counter: &mut u8) -> bool {
    let forgiven = *counter < FORGIVEN_MAX;
    *counter += u8::from(forgiven);
    forgiven
}
