//! Ends threads that wait for a reader, or for the time to look for one again.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::io::vpcd::Puller;

/// The end of the program, as its threads see it.
#[derive(Debug, Default)]
pub struct Stop {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requested: bool,
    /// How to pull out each card that is in a reader.
    pullers: BTreeMap<u32, Puller>,
}

impl Stop {
    /// Ends everything: nothing waits from now on.
    pub fn request(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requested = true;
        state.pullers.values().for_each(Puller::pull);
        self.changed.notify_all();
    }

    /// Whether the end was requested.
    pub fn requested(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).requested
    }

    /// Lets the end of the program pull card `number` out. It may do so at once.
    pub fn pull_with(&self, number: u32, puller: Puller) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requested {
            puller.pull();
        }
        state.pullers.insert(number, puller);
    }

    /// Waits for `pause`, or until the end is requested.
    pub fn wait(&self, pause: Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether the time is up or the end has come, the caller looks.
        let _ = self.changed.wait_timeout_while(state, pause, |state| !state.requested);
    }
}
