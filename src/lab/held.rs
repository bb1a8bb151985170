//! What each part of a run holds in memory when it is over: how much is free once the part is gone. Nothing is estimated,
//! and what no part accounts for shows as the rest.

use crate::world::World;

/// Says how many bytes are allocated. Which allocator counts them is for the program to choose.
pub type Live = fn() -> usize;

/// What one part of a run held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The part.
    pub what: &'static str,
    /// How much was free once it was gone.
    pub bytes: u64,
}

/// What is left when the world is gone: judge, recorder and what sorts events, and what they know of each device.
pub const VERDICT: &str = "judge and recorder";

/// Weighs the parts of one run.
pub(super) struct Scales {
    live: Live,
    /// How much was allocated before the run.
    before: usize,
    held: Vec<Held>,
}

impl Scales {
    /// Before anything of the run is there.
    pub fn new(live: Live) -> Self {
        // The list itself does not grow while it is weighed.
        let held = Vec::with_capacity(32);
        Self { live, before: live(), held }
    }

    /// Takes down the world of a run that is over, and weighs its parts and what is left.
    pub fn take_down(&mut self, world: World) {
        let Self { live, before, held } = self;
        let mut last = live();
        world.take_down(&mut |what| {
            let now = live();
            held.push(Held { what, bytes: last.saturating_sub(now) as u64 });
            last = now;
        });
        held.push(Held { what: VERDICT, bytes: last.saturating_sub(*before) as u64 });
    }

    /// What was weighed; where several parts have one name, their sum.
    pub fn into_held(self) -> Vec<Held> {
        let mut sums: Vec<Held> = Vec::new();
        for Held { what, bytes } in self.held {
            match sums.iter_mut().find(|sum| sum.what == what) {
                Some(sum) => sum.bytes += bytes,
                None => sums.push(Held { what, bytes }),
            }
        }
        sums
    }
}
