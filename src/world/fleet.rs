//! The seats of the devices in the world. A device is built when it is switched on and dropped when it is
//! through, so that memory holds only those that are under way.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use super::WorldError;
use super::media::Radio;
use crate::card::StoreDataChain;
use crate::device::{Device, DeviceInput};
use crate::event::Step;
use crate::kernel::{Alarm, Instant};
use crate::wire::Namer;

/// A device that is under way, and what the world keeps of it.
pub(super) struct Running {
    pub device: Device,
    pub namer: Namer,
    /// What the card is taking in.
    pub chain: StoreDataChain,
    /// What came while the card was busy.
    pub inbox: VecDeque<DeviceInput>,
    pub busy_until: Instant,
    pub alarm: Alarm,
    pub radio: Radio,
    /// When each step began.
    pub steps: BTreeMap<Step, Instant>,
    pub address: Option<Ipv4Addr>,
}

impl Running {
    fn new(device: Device, now: Instant) -> Self {
        Self {
            device,
            namer: Namer::default(),
            chain: StoreDataChain::default(),
            inbox: VecDeque::new(),
            busy_until: now,
            alarm: Alarm::default(),
            radio: Radio::default(),
            steps: BTreeMap::new(),
            address: None,
        }
    }
}

enum Seat {
    /// Not yet switched on.
    Awaited,
    Taken(Box<Running>),
    /// Through with its procedure.
    Left,
}

/// Every device of a run, numbered from 1.
pub(super) struct Seats {
    seats: Vec<Seat>,
    unfinished: usize,
    under_way: usize,
    under_way_max: usize,
}

impl Seats {
    /// Seats for `count` devices, none of which is switched on.
    pub fn new(count: usize) -> Self {
        let seats = (0..count).map(|_| Seat::Awaited).collect();
        Self { seats, unfinished: count, under_way: 0, under_way_max: 0 }
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

    /// Device `number`, where it is under way.
    pub fn running(&mut self, number: u32) -> Option<&mut Running> {
        match self.seat(number)? {
            Seat::Taken(running) => Some(running),
            Seat::Awaited | Seat::Left => None,
        }
    }

    /// Device `number`, switched on where it was not; `None` where it is through.
    ///
    /// # Errors
    /// Where `build` cannot build it.
    pub fn switched_on(
        &mut self,
        number: u32,
        now: Instant,
        build: impl FnOnce() -> Result<Device, WorldError>,
    ) -> Result<Option<&mut Running>, WorldError> {
        if let Some(seat @ Seat::Awaited) = self.seat(number) {
            *seat = Seat::Taken(Box::new(Running::new(build()?, now)));
            self.under_way += 1;
            self.under_way_max = self.under_way_max.max(self.under_way);
        }
        Ok(self.running(number))
    }

    /// Device `number` is through.
    pub fn leave(&mut self, number: u32) {
        if let Some(seat @ Seat::Taken(_)) = self.seat(number) {
            *seat = Seat::Left;
            self.under_way -= 1;
            self.unfinished -= 1;
        }
    }

    fn seat(&mut self, number: u32) -> Option<&mut Seat> {
        self.seats.get_mut((number as usize).checked_sub(1)?)
    }
}
