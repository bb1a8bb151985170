//! Who has the connections of a server (`io::https`), of which there are a few hundred at most: each address has a share,
//! and who keeps a connection without using it gives way to who comes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a wait for threads that end lasts before it looks again.
const LOOK: Duration = Duration::from_millis(50);
/// How many threads may be about to end, for each connection that there may be.
const THREADS_PER_CONNECTION: usize = 2;

/// How often somebody had no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turned {
    /// Connections that were ended while they waited for their client, since others came.
    pub evicted: u64,
    /// Connections that were closed as they came, since requests were being answered on all others.
    pub refused: u64,
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { evicted, refused } = self;
        write!(f, "connections: {evicted} gave way to others, {refused} were turned away")
    }
}

/// How well a connection is known: one that is known less gives way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// It has come.
    Nothing,
    /// Its TLS handshake is done.
    Handshake,
    /// It has had an answer.
    Answer,
}

/// The place of a connection among those of its address that wait: how well it is known, since which moment in the order
/// of moments it waits, and its number.
type Turn = (Known, u64, u64);

struct Seat {
    stream: Arc<TcpStream>,
    group: IpAddr,
    known: Known,
    /// Since when it waits for its client; `None` while a request is being answered.
    waits: Option<u64>,
}

/// The connections of one address.
#[derive(Default)]
struct Group {
    size: usize,
    waiting: BTreeSet<Turn>,
}

#[derive(Default)]
struct State {
    ending: bool,
    /// The next number of a connection, and of a moment.
    next: u64,
    open: BTreeMap<u64, Seat>,
    groups: BTreeMap<IpAddr, Group>,
    /// Connections that have not ended, those that were taken away included.
    threads: usize,
    turned: Turned,
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The connection that gives way, of `group` alone where one is given: of the address that has most, one that is
    /// known less before one that is known better, and of those the one that has waited longest.
    fn gives_way(&self, group: Option<IpAddr>) -> Option<u64> {
        let first = |group: &Group| group.waiting.first().map(|turn| (Reverse(group.size), *turn));
        let found = match group {
            Some(group) => self.groups.get(&group).and_then(first),
            None => self.groups.values().filter_map(first).min(),
        };
        found.map(|(_, (.., number))| number)
    }

    fn sit(&mut self, number: u64, stream: Arc<TcpStream>, group: IpAddr) {
        self.open.insert(number, Seat { stream, group, known: Known::Nothing, waits: None });
        self.groups.entry(group).or_default().size += 1;
        self.wait(number, Known::Nothing);
    }

    /// The connection waits for its client from now on, and is known at least that well.
    fn wait(&mut self, number: u64, known: Known) {
        let since = self.number();
        self.turn(number, |seat| {
            seat.known = seat.known.max(known);
            seat.waits = Some(since);
        });
    }

    /// Changes a connection, and its place among those that wait. `false` where there is none of this number.
    fn turn(&mut self, number: u64, change: impl FnOnce(&mut Seat)) -> bool {
        let Some(seat) = self.open.get_mut(&number) else { return false };
        let place = |seat: &Seat| seat.waits.map(|since| (seat.known, since, number));
        let before = place(seat);
        change(seat);
        let group = self.groups.entry(seat.group).or_default();
        if let Some(turn) = before {
            group.waiting.remove(&turn);
        }
        group.waiting.extend(place(seat));
        true
    }

    fn stand_up(&mut self, number: u64) -> Option<Seat> {
        self.turn(number, |seat| seat.waits = None);
        let seat = self.open.remove(&number)?;
        if let Some(group) = self.groups.get_mut(&seat.group) {
            group.size -= 1;
            if group.size == 0 {
                self.groups.remove(&seat.group);
            }
        }
        Some(seat)
    }

    fn evict(&mut self, number: u64) {
        if let Some(seat) = self.stand_up(number) {
            // Its thread finds the end of the stream.
            let _ = seat.stream.shutdown(Shutdown::Both);
            self.turned.evicted += 1;
        }
    }
}

/// The connections of a server.
pub(super) struct Seats {
    connections: usize,
    per_peer: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Seats {
    pub(super) fn new(connections: usize, per_peer: usize) -> Self {
        Self { connections, per_peer, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a connection may be accepted, which takes no longer than threads take to end; `false` at the end.
    pub(super) fn may_accept(&self) -> bool {
        let mut state = self.state();
        while !state.ending && state.threads >= self.connections * THREADS_PER_CONNECTION {
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.ending
    }

    /// A place for a connection, which another may have to give up; none where there is no such other, and at the end.
    pub(super) fn enter(&self, stream: &Arc<TcpStream>, peer: IpAddr) -> Option<Place<'_>> {
        let group = group(peer);
        let mut state = self.state();
        if state.ending {
            return None;
        }
        let of_group = state.groups.get(&group).map_or(0, |group| group.size);
        let crowded = if of_group >= self.per_peer {
            Some(Some(group))
        } else {
            (state.open.len() >= self.connections).then_some(None)
        };
        if let Some(among) = crowded {
            let Some(number) = state.gives_way(among) else {
                state.turned.refused += 1;
                return None;
            };
            state.evict(number);
        }
        let number = state.number();
        state.sit(number, stream.clone(), group);
        state.threads += 1;
        Some(Place { seats: self, number })
    }

    /// The system has no more descriptors or the like: one connection that waits gives way.
    pub(super) fn spare(&self) {
        let mut state = self.state();
        if let Some(number) = state.gives_way(None) {
            state.evict(number);
        }
    }

    /// Ends everything: who waits for a request finds the end of its stream, who answers one answers it.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ending = true;
        for seat in state.open.values() {
            let _ = seat.stream.shutdown(Shutdown::Read);
        }
        self.changed.notify_all();
    }

    pub(super) fn turned(&self) -> Turned {
        self.state().turned
    }
}

/// One of the connections that there may be at once, for as long as its thread has it.
pub(super) struct Place<'a> {
    seats: &'a Seats,
    number: u64,
}

impl Place<'_> {
    /// The TLS handshake is done: what comes next is up to the client.
    pub(super) fn shaken(&self) {
        self.seats.state().wait(self.number, Known::Handshake);
    }

    /// A request is being answered: the place is kept. `false` where it was given to another.
    pub(super) fn answering(&self) -> bool {
        self.seats.state().turn(self.number, |seat| seat.waits = None)
    }

    /// The answer is there; what comes next is up to the client.
    pub(super) fn answered(&self) {
        self.seats.state().wait(self.number, Known::Answer);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.seats.state();
        state.stand_up(self.number);
        state.threads -= 1;
        self.seats.changed.notify_all();
    }
}

/// Whom an address stands for: an IPv4 address itself, of an IPv6 address the 64 bits of its network, in which one
/// host has as many addresses as it likes (RFC 4291 clause 2.5.1).
fn group(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    /// A connection of the server, and the client's end of it.
    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        (Arc::new(listener.accept().unwrap().0), client)
    }

    fn is_open(client: &mut TcpStream) -> bool {
        client.read(&mut [0]).is_err()
    }

    #[test]
    fn an_address_with_many_connections_gives_way_to_those_with_few() {
        let seats = Seats::new(6, 4);
        let greedy: IpAddr = "192.0.2.1".parse().unwrap();
        let mut places = Vec::new();
        let mut enter = |peer: &str| {
            let (stream, client) = pair();
            let place = seats.enter(&stream, peer.parse().unwrap());
            places.push((place, stream));
            (places.last().is_some_and(|(place, _)| place.is_some()), client)
        };
        // Its share is four: the fifth takes the place of its first, not of another's.
        let mut others: Vec<TcpStream> = (2..=3).map(|host| enter(&format!("192.0.2.{host}")).1).collect();
        let mut crowd: Vec<TcpStream> = (0..5).map(|_| enter(&greedy.to_string()).1).collect();
        assert!(others.iter_mut().all(is_open));
        assert_eq!(crowd.iter_mut().map(is_open).collect::<Vec<_>>(), [false, true, true, true, true]);
        // All places are taken: who comes anew gets one of the many.
        for host in 4..=6 {
            let (seated, client) = enter(&format!("192.0.2.{host}"));
            assert!(seated);
            others.push(client);
        }
        assert!(others.iter_mut().all(is_open));
        assert_eq!(crowd.iter_mut().filter_map(|client| is_open(client).then_some(())).count(), 1);
        assert_eq!(seats.turned(), Turned { evicted: 4, refused: 0 });
    }

    #[test]
    fn who_is_being_answered_is_left_alone_and_who_was_served_goes_last() {
        let seats = Seats::new(3, 3);
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let ends: Vec<_> = (0..5).map(|_| pair()).collect();
        let seat = |n: usize| seats.enter(&ends[n].0, peer);
        let (first, second, _third) = (seat(0).unwrap(), seat(1).unwrap(), seat(2).unwrap());
        assert!(first.answering() && second.answering());
        second.answered();
        let fourth = seat(3).unwrap();
        assert!(first.answering() && second.answering(), "the third has never been answered");
        assert!(fourth.answering());
        assert!(seat(4).is_none(), "all of them are being answered");
        assert_eq!(seats.turned(), Turned { evicted: 1, refused: 1 });
    }

    #[test]
    fn who_has_shaken_hands_stays_before_who_says_nothing() {
        let seats = Seats::new(3, 3);
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let ends: Vec<_> = (0..5).map(|_| pair()).collect();
        let seat = |n: usize| seats.enter(&ends[n].0, peer).unwrap();
        let (first, _second, _third) = (seat(0), seat(1), seat(2));
        first.shaken();
        // The second and the third give way, though the first is older.
        let (_fourth, _fifth) = (seat(3), seat(4));
        assert!(first.answering());
        assert_eq!(seats.turned(), Turned { evicted: 2, refused: 0 });
    }

    #[test]
    fn addresses_of_one_network_are_one_peer_in_ipv6() {
        let group = |text: &str| group(text.parse().unwrap());
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::9"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
        assert_eq!(group("::ffff:192.0.2.1"), group("192.0.2.1"));
        assert_ne!(group("192.0.2.1"), group("192.0.2.2"));
    }
}
