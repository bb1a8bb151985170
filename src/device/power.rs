//! The battery of a device: cuts of the power that come in the middle of a step.
//!
//! What a card has answered stands; of what device and modem make of it nothing leaves the device any more. The card's
//! non-volatile state is all that is left.

use std::sync::{Arc, Mutex, PoisonError};

use super::plan::{Counted, Cut};
use crate::card::{CardPort, PortError};
use crate::event::StepId;

/// What the device says of itself when its power comes back, for those who look for it among the events.
pub const POWER_CUT: &str = "battery pulled out and put back";

/// What the device says of itself when it starts anew on purpose.
pub const RESTART: &str = "starts anew";

/// The battery of one device. Clones are one battery.
#[derive(Debug, Clone, Default)]
pub struct Battery(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The cuts that are still to come.
    cuts: Vec<Cut>,
    /// The cut of the step that runs, with how many messages are left until then.
    armed: Option<(Counted, u32)>,
    lost: bool,
}

impl Battery {
    /// A battery that is pulled out at each of `cuts`, once.
    pub fn new(cuts: Vec<Cut>) -> Self {
        Self(Arc::new(Mutex::new(State { cuts, ..State::default() })))
    }

    /// Whether it will be pulled out at all.
    pub fn is_at_risk(&self) -> bool {
        self.with(|state| !state.cuts.is_empty())
    }

    /// The device begins to work on a step.
    pub fn step_begins(&self, step: StepId) {
        self.with(|state| {
            let place = state.cuts.iter().position(|cut| cut.step == step);
            state.armed = place.map(|at| state.cuts.remove(at)).map(|cut| (cut.counted, cut.after));
            state.settle();
        });
    }

    /// The step that runs has ended: a cut that has not come by then does not come.
    pub fn step_ended(&self) {
        self.with(|state| state.armed = None);
    }

    /// A message has come in over the air.
    pub fn received(&self) {
        self.with(|state| state.count(Counted::Received));
    }

    /// Whether the power is gone.
    pub fn is_lost(&self) -> bool {
        self.with(|state| state.lost)
    }

    /// The battery is put back.
    pub fn restore(&self) {
        self.with(|state| state.lost = false);
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn count(&mut self, what: Counted) {
        if let Some((counted, left)) = &mut self.armed
            && *counted == what
        {
            *left = left.saturating_sub(1);
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.armed.is_some_and(|(_, left)| left == 0) {
            self.armed = None;
            self.lost = true;
        }
    }
}

/// A card that has its power from the battery of its device.
pub struct Powered<P> {
    card: P,
    battery: Battery,
}

impl<P: CardPort> Powered<P> {
    /// `card` in the device of this battery.
    pub fn new(card: P, battery: Battery) -> Self {
        Self { card, battery }
    }
}

impl<P: CardPort> CardPort for Powered<P> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        const STORE_DATA: u8 = 0xe2;
        if self.battery.is_lost() {
            return Err(PortError::Removed);
        }
        let response = self.card.transmit(command)?;
        self.battery.with(|state| {
            state.count(Counted::Received);
            if command.get(1) == Some(&STORE_DATA) {
                state.count(Counted::StoreData);
            }
        });
        Ok(response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        if self.battery.is_lost() { Err(PortError::Removed) } else { self.card.reset() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Step;

    struct Echo;

    impl CardPort for Echo {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
            Ok(command.to_vec())
        }

        fn reset(&mut self) -> Result<Vec<u8>, PortError> {
            Ok(Vec::new())
        }
    }

    fn cut(step: Step, after: u32, counted: Counted) -> Cut {
        Cut { step: StepId::first(step), after, counted }
    }

    #[test]
    fn the_last_message_goes_through_and_nothing_after_it() {
        let battery = Battery::new(vec![cut(Step::Keys, 2, Counted::Received)]);
        let mut card = Powered::new(Echo, battery.clone());
        battery.step_begins(StepId::first(Step::Attach));
        (0..5).for_each(|_| assert!(card.transmit(&[0x00, 0xa4]).is_ok()));
        battery.step_begins(StepId::first(Step::Keys));
        assert!(card.transmit(&[0x00, 0xa4]).is_ok());
        assert!(!battery.is_lost());
        battery.received();
        assert!(battery.is_lost());
        assert_eq!(card.transmit(&[0x00, 0xa4]), Err(PortError::Removed));
        assert_eq!(card.reset(), Err(PortError::Removed));
        battery.restore();
        assert!(card.reset().is_ok() && !battery.is_at_risk());
        // It happens once.
        battery.step_begins(StepId::first(Step::Keys));
        (0..5).for_each(|_| assert!(card.transmit(&[0x00, 0xa4]).is_ok()));
    }

    #[test]
    fn a_cut_counts_its_own_messages_and_ends_with_its_step() {
        let battery = Battery::new(vec![cut(Step::Download, 1, Counted::StoreData)]);
        let mut card = Powered::new(Echo, battery.clone());
        battery.step_begins(StepId::first(Step::Download));
        battery.received();
        assert!(card.transmit(&[0x80, 0xf2]).is_ok() && !battery.is_lost());
        assert!(card.transmit(&[0x80, 0xe2]).is_ok() && battery.is_lost());
        let battery = Battery::new(vec![cut(Step::Ready, 1, Counted::Received)]);
        battery.step_begins(StepId::first(Step::Ready));
        battery.step_ended();
        battery.received();
        assert!(!battery.is_lost());
        let at_once = Battery::new(vec![cut(Step::Ready, 0, Counted::Received)]);
        at_once.step_begins(StepId::first(Step::Ready));
        assert!(at_once.is_lost());
    }
}
