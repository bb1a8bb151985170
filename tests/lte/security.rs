//! NAS and radio security of a signalling connection (TS 24.301 clause 4.4, TS 33.401 clause 7.2).

use std::collections::BTreeSet;

use cellbed::ran::{Bearer, EnbInput, EnbOutput, UeInput};
use cellbed::wire::nas::{Emm, Identity, Message, SecurityHeader};
use cellbed::wire::rrc::UlDcch;
use cellbed::wire::s1ap::{ContextSetupRequest, Kind, Pdu};
use cellbed::world::Payload;

use crate::air;
use crate::bench::{Bench, SERVER, config, imsi, packet};
use crate::log::{EEA0, Fact};
use crate::raw::{Phone, Raw, attach_request, gummei, octets};

fn detach_of(n: u32) -> Vec<u8> {
    let identity = Identity::Imsi(imsi(n).as_str().to_owned());
    octets(Emm::DetachRequest { switch_off: true, ksi: 7, identity })
}

#[test]
fn a_connection_that_is_secured_stays_so() {
    let mut bench = Bench::new(config(), 2);
    bench.power_on(1, 100);
    bench.power_on(2, 100);
    bench.run(5);
    let (one, two) = (bench.ip_of(1).unwrap(), bench.ip_of(2).unwrap());
    // UE 1 loses its connection and comes back.
    bench.ue(1, UeInput::RadioLinkFailure);
    bench.ue(1, UeInput::SendIp(packet(one, SERVER, b"again")));
    let mut plain: Vec<Vec<u8>> = vec![detach_of(0), detach_of(1)];
    plain.push(octets(Emm::AttachRequest(attach_request(1))));
    plain.push(octets(Emm::IdentityResponse { identity: Identity::Imsi(imsi(1).as_str().to_owned()) }));
    plain.push(octets(Emm::DetachAccept));
    // At every moment of the second attach from its first answer on, and after it.
    for round in 0..60 {
        bench.step();
        if bench.sent("ue1 < Attach Accept") + bench.sent("InitialContextSetupRequest") < 3 {
            continue;
        }
        let nas = plain[round % plain.len()].clone();
        bench.enb(1, EnbInput::Air { ue: 1, frame: air::up(nas.clone()) });
        if let Some(connection) = bench.last_connection() {
            bench.mme_hears(connection, nas);
        }
    }
    bench.run(60);
    let again = bench.ip_of(1).unwrap();
    assert_eq!(bench.attestation(again).unwrap().imsi, imsi(0));
    assert_eq!(bench.attestation(two).unwrap().imsi, imsi(1));
    assert_eq!(bench.contexts(), 2);
}

#[test]
fn plain_messages_of_a_secured_connection_are_counted_and_do_nothing() {
    let (mut raw, mut phone) = (Raw::new(config(), 2), Phone::new());
    phone.attach(&mut raw, 1, attach_request(0));
    let mut other = Phone::new();
    other.attach(&mut raw, 2, attach_request(1));
    // A second attach on the connection ends in a new one; until then nothing plain is taken.
    let plain = [detach_of(0), detach_of(1), octets(Emm::AttachRequest(attach_request(1)))];
    for nas in &plain {
        raw.out.clear();
        raw.uplink(1, phone.ids, nas.clone());
        assert!(raw.out.is_empty());
    }
    assert_eq!((raw.epc.messages_dropped(), raw.epc.contexts()), (3, 2));
    let mut request = attach_request(0);
    request.ksi = 0;
    phone.send(&mut raw, Emm::AttachRequest(request).into(), SecurityHeader::Integrity);
    for nas in plain {
        raw.uplink(1, phone.ids, nas);
    }
    // The session of the other is untouched.
    let downs = raw.told.iter().filter(|told| format!("{told:?}").contains("change: Down")).count();
    assert_eq!(downs, 1);
}

#[test]
fn a_registration_goes_with_its_subscriber_and_ends_nobody_elses_session() {
    let mut raw = Raw::new(config(), 2);
    let mut phone = Phone::new();
    phone.attach(&mut raw, 1, attach_request(0));
    // The same connection, authentic, in the name of another subscriber: it has no future.
    raw.out.clear();
    phone.send(&mut raw, Emm::AttachRequest(attach_request(1)).into(), SecurityHeader::Integrity);
    assert_eq!(raw.kinds(1), [Kind::UeContextReleaseCommand]);
    let mut other = Phone::new();
    other.attach(&mut raw, 2, attach_request(1));
    let mut again = Phone::new();
    again.attach(&mut raw, 3, attach_request(0));
    raw.wait(20);
    assert_eq!(raw.epc.contexts(), 2);
    // Three sessions began, and that of the first connection ended.
    let changes = |what: &str| raw.told.iter().filter(|told| format!("{told:?}").contains(what)).count();
    assert_eq!((changes("change: Up"), changes("change: Down")), (3, 1));
}

#[test]
fn an_authentic_attach_needs_no_challenge() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    for round in 1..=3 {
        bench.ue(1, UeInput::Detach);
        bench.run(10 * round);
        bench.ue(1, UeInput::Attach);
        bench.run(10 * round + 5);
    }
    let ip = bench.ip_of(1).unwrap();
    assert_eq!(bench.sent("ue1 < Attach Accept"), 4);
    assert_eq!(bench.sent("Authentication-Information-Request"), 1);
    assert_eq!(bench.sent("ue1 < Security Mode Command"), 1);
    assert_eq!(bench.sent("imsi=001010000000001 esm"), 1);
    // What the UE has told under the context is still known.
    assert_eq!(bench.attestation(ip).unwrap().imei, Some(cellbed::id::Imei::test(1)));
}

#[test]
fn the_context_of_a_subscriber_that_detached_is_kept_for_a_while() {
    let mut bench = Bench::new(config(), 66);
    for ue in 1..=66 {
        bench.power_on(ue, 100);
    }
    bench.run(5);
    for ue in 1..=66 {
        bench.ue(ue, UeInput::Detach);
    }
    bench.run(10);
    assert_eq!(bench.sent("Authentication-Information-Request"), 66);
    // The first has detached before 65 others, the last before none.
    for ue in [1, 66] {
        bench.ue(ue, UeInput::Attach);
    }
    bench.run(15);
    assert_eq!(bench.sent("Authentication-Information-Request"), 67);
    assert_eq!(bench.contexts(), 2);
}

/// A UE that has detached and whose next ATTACH REQUEST does not arrive: a test has it instead.
fn intercepted(mut bench: Bench, input: UeInput) -> (Bench, Vec<u8>) {
    bench.lose_if(|_, _, frame| matches!(air::of_ue(frame), Some(UlDcch::RrcConnectionSetupComplete(_))));
    bench.ue(1, input);
    let end = bench.now() + cellbed::kernel::Duration::from_secs(1);
    bench.run_until(end);
    bench.lose_if(|_, _, _| false);
    let nas = bench.bytes.last().unwrap().clone();
    (bench, nas)
}

fn arrives(bench: &mut Bench, nas: Vec<u8>) {
    bench.enb(1, EnbInput::Air { ue: 1, frame: air::setup_complete(nas) });
    let end = bench.now() + cellbed::kernel::Duration::from_secs(5);
    bench.run_until(end);
}

#[test]
fn a_request_that_is_not_authentic_is_challenged() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    let (mut bench, mut nas) = intercepted(bench, UeInput::Attach);
    assert_eq!(nas[0], 0x17);
    nas[4] ^= 1;
    arrives(&mut bench, nas);
    assert_eq!(bench.sent("ue1 < Authentication Request"), 2);
    assert_eq!(bench.sent("ue1 < Attach Accept"), 2);
}

#[test]
fn a_request_of_before_proves_nothing() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    let (mut bench, nas) = intercepted(bench, UeInput::Attach);
    arrives(&mut bench, nas.clone());
    let ip = bench.ip_of(1).unwrap();
    bench.enb(1, EnbInput::Air { ue: 9, frame: air::request() });
    bench.enb(1, EnbInput::Air { ue: 9, frame: air::setup_complete(nas) });
    bench.run(120);
    assert!(bench.attestation(ip).is_some());
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 1));
    // Its GUTI is nobody's any more: whoever sent it was asked who it is, in the clear.
    assert!(bench.bytes.iter().any(|bytes| bytes.windows(3).any(|window| window == [0x07, 0x55, 0x01])));
}

#[test]
fn a_request_that_was_changed_on_its_way_is_sent_once_more_whole() {
    EEA0.set(true);
    for changed in [false, true] {
        let mut open = config();
        open.eea = vec![0];
        let mut bench = Bench::new(open, 1);
        bench.run(1);
        let (mut bench, mut nas) = intercepted(bench, UeInput::PowerOn);
        assert_eq!(nas[..3], [0x07, 0x41, 0x71]);
        if changed {
            // A combined attach, which the UE has not asked for.
            nas[2] = 0x72;
        }
        arrives(&mut bench, nas);
        assert!(bench.ip_of(1).is_some());
        let states = format!("{:?}", bench.facts);
        assert_eq!(states.contains("another request than this UE's has reached the network"), changed);
        assert_eq!(states.contains("another request than the UE's was received"), changed);
        // ATTACH ACCEPT is for what the UE has really sent: no cause #18.
        let accept = bench.bytes.iter().find(|bytes| bytes.windows(2).any(|w| w == [0x07, 0x42])).unwrap();
        assert!(!accept.windows(2).any(|window| window == [0x53, 0x12]));
    }
    EEA0.set(false);
}

#[test]
fn every_context_setup_has_a_key_of_its_own() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    bench.ue(1, UeInput::Attach);
    bench.run(15);
    let ip = bench.ip_of(1).unwrap();
    bench.ue(1, UeInput::RadioLinkFailure);
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"again")));
    bench.run(20);
    let keys: Vec<[u8; 32]> = bench
        .bytes
        .iter()
        .filter_map(|bytes| Some(*ContextSetupRequest::read(&Pdu::decode(bytes).ok()?).ok()?.kenb.octets()))
        .collect();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn an_accept_that_is_not_answered_is_sent_again_alone() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    // ATTACH COMPLETE is the only message on this bearer.
    bench.lose_if(|_, _, frame| matches!(frame, Payload::Up(frame) if frame.bearer == Bearer::Srb2));
    bench.ue(1, UeInput::PowerOn);
    bench.run(1 + 20);
    assert_eq!(bench.sent("mme > InitialContextSetupRequest"), 1);
    assert_eq!(bench.sent("ue1 < Attach Accept"), 4);
    bench.lose_if(|_, _, _| false);
    bench.run(30);
    assert!(bench.facts.contains(&Fact::State("mme.emm DEREGISTERED -> REGISTERED".into())));
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 1));
}

#[test]
fn a_context_setup_without_an_answer_ends_the_connection_and_not_the_registration() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    // RRCConnectionReconfigurationComplete is the first ciphered message of the UE.
    bench.lose_if(|_, _, payload| {
        matches!(payload, Payload::Up(frame) if frame.bearer == Bearer::Srb1) && air::of_ue(payload).is_none()
    });
    bench.ue(1, UeInput::PowerOn);
    bench.run(30);
    let ip = bench.ip_of(1).unwrap();
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 0));
    assert!(bench.attestation(ip).is_some());
    // With something to send the UE comes back.
    bench.lose_if(|_, _, _| false);
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"again")));
    bench.run(40);
    assert_eq!(bench.connections(1), 1);
}

#[test]
fn security_of_the_radio_begins_once_in_a_connection() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    let of =
        |bytes: &&Vec<u8>| Pdu::decode(bytes).is_ok_and(|pdu| pdu.kind() == Kind::InitialContextSetupRequest);
    let setup = bench.bytes.iter().find(of).unwrap().clone();
    bench.enb(1, EnbInput::S1(&setup));
    // The base station says that it cannot, and no UE is told to begin anew; what the MME makes of it is its business.
    assert_eq!(bench.sent("enb1 > InitialContextSetupFailure"), 1);

    let mut enb = cellbed::ran::Enb::new(
        cellbed::ran::EnbConfig::new(1, crate::bench::PLMN.parse().unwrap(), 7),
        &cellbed::kernel::RngTree::new(7),
    );
    let mut out = Vec::new();
    let at = crate::bench::at(0);
    enb.handle(at, EnbInput::S1Connected, &mut out).unwrap();
    let response = cellbed::wire::s1ap::S1SetupResponse { name: None, served: vec![gummei()], capacity: 1 };
    let response = response.build().unwrap().encode().unwrap();
    enb.handle(at, EnbInput::S1(&response), &mut out).unwrap();
    enb.handle(at, EnbInput::Air { ue: 1, frame: air::request() }, &mut out).unwrap();
    let nas = vec![0x07, 0x41];
    enb.handle(at, EnbInput::Air { ue: 1, frame: air::setup_complete(nas) }, &mut out).unwrap();
    out.clear();
    for expected in [1, 1, 1] {
        enb.handle(at, EnbInput::S1(&setup), &mut out).unwrap();
        let begun = out.iter().filter(|one| air::begins_security(one)).count();
        assert_eq!(begun, expected);
    }
    let failure = out.iter().find_map(|one| match one {
        EnbOutput::S1 { label, .. } if label.name == "InitialContextSetupFailure" => Some(label.clone()),
        _ => None,
    });
    let cause = ("cause", "protocol/message-not-compatible-with-receiver-state".to_owned());
    assert!(failure.unwrap().fields.contains(&cause));
}

#[test]
fn an_authentic_message_of_another_connection_is_the_stale_ones_end() {
    let (mut raw, mut phone) = (Raw::new(config(), 1), Phone::new());
    let guti = phone.attach(&mut raw, 1, attach_request(0)).guti.unwrap();
    // The UE has left its connection without a word, and shows itself on another.
    let request = cellbed::wire::nas::TrackingAreaUpdateRequest {
        periodic: true,
        ksi: 0,
        identity: Identity::Guti(guti),
    };
    let nas = phone.protect(Emm::TrackingAreaUpdateRequest(request).into(), SecurityHeader::Integrity);
    raw.out.clear();
    raw.initial(1, 2, nas);
    assert!(matches!(
        phone.received(&raw),
        Some(Message::Emm(Emm::TrackingAreaUpdateAccept { t3412_s: Some(3_240) }))
    ));
    let releases = raw.kinds(1).iter().filter(|kind| **kind == Kind::UeContextReleaseCommand).count();
    assert_eq!(releases, 2);
    raw.wait(30);
    assert_eq!(raw.epc.contexts(), 1);
}
