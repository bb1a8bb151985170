//! What somebody who has taken over the host of a device has it send: packets past its IP stack, into the session that it has.
//! They exist in the network of the run only. Whoever is spoken to answers (docs/guard.md): a connection
//! goes on where it was accepted, and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use super::plan::Assault;
use crate::guard::generator::{Content, Flight};
use crate::kernel::{Instant, RngTree};
use crate::net::endpoint::BROKER;
use crate::wire::inet::{ACK, FIN, Ipv4, RST, SYN, Tcp};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// How long the generator takes an answer to be on its way, in milliseconds.
const ANSWERED_MS: u64 = 50;

/// The two ends of what the attacker speaks: the other one's address, its own port, the other's.
type Ends = (Ipv4Addr, u16, u16);

/// A connection of the attacker.
#[derive(Debug, Default)]
struct Connection {
    /// When its SYN was to be sent.
    began_ms: u64,
    /// What follows when it is accepted.
    waiting: VecDeque<Flight>,
    /// Its next sequence number, and the next one that it expects; none before it is accepted.
    numbers: Option<(u32, u32)>,
}

/// An attack that is under way.
pub struct Running {
    /// What the device is still to send, by its moment in milliseconds and in the order of what was drawn.
    due: BTreeMap<(u64, usize), Flight>,
    drawn: usize,
    /// Everybody who is spoken to.
    connections: BTreeMap<Ends, Connection>,
    until: Instant,
}

impl Running {
    /// Begins `assault` at `now`; what is drawn comes from the branch `tree`. Of both directions the device sends its own:
    /// the other one is for the victims.
    pub fn new(assault: &Assault, tree: &RngTree, now: Instant) -> Self {
        let until = now + assault.time;
        let (begin_ms, end_ms) = (millis(now), millis(until));
        let flights = assault.attack.flights(tree, BROKER.socket(), begin_ms, end_ms);
        let mut running = Self { due: BTreeMap::new(), drawn: 0, connections: BTreeMap::new(), until };
        for flight in flights.into_iter().filter(|flight| flight.up && flight.at_ms >= begin_ms) {
            let is_new = !running.connections.contains_key(&ends(&flight));
            let connection = running.connections.entry(ends(&flight)).or_default();
            match flight.content {
                Content::Tcp { .. } if !flight.is_syn() => connection.waiting.push_back(flight),
                _ => {
                    if is_new {
                        connection.began_ms = flight.at_ms;
                    }
                    running.send_at(flight.at_ms, flight);
                }
            }
        }
        running
    }

    fn send_at(&mut self, at_ms: u64, flight: Flight) {
        self.due.insert((at_ms, self.drawn), flight);
        self.drawn += 1;
    }

    /// When the next packet goes, or the attack is over.
    pub fn deadline(&self) -> Instant {
        let next = self.due.first_key_value().map(|((at_ms, _), _)| at(*at_ms).min(self.until));
        next.unwrap_or(self.until)
    }

    /// The packets of the device with this address that go now.
    pub fn packets(&mut self, now: Instant, address: Ipv4Addr) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Some(entry) = self.due.first_entry().filter(|entry| at(entry.key().0) <= now) {
            let flight = entry.remove();
            let mut bytes = Vec::new();
            let numbers = self.connections.get_mut(&ends(&flight)).and_then(|one| one.numbers.as_mut());
            match (&flight.content, numbers) {
                (Content::Tcp { flags, bytes: length }, Some((next, expected))) => {
                    flight.write_at(address, (*next, *expected), &mut bytes);
                    *next = next.wrapping_add(u32::from(*length) + u32::from(flags & FIN));
                }
                _ => flight.write(address, &mut bytes),
            }
            packets.push(bytes);
        }
        packets
    }

    /// Takes a packet that has come in. Says whether it is an answer to the attacker, of which the IP stack is not to know.
    pub fn receive(&mut self, now: Instant, packet: &[u8]) -> bool {
        let Some(answer) = Answer::read(packet) else { return false };
        let Some(connection) = self.connections.get_mut(&answer.ends) else { return false };
        let Some((flags, sequence, length)) = answer.segment else { return true };
        if flags & RST != 0 {
            connection.waiting.clear();
            self.due.retain(|_, flight| ends(flight) != answer.ends || flight.is_syn());
        } else if flags & (SYN | ACK) == SYN | ACK && connection.numbers.is_none() {
            // The SYN had the number 1.
            connection.numbers = Some((2, sequence.wrapping_add(1)));
            let late_ms = millis(now).saturating_sub(connection.began_ms + ANSWERED_MS);
            for flight in std::mem::take(&mut connection.waiting) {
                self.send_at(flight.at_ms.max(millis(now)) + late_ms, flight);
            }
        } else if let Some((_, expected)) = &mut connection.numbers {
            *expected = sequence.wrapping_add(length + u32::from(flags & FIN));
        }
        true
    }
}

/// What of a packet says whether it is an answer.
struct Answer {
    ends: Ends,
    /// Of a TCP segment: flags, sequence number, and how many bytes it carries.
    segment: Option<(u8, u32, u32)>,
}

impl Answer {
    fn read(packet: &[u8]) -> Option<Self> {
        let ip = Ipv4::read(packet)?;
        let ports: &[u8; 4] = ip.content.first_chunk()?;
        let (peer_port, own_port) =
            (u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]]));
        let segment = match ip.protocol {
            TCP => {
                let tcp = Tcp::read(ip.content)?;
                Some((tcp.flags, tcp.sequence, tcp.data.len() as u32))
            }
            UDP => None,
            _ => return None,
        };
        Some(Self { ends: (ip.source, own_port, peer_port), segment })
    }
}

fn ends(flight: &Flight) -> Ends {
    (flight.peer, flight.local_port, flight.peer_port)
}

fn millis(at: Instant) -> u64 {
    at.as_micros().div_ceil(1_000)
}

fn at(at_ms: u64) -> Instant {
    Instant::from_nanos(at_ms.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::Attack;
    use crate::kernel::Duration;

    const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);

    /// What is sent in `seconds`, where `answer` says what comes back 70 ms later.
    fn sent(attack: Attack, seconds: u64, mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
        let assault = Assault { device: 1, attack, time: Duration::from_secs(seconds) };
        let begin = Instant::from_nanos(5_000_000_001);
        let mut running = Running::new(&assault, &RngTree::new(1), begin);
        let (mut sent, mut coming) = (Vec::new(), VecDeque::<(Instant, Vec<u8>)>::new());
        let (mut now, mut turns) = (begin, 0);
        while now < begin + assault.time {
            let next = coming.front().map_or(running.deadline(), |(at, _)| running.deadline().min(*at));
            assert!(next > now || turns == 0 || coming.front().is_some(), "{next} after {now}");
            now = next.max(now);
            while let Some((_, packet)) = coming.pop_front_if(|(at, _)| *at <= now) {
                assert!(running.receive(now, &packet));
            }
            for packet in running.packets(now, DEVICE) {
                assert_eq!((packet[0], &packet[12..16]), (0x45, &DEVICE.octets()[..]));
                coming.extend(answer(&packet).map(|packet| (now + Duration::from_millis(70), packet)));
                sent.push(packet);
            }
            turns += 1;
        }
        sent
    }

    /// A segment that answers `packet`, as its victim would send it.
    fn answer(packet: &[u8], flags: u8, sequence: u32, bytes: usize) -> Vec<u8> {
        let mut answer = packet[..40].to_vec();
        answer[12..16].copy_from_slice(&packet[16..20]);
        answer[16..20].copy_from_slice(&packet[12..16]);
        answer[20..22].copy_from_slice(&packet[22..24]);
        answer[22..24].copy_from_slice(&packet[20..22]);
        answer[24..28].copy_from_slice(&sequence.to_be_bytes());
        answer[33] = flags;
        answer.resize(40 + bytes, 0);
        answer
    }

    #[test]
    fn packets_go_at_their_moments_and_none_after_the_end() {
        let packets = sent(Attack::Scan { every_ms: 100, port: 23 }, 2, |_| None);
        assert!(packets.iter().all(|packet| packet[33] == SYN), "nobody answers a SYN");
        assert!((18..=30).contains(&packets.len()), "{}", packets.len());
        let packets = sent(Attack::Scan { every_ms: 100, port: 23 }, 2, |packet| {
            (packet[33] == SYN).then(|| answer(packet, SYN | ACK, 7, 0))
        });
        assert!(packets.iter().any(|packet| packet[33] == RST), "whoever accepts is left");
    }

    /// A connection goes on where it was accepted, with the numbers of both sides.
    #[test]
    fn a_connection_that_is_accepted_goes_on_and_one_that_is_refused_does_not() {
        let beacon = Attack::Beacon { every_s: 60, jitter_pct: 10, bytes: 120, port: 6_667, at_cloud: false };
        let packets = sent(beacon, 30, |packet| match packet[33] {
            SYN => Some(answer(packet, SYN | ACK, 1_000, 0)),
            0x18 => Some(answer(packet, 0x18, 1_001, 50)),
            _ => None,
        });
        let numbers: Vec<_> = packets
            .iter()
            .map(|packet| {
                let number = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
                (packet[33], number(24), number(28))
            })
            .collect();
        assert_eq!(numbers[..3], [(SYN, 1, 0), (ACK, 2, 1_001), (0x18, 2, 1_001)]);
        // Its end does not wait for the answer.
        assert_eq!(numbers[3], (FIN | ACK, 122, 1_001));
        for flags in [RST | ACK, 0] {
            let packets = sent(beacon, 30, |packet| (flags != 0).then(|| answer(packet, flags, 0, 0)));
            assert_eq!(packets.len(), 1, "{flags}");
        }
    }

    #[test]
    fn what_is_of_others_is_not_taken() {
        let assault = Assault {
            device: 1,
            attack: Attack::Scan { every_ms: 100, port: 23 },
            time: Duration::from_secs(1),
        };
        let mut running = Running::new(&assault, &RngTree::new(1), Instant::ZERO);
        for bytes in [&[][..], &[0x45; 10], &[0x45; 40], &[0x4f; 60]] {
            assert!(!running.receive(Instant::ZERO, bytes));
        }
    }
}
