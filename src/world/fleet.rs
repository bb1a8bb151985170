//! The devices of the world. A device is built when it is switched on and dropped when it is through, so that memory
//! holds only those that are under way.

use std::collections::{BTreeMap, BTreeSet};

use super::WorldError;
use super::factory::Factory;
use super::nodes::DeviceNode;
use crate::card::CardHandle;
use crate::kernel::Alarm;

/// A device that is under way, and its timer.
pub(super) struct Running {
    pub node: DeviceNode,
    pub alarm: Alarm,
}

enum Seat {
    /// Not yet switched on.
    Awaited,
    Taken(Box<Running>),
    /// Through with its procedure.
    Left,
}

/// Every device of a run, numbered from 1.
pub struct Fleet {
    factory: Option<Factory>,
    seats: Vec<Seat>,
    unfinished: usize,
    under_way: usize,
    under_way_max: usize,
    /// The devices whose cards others are to carry after them.
    cards_awaited: BTreeSet<u32>,
    /// Those cards, once the devices have left.
    cards: BTreeMap<u32, CardHandle>,
}

impl Fleet {
    /// No devices at all.
    pub fn none() -> Self {
        Self {
            factory: None,
            seats: Vec::new(),
            unfinished: 0,
            under_way: 0,
            under_way_max: 0,
            cards_awaited: BTreeSet::new(),
            cards: BTreeMap::new(),
        }
    }

    /// `count` devices that `factory` builds, none of which is switched on.
    pub fn new(factory: Factory, count: usize) -> Self {
        let seats = (0..count).map(|_| Seat::Awaited).collect();
        let cards_awaited = factory.cards_awaited();
        Self { factory: Some(factory), seats, unfinished: count, cards_awaited, ..Self::none() }
    }

    /// How many devices are not through.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// How many devices were under way at a time, at most.
    pub fn under_way_max(&self) -> usize {
        self.under_way_max
    }

    /// The first device that is not through.
    pub fn first_unfinished(&self) -> Option<u32> {
        (1..).zip(&self.seats).find(|(_, seat)| !matches!(seat, Seat::Left)).map(|(number, _)| number)
    }

    /// Whether there is a device `number`, wherever it stands.
    pub(super) fn has(&self, number: u32) -> bool {
        (1..=self.seats.len()).contains(&(number as usize))
    }

    /// Device `number`, where it is under way.
    pub(super) fn running(&mut self, number: u32) -> Option<&mut Running> {
        match self.seat(number)? {
            Seat::Taken(running) => Some(running),
            Seat::Awaited | Seat::Left => None,
        }
    }

    /// Device `number`, built where it was not; `None` where it is through.
    ///
    /// # Errors
    /// Where it cannot be built.
    pub(super) fn switched_on(&mut self, number: u32) -> Result<Option<&mut Running>, WorldError> {
        if let (Some(Seat::Awaited), Some(factory)) = (self.seats.get(index(number)), &mut self.factory) {
            let carried = match factory.card_of(number) {
                Some(card_of) => {
                    let card = self.cards.remove(&card_of);
                    Some(card.ok_or(WorldError::CardInUse { device: number, card_of })?)
                }
                None => None,
            };
            let owner = factory.card_owner(number);
            let node = DeviceNode::new(number, factory.build(number, carried)?).with_card_of(owner);
            if let Some(seat) = self.seats.get_mut(index(number)) {
                *seat = Seat::Taken(Box::new(Running { node, alarm: Alarm::default() }));
            }
            self.under_way += 1;
            self.under_way_max = self.under_way_max.max(self.under_way);
        }
        Ok(self.running(number))
    }

    /// Device `number` is through.
    pub(super) fn leave(&mut self, number: u32) {
        let is_card_awaited = self.cards_awaited.contains(&number);
        if let Some(seat @ Seat::Taken(_)) = self.seats.get_mut(index(number)) {
            if let (Seat::Taken(running), true) = (std::mem::replace(seat, Seat::Left), is_card_awaited) {
                self.cards.insert(number, running.node.take_card());
            }
            self.under_way -= 1;
            self.unfinished -= 1;
        }
    }

    /// Shows every device that is under way to `see`.
    pub(super) fn each_running(&mut self, mut see: impl FnMut(u32, &mut Running)) {
        for (number, seat) in (1..).zip(&mut self.seats) {
            if let Seat::Taken(running) = seat {
                see(number, running);
            }
        }
    }

    fn seat(&mut self, number: u32) -> Option<&mut Seat> {
        self.seats.get_mut(index(number))
    }
}

/// Where device `number` sits; nowhere for 0.
fn index(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}
