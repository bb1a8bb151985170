//! Refusals that anybody may have sent, beside those of a network that has proved itself (TS 24.301 clause 5.3.7b).

use cellbed::crypto::milenage::{Amf, K, Milenage, Opc, Rand, Sqn};
use cellbed::event::Actor;
use cellbed::kernel::Duration;
use cellbed::ran::UeInput;
use cellbed::ran::ue::{FORGIVEN_MAX, T3247};
use cellbed::wire::nas::{
    AlgorithmSet, AttachReject, Direction, Emm, EmmCause, Guti, Kasme, Message, NetworkCapability,
    ReplayedCapability, SecurityContext, SecurityHeader, SecurityModeCommand,
};
use cellbed::world::{Iface, Port};

use crate::air;
use crate::bench::{Bench, K as KEY, OPC, PLMN, SQN, config};
use crate::log::Fact;

/// A UE that has sent its ATTACH REQUEST to a network that says nothing.
pub fn waiting() -> Bench {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.lose_if(|_, to, _| to == Port::new(Actor::MME, Iface::S1Mme));
    bench.ue(1, UeInput::PowerOn);
    bench.run(2);
    assert_eq!(bench.sent("ue1 > Attach Request"), 1);
    bench
}

fn plain(bench: &mut Bench, nas: &str) {
    bench.ue(1, UeInput::Air(air::down(hex::decode(nas).unwrap())));
}

/// A network that has the keys of the card, whatever the MME of the bench does.
struct Network {
    nas: SecurityContext,
}

impl Network {
    /// Authenticates the UE, and commands a security mode with these algorithms.
    fn prove(bench: &mut Bench, eia: u8, eea: u8) -> Self {
        let card = Milenage::new(&K::new(&KEY), &Opc::new(&OPC));
        let rand = [0x23; 16];
        let vector = card.authentication_vector(
            &Rand::new(&rand),
            &Sqn::try_from(SQN + (100 << 5)).unwrap(),
            &Amf::new(&[0x80, 0]),
        );
        let autn = *vector.autn().as_octets();
        let request = Message::Emm(Emm::AuthenticationRequest { ksi: 0, rand, autn });
        plain(bench, &hex::encode(request.encode().unwrap().octets));
        assert_eq!(bench.sent("ue1 > Authentication Response"), 1);
        let kasme = Kasme::derive(vector.ck(), vector.ik(), PLMN.parse().unwrap(), &autn).unwrap();
        let nas = SecurityContext::new(&kasme, eia, eea).unwrap();
        let mut network = Self { nas };
        let capability = NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING);
        let command = Emm::SecurityModeCommand(SecurityModeCommand {
            eia,
            eea,
            ksi: 0,
            replayed: ReplayedCapability::of(&capability),
            imeisv_requested: false,
            hash_mme: None,
        });
        network.send(bench, command, SecurityHeader::IntegrityNew);
        network
    }

    fn send(&mut self, bench: &mut Bench, message: Emm, header: SecurityHeader) {
        let nas = self.nas.protect(&Message::Emm(message), header, Direction::Downlink).unwrap().octets;
        bench.ue(1, UeInput::Air(air::down(nas)));
    }

    /// What the UE has sent last, verified.
    fn last(&mut self, bench: &Bench) -> Message {
        let sent = bench.bytes.iter().rev().find(|bytes| bytes.first().is_some_and(|first| first & 0xf == 7));
        self.nas.unprotect(sent.unwrap(), Direction::Uplink).unwrap().message
    }
}

#[test]
fn a_refusal_without_proof_is_forgiven_after_a_while() {
    let cases = [
        (3, "LIMITED_SERVICE"),
        (6, "LIMITED_SERVICE"),
        (7, "LIMITED_SERVICE"),
        (8, "LIMITED_SERVICE"),
        (11, "PLMN_SEARCH"),
        (12, "LIMITED_SERVICE"),
        (13, "PLMN_SEARCH"),
        (14, "PLMN_SEARCH"),
        (15, "LIMITED_SERVICE"),
        (35, "PLMN_SEARCH"),
    ];
    for (cause, state) in cases {
        let mut bench = waiting();
        plain(&mut bench, &format!("0744{cause:02x}"));
        assert_eq!(bench.failure(1), Some((format!("emm-cause-{cause}").as_str(), false)));
        let change = format!("ue1.emm REGISTERED_INITIATED -> DEREGISTERED.{state}");
        assert!(bench.facts.contains(&Fact::State(change)), "#{cause}: {:?}", bench.facts);
        let wait = bench.deadline(1).unwrap() - bench.now();
        assert!(wait >= T3247.0 && wait <= T3247.1, "#{cause}: {wait:?}");
        // It stays away until then, whatever the device wants, and is served when the network is there.
        bench.lose_if(|_, _, _| false);
        bench.ue(1, UeInput::Attach);
        bench.run(1_700);
        assert_eq!(bench.sent("ue1 > Attach Request"), 1, "#{cause}");
        bench.run(3_700);
        assert!(bench.ip_of(1).is_some(), "#{cause}");
    }
}

#[test]
fn forgiving_has_an_end() {
    let mut bench = waiting();
    for round in 1..=FORGIVEN_MAX {
        plain(&mut bench, "074408");
        let next = bench.deadline(1).unwrap_or_else(|| panic!("refusal {round} held"));
        bench.run_until(next + Duration::from_secs(1));
        assert_eq!(bench.sent("ue1 > Attach Request"), usize::from(round) + 1);
    }
    plain(&mut bench, "074408");
    assert_eq!(bench.deadline(1), None);
    let held = "ue1.emm REGISTERED_INITIATED -> DEREGISTERED.NO_IMSI".to_owned();
    assert!(bench.facts.contains(&Fact::State(held)));
}

#[test]
fn a_refusal_with_proof_holds() {
    for (cause, state) in [(3, "NO_IMSI"), (8, "NO_IMSI"), (11, "PLMN_SEARCH"), (12, "LIMITED_SERVICE")] {
        let mut bench = waiting();
        let mut network = Network::prove(&mut bench, 2, 2);
        let reject = Emm::AttachReject(AttachReject::new(EmmCause(cause)));
        network.send(&mut bench, reject, SecurityHeader::Ciphered);
        assert_eq!(bench.failure(1), Some((format!("emm-cause-{cause}").as_str(), false)));
        let change = format!("ue1.emm REGISTERED_INITIATED -> DEREGISTERED.{state}");
        assert!(bench.facts.contains(&Fact::State(change)), "#{cause}: {:?}", bench.facts);
        assert_eq!(bench.deadline(1), None);
        bench.run(5_000);
        assert_eq!(bench.sent("ue1 > Attach Request"), 1, "#{cause}");
    }
}

#[test]
fn an_authentication_reject_counts_while_an_answer_is_awaited_and_is_forgiven() {
    // Nothing has led to it.
    let mut bench = waiting();
    plain(&mut bench, "0754");
    assert_eq!(bench.failure(1), None);
    // A challenge for another system has.
    plain(&mut bench, &format!("075200{}10{}", "23".repeat(16), "00".repeat(16)));
    plain(&mut bench, "0754");
    assert_eq!(bench.failure(1), Some(("non-eps-authentication", false)));
    let wait = bench.deadline(1).unwrap() - bench.now();
    assert!(wait >= T3247.0 && wait <= T3247.1);
    bench.lose_if(|_, _, _| false);
    bench.run(3_700);
    assert!(bench.ip_of(1).is_some());
}

#[test]
fn congestion_without_proof_waits_a_time_that_the_ue_has_drawn() {
    // T3346 of ten minutes, which nothing protects: a quarter to half an hour. Then none.
    let mut bench = waiting();
    plain(&mut bench, "0744165f012a");
    assert_eq!(bench.failure(1), Some(("emm-cause-22", true)));
    let wait = (bench.deadline(1).unwrap() - bench.now()).as_secs();
    assert!((900..=1_800).contains(&wait), "{wait}");
    let mut bench = waiting();
    plain(&mut bench, "074416");
    assert_eq!(bench.deadline(1), Some(bench.now() + Duration::from_secs(10)));
    // The same with proof: as long as it says.
    let mut bench = waiting();
    let mut network = Network::prove(&mut bench, 2, 2);
    let reject = AttachReject { back_off_s: Some(600), ..AttachReject::new(EmmCause::CONGESTION) };
    network.send(&mut bench, Emm::AttachReject(reject), SecurityHeader::Ciphered);
    assert_eq!(bench.deadline(1), Some(bench.now() + Duration::from_secs(600)));
}

#[test]
fn null_integrity_is_refused_by_the_ue() {
    let mut bench = waiting();
    Network::prove(&mut bench, 0, 0);
    assert_eq!(bench.sent("Security Mode Reject cause=24"), 1);
    assert_eq!(bench.sent("Security Mode Complete"), 0);
}

#[test]
fn a_new_temporary_identity_is_taken_and_shown() {
    let mut bench = waiting();
    let mut network = Network::prove(&mut bench, 2, 2);
    let complete = network.last(&bench);
    assert!(matches!(complete, Message::Emm(Emm::SecurityModeComplete { replayed: None, .. })));
    let guti = Guti { plmn: PLMN.parse().unwrap(), mme_group: 1, mme_code: 1, tmsi: 0xc123_4567 };
    network.send(&mut bench, Emm::GutiReallocationCommand { guti: Some(guti) }, SecurityHeader::Ciphered);
    assert_eq!(network.last(&bench), Message::Emm(Emm::GutiReallocationComplete));
    // Without protection it is nothing.
    let forged = Guti { tmsi: 0xc000_0001, ..guti };
    let nas = Message::Emm(Emm::GutiReallocationCommand { guti: Some(forged) }).encode().unwrap().octets;
    bench.ue(1, UeInput::Air(air::down(nas)));
    bench.run(60);
    assert!(bench.sent("Attach Request tmsi=c1234567") > 0, "{:?}", bench.facts);
    assert_eq!(bench.sent("tmsi=c0000001"), 0);
}
