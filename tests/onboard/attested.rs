//! What the services believe of who is behind an address: what a network states under its key, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cellbed::corenet::{Attestation, PdnAddress, SessionChange, SessionId, Statement};
use cellbed::crypto::tls::VirtualClock;
use cellbed::crypto::{SoftKey, Tally};
use cellbed::event::Body;
use cellbed::id::{Imei, Plmn};
use cellbed::kernel::{Duration, EPOCH_UNIX_S, Instant, RngTree};
use cellbed::net::Host;
use cellbed::net::endpoint::REGISTRAR;
use cellbed::services::servers::Servers;
use cellbed::services::{Holders, ServiceInput, ServiceOutput, Services, Sessions};

use super::lab::{Lab, Subject, notes, orders};

const MTU: u16 = 1400;

/// A network with its key.
pub struct Network {
    pub plmn: Plmn,
    pub key: SoftKey,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self { plmn: Plmn::test(), key: SoftKey::from_stream(&mut RngTree::new(seed).stream("network")) }
    }

    /// What it states at `now`.
    pub fn states(&self, now: Instant, sequence: u64, change: SessionChange) -> Vec<u8> {
        Statement::new(self.plmn, sequence, now.unix_s(), change).sign(&self.key)
    }
}

/// Services that believe one network and know two devices.
struct Site {
    services: Services,
    network: Network,
    now: Instant,
}

impl Site {
    fn new(subjects: &[&Subject]) -> Self {
        let network = Network::new(1);
        let mut lab = Lab::new();
        let (rng, tally) = (RngTree::new(7), Tally::new());
        let clock = VirtualClock::new(EPOCH_UNIX_S);
        let servers = Servers::new(&mut lab.authority, &rng, &tally, &clock, None, false).unwrap();
        let mut holders = Holders::default();
        for (number, subject) in (1..).zip(subjects) {
            holders.add(subject.iccid.clone(), number, Imei::test(number));
            lab = lab.ordered(subject, true);
        }
        let networks = [(network.plmn, network.key.public())].into();
        let sessions = Sessions::new(networks, holders, &tally);
        let services =
            Services::new(lab.offices(), servers, sessions, orders(), clock, MTU, rng.branch("services"));
        Self { services, network, now: Instant::ZERO }
    }

    fn take(&mut self, input: ServiceInput) -> Vec<ServiceOutput> {
        let mut out = Vec::new();
        self.services.handle(self.now, input, &mut out).unwrap();
        out
    }

    /// Gives the services a statement; returns what they tell of it.
    fn hear(&mut self, token: Vec<u8>) -> Vec<String> {
        told(&self.take(ServiceInput::Session(token)))
    }

    /// The same of one that the network makes now.
    fn attest(&mut self, sequence: u64, change: SessionChange) -> Vec<String> {
        let token = self.network.states(self.now, sequence, change);
        self.hear(token)
    }

    /// Whether a first packet of `ip` is answered, and what is told of it.
    fn knock(&mut self, ip: impl Into<IpAddr>) -> (bool, Vec<String>) {
        let ip = ip.into();
        let mut host = Host::new(ip, MTU, RngTree::new(3).branch(ip));
        host.connect(REGISTRAR.socket_like(ip)).unwrap();
        let mut packets = Vec::new();
        host.poll(self.now, &mut packets);
        let out = self.take(ServiceInput::Packet(packets.remove(0)));
        (out.iter().any(|output| matches!(output, ServiceOutput::Packet(_))), told(&out))
    }
}

fn told(out: &[ServiceOutput]) -> Vec<String> {
    let events: Vec<&Body> = out
        .iter()
        .filter_map(|output| match output {
            ServiceOutput::Event(body, _) => Some(body),
            ServiceOutput::Packet(_) | ServiceOutput::Order(_) => None,
        })
        .collect();
    notes(events)
}

fn up(subject: &Subject) -> SessionChange {
    SessionChange::Up(subject.attestation.clone())
}

fn down(subject: &Subject) -> SessionChange {
    SessionChange::Down(subject.attestation.session)
}

fn served() -> (bool, Vec<String>) {
    (true, Vec::new())
}

fn dropped(ip: Ipv4Addr) -> (bool, Vec<String>) {
    (false, vec![format!("registrar packet dropped: no attested session source={ip}")])
}

/// The word of the one refusal that was told.
fn word(told: &[String]) -> &str {
    let [line] = told else { panic!("{told:?}") };
    let reason = line.strip_prefix("registrar session statement refused reason=").expect(line);
    reason.split(' ').next().unwrap()
}

#[test]
fn a_packet_is_served_while_its_session_is_up() {
    let subject = Subject::new(1);
    let mut site = Site::new(&[&subject]);
    assert_eq!(site.knock(subject.ip), dropped(subject.ip));
    assert!(site.attest(1, up(&subject)).is_empty());
    assert_eq!(site.knock(subject.ip), served());
    assert!(site.attest(2, down(&subject)).is_empty());
    assert_eq!(site.knock(subject.ip), dropped(subject.ip));
}

#[test]
fn an_address_is_not_had_by_claiming_it() {
    let (subject, other) = (Subject::new(1), Subject::new(2));
    let mut site = Site::new(&[&subject, &other]);
    site.attest(1, up(&subject));
    // The other device has a subscription and no session; it sends all the same.
    assert_eq!(site.knock(other.ip), dropped(other.ip));
    assert_eq!(site.knock(subject.ip), served());
    let mut nonsense = vec![0x50; 40];
    nonsense[12..16].copy_from_slice(&subject.ip.octets());
    assert_eq!(
        told(&site.take(ServiceInput::Packet(nonsense))),
        ["registrar packet dropped: no attested session source=not IP"]
    );
}

#[test]
fn what_the_network_has_not_signed_counts_for_nothing() {
    let subject = Subject::new(1);
    let mut site = Site::new(&[&subject]);
    let (thief, now) = (Network::new(2), site.now);
    let forged = thief.states(now, 1, up(&subject));
    assert_eq!(word(&site.hear(forged)), "bad-signature");
    let foreign = Network { plmn: "001-02".parse().unwrap(), key: site.network.key.clone() };
    assert_eq!(word(&site.hear(foreign.states(now, 1, up(&subject)))), "foreign-network");
    assert_eq!(word(&site.hear(b"IMSI 001010000000001 is at 10.44.0.1".to_vec())), "malformed");
    let sound = site.network.states(now, 1, up(&subject));
    for at in 0..sound.len() {
        let mut tampered = sound.clone();
        tampered[at] ^= 0x01;
        assert_eq!(site.hear(tampered).len(), 1, "byte {at}");
    }
    assert_eq!(site.knock(subject.ip), dropped(subject.ip));
    // Nor does a forged end take a session from anybody.
    assert!(site.hear(sound).is_empty());
    assert_eq!(word(&site.hear(thief.states(now, 2, down(&subject)))), "bad-signature");
    assert_eq!(site.knock(subject.ip), served());
}

#[test]
fn a_statement_counts_once_and_not_after_a_later_one() {
    let subject = Subject::new(1);
    let mut site = Site::new(&[&subject]);
    let begin = site.network.states(site.now, 1, up(&subject));
    assert!(site.hear(begin.clone()).is_empty());
    assert_eq!(word(&site.hear(begin.clone())), "replayed");
    let moved = Attestation {
        addresses: vec![PdnAddress::Ipv4(Ipv4Addr::new(10, 44, 9, 9))],
        ..subject.attestation.clone()
    };
    assert!(site.attest(2, SessionChange::Changed(moved)).is_empty());
    assert_eq!(site.knock(subject.ip), dropped(subject.ip), "it has another address now");
    assert_eq!(site.knock(Ipv4Addr::new(10, 44, 9, 9)), served());
    assert_eq!(word(&site.hear(begin.clone())), "replayed");
    assert!(site.attest(3, down(&subject)).is_empty());
    assert_eq!(word(&site.hear(begin.clone())), "session-ended");
    // When it is no longer known that it has ended the statement is too old.
    for _ in 0..3 {
        site.now += Duration::from_secs(30);
        assert!(["session-ended", "expired"].contains(&word(&site.hear(begin.clone()))));
    }
    assert_eq!(word(&site.hear(begin)), "expired");
    assert_eq!(site.knock(subject.ip), dropped(subject.ip));
}

/// The end of a session may overtake its beginning.
#[test]
fn a_session_that_has_ended_does_not_begin() {
    let subject = Subject::new(1);
    let mut site = Site::new(&[&subject]);
    let begin = site.network.states(site.now, 1, up(&subject));
    assert!(site.attest(2, down(&subject)).is_empty());
    assert_eq!(word(&site.hear(begin)), "session-ended");
    assert_eq!(site.knock(subject.ip), dropped(subject.ip));
}

#[test]
fn an_address_goes_from_an_older_session_to_a_newer_one_and_not_back() {
    let (older, mut newer) = (Subject::new(1), Subject::new(2));
    newer.attestation.addresses = older.attestation.addresses.clone();
    let mut site = Site::new(&[&older, &newer]);
    let begin = site.network.states(site.now, 1, up(&older));
    assert!(site.hear(begin.clone()).is_empty());
    assert!(site.attest(1, up(&newer)).is_empty());
    assert_eq!(word(&site.hear(begin.clone())), "session-ended");
    // What is said of the older one no longer touches the address.
    assert_eq!(word(&site.attest(2, down(&older))), "session-ended");
    assert_eq!(site.knock(older.ip), served());
    // One that is older by its number and comes late.
    let late = SessionChange::Up(Attestation { session: SessionId(0), ..older.attestation.clone() });
    assert_eq!(word(&site.attest(1, late)), "address-taken");
}

#[test]
fn a_subscriber_that_nobody_knows_has_no_session_here() {
    let (subject, stranger) = (Subject::new(1), Subject::new(2));
    let mut site = Site::new(&[&subject]);
    assert_eq!(word(&site.attest(1, up(&stranger))), "unknown-subscriber");
    assert_eq!(site.knock(stranger.ip), dropped(stranger.ip));
}

#[test]
fn a_session_without_ip_or_with_a_prefix_only_is_attested_as_well() {
    let subject = Subject::new(1);
    for addresses in [vec![], vec![PdnAddress::Ipv6Prefix([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1])]] {
        let mut site = Site::new(&[&subject]);
        let attestation = Attestation { addresses, ..subject.attestation.clone() };
        assert!(site.attest(1, SessionChange::Up(attestation)).is_empty());
        assert_eq!(site.knock(subject.ip), dropped(subject.ip));
        assert!(site.attest(2, down(&subject)).is_empty());
    }
}

/// Copies of one card differ in their equipment: events name the device that it is.
#[test]
fn copies_of_a_card_are_told_apart_by_their_equipment() {
    let subject = Subject::new(1);
    let copy = Subject { attestation: subject.attestation.clone(), ..subject.clone() };
    for (imei, device) in [(Some(Imei::test(2)), 2), (Some(Imei::test(1)), 1), (None, 1)] {
        let mut holders = Holders::default();
        holders.add(subject.iccid.clone(), 1, Imei::test(1));
        holders.add(copy.iccid.clone(), 2, Imei::test(2));
        let network = Network::new(1);
        let networks = [(network.plmn, network.key.public())].into();
        let mut sessions = Sessions::new(networks, holders, &Tally::new());
        let attestation = Attestation { imei, ..copy.attestation.clone() };
        let token = network.states(Instant::ZERO, 1, SessionChange::Up(attestation));
        assert_eq!(sessions.take(EPOCH_UNIX_S, &token).map(|taken| taken.lost), Ok(vec![]));
        assert_eq!(sessions.at(subject.ip.into()).unwrap().device, device);
    }
}

/// Who is behind an address of IPv6 says its first 64 bits, whatever a device puts behind them.
#[test]
fn every_address_of_an_attested_prefix_is_served_and_no_other() {
    let subject = Subject::new(1);
    let mut site = Site::new(&[&subject]);
    let prefix = PdnAddress::Ipv6Prefix([0x20, 1, 0xd, 0xb8, 0x40, 0, 0, 1]);
    let attestation = Attestation { addresses: vec![prefix], ..subject.attestation.clone() };
    assert!(site.attest(1, SessionChange::Up(attestation)).is_empty());
    for own in ["2001:db8:4000:1::2", "2001:db8:4000:1:ffff:ffff:ffff:ffff"] {
        assert_eq!(site.knock(own.parse::<Ipv6Addr>().unwrap()), served(), "{own}");
    }
    for foreign in ["2001:db8:4000:2::2", "fe80::2"] {
        let (passed, told) = site.knock(foreign.parse::<Ipv6Addr>().unwrap());
        let known = if foreign.starts_with("fe80") { "fe80::" } else { "2001:db8:4000:2::" };
        let expected = format!("registrar packet dropped: no attested session source={known}");
        assert_eq!((passed, told), (false, vec![expected]));
    }
    assert!(site.attest(2, down(&subject)).is_empty());
    assert!(!site.knock("2001:db8:4000:1::2".parse::<Ipv6Addr>().unwrap()).0, "its session is over");
}
