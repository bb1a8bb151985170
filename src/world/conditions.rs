//! What devices wait for: that another device has done a step. Devices cannot see each other; the world tells them.

use std::collections::{BTreeSet, HashSet};

use crate::device::plan::Condition;
use crate::event::StepId;

/// What a device that waits is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// What it waits for is so.
    Met,
    /// It will never be so: the other device is through without it.
    InVain,
}

/// Who waits for what, and what is so already.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// The devices that anybody may wait for.
    watched: BTreeSet<u32>,
    done: HashSet<Condition>,
    left: BTreeSet<u32>,
    waiting: Vec<(u32, Condition)>,
}

impl Conditions {
    /// Nothing is so yet; any of `all` may be waited for.
    pub fn new(all: impl IntoIterator<Item = Condition>) -> Self {
        Self { watched: all.into_iter().map(|condition| condition.device).collect(), ..Self::default() }
    }

    /// Device `number` waits for `condition` from now on. Says whom to tell what. A device does not wait for itself.
    pub fn awaited(&mut self, number: u32, condition: Condition) -> Vec<(u32, Told)> {
        if condition.device == number || self.done.contains(&condition) {
            return vec![(number, Told::Met)];
        }
        if self.left.contains(&condition.device) {
            return vec![(number, Told::InVain)];
        }
        self.waiting.push((number, condition));
        Vec::new()
    }

    /// Device `number` has done `step`. Says whom to tell what.
    pub fn done(&mut self, number: u32, step: StepId) -> Vec<(u32, Told)> {
        let condition = Condition { device: number, step };
        if !self.watched.contains(&number) {
            return Vec::new();
        }
        self.done.insert(condition);
        self.take(Told::Met, |waited| *waited == condition)
    }

    /// Device `number` is through. Says whom to tell what.
    pub fn left(&mut self, number: u32) -> Vec<(u32, Told)> {
        if !self.watched.contains(&number) {
            return Vec::new();
        }
        self.left.insert(number);
        self.take(Told::InVain, |waited| waited.device == number)
    }

    fn take(&mut self, told: Told, concerned: impl Fn(&Condition) -> bool) -> Vec<(u32, Told)> {
        let (concerned, rest): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|(_, waited)| concerned(waited));
        self.waiting = rest;
        concerned.into_iter().map(|(number, _)| (number, told)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Step;

    #[test]
    fn who_waits_is_told_once_what_became_of_it() {
        let ready = Condition { device: 2, step: StepId::first(Step::Ready) };
        let keys = Condition { device: 2, step: StepId::first(Step::Keys) };
        let mut conditions = Conditions::new([ready, keys]);
        assert!(conditions.awaited(1, ready).is_empty() && conditions.awaited(3, keys).is_empty());
        assert_eq!(conditions.awaited(2, ready), [(2, Told::Met)]);
        assert!(conditions.done(1, ready.step).is_empty());
        assert_eq!(conditions.done(2, keys.step), [(3, Told::Met)]);
        assert_eq!(conditions.awaited(4, keys), [(4, Told::Met)]);
        assert_eq!(conditions.left(2), [(1, Told::InVain)]);
        assert_eq!(conditions.awaited(5, ready), [(5, Told::InVain)]);
        assert!(conditions.left(2).is_empty());
    }
}
