//! Who reaches whom, and what that costs: links between ports, and the cells of the radio.
//!
//! A link takes time, may be slow, lose packets, and be cut for a while. What has no way is a fault of the bench and
//! says so: nothing is dropped because somebody forgot to draw a line.

mod link;
mod radio;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use link::{Cut, LinkSpec};

use super::port::{Iface, Payload, Port, To};
use crate::event::Actor;
use crate::kernel::{Instant, RngTree};
use crate::ran::cell::Cell as Heard;
use crate::ran::{AirModel, Bearer, Frame};
use crate::wire::rrc::BcchDlSch;
use link::Link;
use radio::Radio;

/// A frame that has no way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum NoRoute {
    #[error("nothing links {from} with {to}; the bench needs a [[link]] between them")]
    NoLink { from: Port, to: Port },
    #[error("{from} sends to {address}, which nobody on {} has", from.at.name())]
    NoAddress { from: Port, address: Ipv4Addr },
    #[error("{from} cannot send a {what} there: it is for the radio alone")]
    NotRadio { from: Port, what: &'static str },
}

/// A frame on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives.
    pub at: Instant,
    /// The port that sent it.
    pub from: Port,
    /// The port that it arrives at.
    pub to: Port,
    /// What arrives.
    pub payload: Payload,
    /// The link that it is on, and how often that link had been cut when it was sent.
    on: Option<(usize, u32)>,
}

/// A radio cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellSpec {
    /// The base station that it belongs to.
    pub station: Actor,
    /// The devices that hear it. A device that hears several takes the one that was drawn first.
    pub devices: RangeInclusive<u32>,
}

struct Cell {
    spec: CellSpec,
    /// Its system information; nothing before its base station has spoken.
    said: Vec<Vec<u8>>,
    /// Whether that bars everybody from it.
    barred: bool,
}

/// Whether system information bars everybody from its cell, as it does where it says nothing of it.
fn bars(said: &[Vec<u8>]) -> bool {
    let mut blocks = said.iter().filter_map(|octets| match BcchDlSch::decode(octets) {
        Ok(BcchDlSch::SystemInformationBlockType1(sib1)) => Heard::read(&sib1),
        _ => None,
    });
    blocks.next().is_none_or(|heard| heard.barred)
}

/// What may happen to frames on their way besides what the links do: says which are lost.
pub type Meddler = Box<dyn FnMut(Port, Port, &Payload) -> bool>;

/// Links and cells of a bench.
pub struct Topology {
    air: AirModel,
    cells: Vec<Cell>,
    radios: BTreeMap<u32, Radio>,
    /// The devices that look for a cell and have heard none yet, with since when.
    listening: BTreeMap<u32, Instant>,
    links: Vec<Link>,
    /// From a pair of ports to the link between them, and whether the first is its end `a`.
    ways: BTreeMap<(Port, Port), (usize, bool)>,
    rng: RngTree,
    meddler: Option<Meddler>,
}

impl Topology {
    /// A topology with nothing in it but `air`. Losses are drawn from `rng`.
    pub fn new(air: AirModel, rng: RngTree) -> Self {
        Self {
            air,
            cells: Vec::new(),
            radios: BTreeMap::new(),
            listening: BTreeMap::new(),
            links: Vec::new(),
            ways: BTreeMap::new(),
            rng,
            meddler: None,
        }
    }

    /// Draws a link. Where there is one between the two ports already, the new one takes its place.
    pub fn link(&mut self, spec: LinkSpec) {
        let (a, b) = spec.ends;
        let stream = self.rng.branch(format!("{a} {b}")).stream("loss");
        let link = Link::new(spec, stream);
        let number = match self.ways.get(&(a, b)) {
            Some(&(number, _)) => {
                self.links[number] = link;
                number
            }
            None => {
                self.links.push(link);
                self.links.len() - 1
            }
        };
        self.ways.insert((a, b), (number, true));
        self.ways.insert((b, a), (number, false));
    }

    /// Adds a cell.
    pub fn cell(&mut self, spec: CellSpec) {
        self.cells.push(Cell { spec, said: Vec::new(), barred: true });
    }

    /// From now on the cells of `station` are heard by `devices` and nobody else. A device that was served there and
    /// has left has no connection any more, and looks for a cell when it wants one.
    pub fn cover(&mut self, station: Actor, devices: RangeInclusive<u32>) {
        for (device, radio) in &mut self.radios {
            if radio.serving == Some(station) && !devices.contains(device) {
                radio.serving = None;
            }
        }
        for cell in self.cells.iter_mut().filter(|cell| cell.spec.station == station) {
            cell.spec.devices = devices.clone();
        }
    }

    /// Lets `meddler` decide, for every frame that has a way, whether it is lost besides.
    pub fn meddle(&mut self, meddler: Option<Meddler>) {
        self.meddler = meddler;
    }

    /// The links that are associations, in the order in which they were drawn.
    pub(super) fn associations(&self) -> Vec<usize> {
        (0..self.links.len()).filter(|number| self.links[*number].is_association()).collect()
    }

    /// Every cut that is planned: the link, and from when until when.
    pub(super) fn cuts(&self) -> Vec<(usize, Cut)> {
        let of = |(number, link): (usize, &Link)| {
            link.spec.cuts.iter().map(move |cut| (number, *cut)).collect::<Vec<_>>()
        };
        self.links.iter().enumerate().flat_map(of).collect()
    }

    /// Whether the bench cuts link `number` at `at`.
    pub(super) fn is_cut(&self, number: usize, at: Instant) -> bool {
        let since_start = at.since(Instant::ZERO);
        let cuts = &self.links[number].spec.cuts;
        cuts.iter().any(|cut| (cut.from..cut.until).contains(&since_start))
    }

    /// The ends of link `number`.
    pub(super) fn ends(&self, number: usize) -> (Port, Port) {
        self.links[number].spec.ends
    }

    /// The links that end at a port of `who`.
    pub(super) fn links_of(&self, who: Actor) -> Vec<usize> {
        let ends_there = |link: &Link| link.spec.ends.0.who == who || link.spec.ends.1.who == who;
        (0..self.links.len()).filter(|n| ends_there(&self.links[*n])).collect()
    }

    /// Cuts a link, or mends it. Says whether that changed anything. What is on an association that is cut is lost.
    pub(super) fn set_up(&mut self, number: usize, up: bool) -> bool {
        self.links.get_mut(number).is_some_and(|link| link.set_up(up))
    }

    /// Whether the frame has survived what happened to its link meanwhile.
    pub(super) fn survives(&self, arrival: &Arrival) -> bool {
        arrival.on.is_none_or(|(number, cuts)| self.links[number].carries(cuts))
    }

    /// The device is gone, and its radio with it.
    pub(super) fn leave(&mut self, device: u32) {
        self.radios.remove(&device);
        self.listening.remove(&device);
    }

    /// Puts a frame that `from` sends at `at` on its way: one arrival, none where it is lost, several where several
    /// hear it.
    ///
    /// # Errors
    /// [`NoRoute`]: a fault of the bench.
    pub fn carry(
        &mut self,
        at: Instant,
        from: Port,
        to: To,
        payload: Payload,
        out: &mut Vec<Arrival>,
    ) -> Result<(), NoRoute> {
        match (to, payload) {
            (To::Serving, Payload::Up(frame)) => self.uplink(at, from, frame, out),
            (To::Cells, Payload::Search) => self.search(at, from, out),
            (To::Cells, Payload::Down(frame)) => self.page(at, from, &frame, out),
            (To::Port(to), Payload::Down(frame)) => {
                let device = to.who.number;
                let serving = self.radios.get_mut(&device).filter(|radio| radio.serving == Some(from.who));
                // A device that has left the cell, or is off, hears nothing.
                if let Some(radio) = serving {
                    let at = radio.down(&self.air, at, &frame);
                    self.arrive(Arrival { at, from, to, payload: Payload::Down(frame), on: None }, out);
                }
            }
            (To::Cells, Payload::System(said)) => {
                let own = self.cells.iter_mut().filter(|cell| cell.spec.station == from.who);
                let barred = bars(&said);
                own.for_each(|cell| (cell.said, cell.barred) = (said.clone(), barred));
                // Whoever has heard nothing yet still listens.
                for (device, since) in std::mem::take(&mut self.listening) {
                    self.search(at.max(since), Port::new(Actor::ue(device), Iface::Uu), out);
                }
            }
            (To::Serving | To::Cells, Payload::Bytes(_)) => {
                return Err(NoRoute::NotRadio { from, what: "frame of octets" });
            }
            (_, payload @ (Payload::Up(_) | Payload::Down(_) | Payload::System(_) | Payload::Search)) => {
                let what = match payload {
                    Payload::Up(_) => "frame of a UE",
                    Payload::Down(_) => "frame for a UE",
                    Payload::Search => "search for a cell",
                    _ => "cell's system information",
                };
                return Err(NoRoute::NotRadio { from, what });
            }
            (To::Port(to), payload) => self.over_link(at, from, to, payload, out)?,
            (To::Address(address), payload) => {
                let to = self.find(from, address)?;
                self.over_link(at, from, to, payload, out)?;
            }
        }
        Ok(())
    }

    /// The port that a frame of octets of `from` to `to` goes to; `None` where the radio says it.
    ///
    /// # Errors
    /// [`NoRoute`] where nobody has the address.
    pub fn destination(&self, from: Port, to: To) -> Result<Option<Port>, NoRoute> {
        match to {
            To::Port(port) => Ok(Some(port)),
            To::Address(address) => self.find(from, address).map(Some),
            To::Serving | To::Cells => Ok(None),
        }
    }

    fn find(&self, from: Port, address: Ipv4Addr) -> Result<Port, NoRoute> {
        self.ways
            .range((from, Port::new(Actor::device(0), Iface::Uu))..)
            .take_while(|((of, _), _)| *of == from)
            .map(|((_, peer), _)| *peer)
            .find(|peer| peer.who.transport_address() == address)
            .ok_or(NoRoute::NoAddress { from, address })
    }

    fn over_link(
        &mut self,
        at: Instant,
        from: Port,
        to: Port,
        payload: Payload,
        out: &mut Vec<Arrival>,
    ) -> Result<(), NoRoute> {
        let &(number, forth) = self.ways.get(&(from, to)).ok_or(NoRoute::NoLink { from, to })?;
        let link = &mut self.links[number];
        let size = if let Payload::Bytes(bytes) = &payload { bytes.len() } else { 0 };
        if let Some(arrives) = link.send(at, forth, size) {
            let on = Some((number, link.times_cut()));
            self.arrive(Arrival { at: arrives, from, to, payload, on }, out);
        }
        Ok(())
    }

    fn uplink(&mut self, at: Instant, from: Port, frame: Frame, out: &mut Vec<Arrival>) {
        let Some(radio) = self.radios.get_mut(&from.who.number) else { return };
        let Some(station) = radio.serving else { return };
        let at = radio.up(&self.air, at, &frame);
        let to = Port::new(station, Iface::Uu);
        self.arrive(Arrival { at, from, to, payload: Payload::Up(frame), on: None }, out);
    }

    /// The device listens for a cell, and hears the system information of the one that it selects. Where there is none it
    /// hears nothing.
    fn search(&mut self, at: Instant, from: Port, out: &mut Vec<Arrival>) {
        let device = from.who.number;
        let Some(cell) = self.select_cell(device) else {
            self.radios.entry(device).or_default().serving = None;
            self.listening.insert(device, at);
            return;
        };
        let (station, said) = (Port::new(cell.spec.station, Iface::Uu), cell.said.clone());
        self.listening.remove(&device);
        let at = self.radios.entry(device).or_default().select(&self.air, at, station.who);
        for octets in said {
            let payload = Payload::Down(Frame::new(Bearer::Bcch, octets));
            self.arrive(Arrival { at, from: station, to: from, payload, on: None }, out);
        }
    }

    /// Whoever was in the cell last hears what is sent to everybody there.
    fn page(&mut self, at: Instant, from: Port, frame: &Frame, out: &mut Vec<Arrival>) {
        let here = self.radios.iter().filter(|(_, radio)| radio.serving == Some(from.who));
        let devices: Vec<u32> = here.map(|(device, _)| *device).collect();
        for device in devices {
            let to = Port::new(Actor::ue(device), Iface::Uu);
            self.arrive(Arrival { at, from, to, payload: Payload::Down(frame.clone()), on: None }, out);
        }
    }

    /// Cell selection (TS 36.304 clause 5.2.3): the first cell that the device hears and that is not barred, else the first
    /// one.
    fn select_cell(&self, device: u32) -> Option<&Cell> {
        let reaches = |cell: &&Cell| !cell.said.is_empty() && cell.spec.devices.contains(&device);
        let heard = || self.cells.iter().filter(reaches);
        heard().find(|cell| !cell.barred).or_else(|| heard().next())
    }

    fn arrive(&mut self, arrival: Arrival, out: &mut Vec<Arrival>) {
        let lost =
            self.meddler.as_mut().is_some_and(|meddler| meddler(arrival.from, arrival.to, &arrival.payload));
        if !lost {
            out.push(arrival);
        }
    }
}

/// How long messages of the wires of a bench take that says nothing else: a backhaul within a region, and services in
/// a data centre of the same country.
pub const BACKHAUL: Duration = Duration::from_millis(2);
/// The same between gateway and service network.
pub const SERVICES: Duration = Duration::from_millis(5);

/// The same between the machines of one site: gateway, switch and controller.
pub const SITE: Duration = Duration::from_millis(1);

/// The links of an LTE bench with `stations` base stations, and the services behind the switch, which stands
/// beside the gateway.
pub fn lte_links(stations: impl Iterator<Item = Actor>) -> Vec<LinkSpec> {
    let at = |who, iface| Port::new(who, iface);
    let mut links = Vec::new();
    for station in stations {
        links.push(LinkSpec::new(at(station, Iface::S1Mme), at(Actor::MME, Iface::S1Mme), BACKHAUL));
        links.push(LinkSpec::new(at(station, Iface::S1U), at(Actor::GATEWAY, Iface::S1U), BACKHAUL));
    }
    let mut link = |at: Iface, ends: (Actor, Actor), delay| {
        links.push(LinkSpec::new(Port::new(ends.0, at), Port::new(ends.1, at), delay));
    };
    link(Iface::Sgi, (Actor::GATEWAY, Actor::SWITCH), Duration::ZERO);
    link(Iface::SgiLan, (Actor::SWITCH, Actor::SERVICES), SERVICES);
    link(Iface::Mirror, (Actor::SWITCH, Actor::SERVICES), SERVICES);
    link(Iface::OpenFlow, (Actor::CONTROLLER, Actor::SWITCH), SITE);
    link(Iface::SgiAaa, (Actor::GATEWAY, Actor::CONTROLLER), SITE);
    link(Iface::SgiAaa, (Actor::GATEWAY, Actor::REGISTRAR), SERVICES);
    // An order is on its way longer than the answer to whoever has caused it.
    link(Iface::Orders, (Actor::REGISTRAR, Actor::CONTROLLER), SERVICES + SITE);
    link(Iface::Orders, (Actor::REGISTRAR, Actor::MME), SERVICES + SITE);
    links
}

#[cfg(test)]
mod tests;
