//! UEs without a connection: they show that they are there, leave, or are taken for gone.

use cellbed::corenet::EpcInput;
use cellbed::kernel::Duration;
use cellbed::ran::UeInput;
use cellbed::wire::nas::{Emm, Guti, Identity, SecurityHeader};
use oxirush_s1ap::{build_s1ap, s1ap::*};

use crate::air;
use crate::bench::{Bench, SERVER, config, packet};
use crate::log::Fact;
use crate::raw::{Phone, Raw, attach_request, octets};

/// A UE that is registered in a network with this T3412, and whose connection was released.
fn idle(t3412_s: u64) -> Bench {
    let mut config = config();
    config.t3412 = Duration::from_secs(t3412_s);
    let mut bench = Bench::new(config, 1);
    bench.power_on(1, 100);
    bench.run(5);
    assert!(bench.ip_of(1).is_some());
    let cause = Cause::radioNetwork(CauseRadioNetwork::user_inactivity);
    let request = build_s1ap!(
        InitiatingMessage,
        UEContextReleaseRequest,
        UEContextReleaseRequest,
        MME_UE_S1AP_ID(1u32),
        eNB_UE_S1AP_ID(1u32),
        Cause(cause)
    );
    bench.core(EpcInput::S1 { enb: 1, bytes: &request.unwrap().encode().unwrap() });
    bench.run(6);
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 0));
    bench
}

#[test]
fn a_ue_without_connection_detaches_on_one_of_its_own() {
    let mut bench = idle(3_240);
    let ip = bench.ip_of(1).unwrap();
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    assert!(bench.facts.contains(&Fact::Detached { ue: 1 }));
    assert!(bench.facts.contains(&Fact::SessionDown(ip)));
    assert_eq!((bench.contexts(), bench.connections(1), bench.attestation(ip)), (0, 0, None));
    assert_eq!((bench.sent("ue1 > Detach Request"), bench.sent("ue1 < Detach Accept")), (1, 1));
}

#[test]
fn a_living_ue_updates_its_area_and_stays() {
    let mut bench = idle(120);
    let ip = bench.ip_of(1).unwrap();
    bench.run(3_600);
    // Every two minutes and the time on the air.
    let updates = bench.sent("ue1 > Tracking Area Update Request");
    assert!((28..=30).contains(&updates), "{updates}");
    assert_eq!(bench.sent("ue1 < Tracking Area Update Accept"), updates);
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 0));
    assert!(bench.attestation(ip).is_some());
    // It has kept its session, and comes back with a proof when it has something to send.
    let still = packet(ip, SERVER, b"still here");
    bench.ue(1, UeInput::SendIp(still.clone()));
    bench.run(3_610);
    assert_eq!((bench.sent("ue1 > Service Request"), bench.sent("ue1 > Attach Request")), (1, 1));
    assert_eq!(bench.sent("Authentication-Information-Request"), 1);
    assert!(bench.facts.contains(&Fact::Sgi(still)));
}

#[test]
fn what_comes_for_a_ue_without_connection_has_it_paged() {
    let mut bench = idle(3_240);
    let ip = bench.ip_of(1).unwrap();
    let news = [b"one".as_slice(), b"two"].map(|text| packet(SERVER, ip, text));
    for packet in &news {
        bench.core(EpcInput::Sgi(packet));
    }
    // Once for both, in every base station of the area, at the moment at which it listens.
    assert_eq!(bench.sent("mme > Paging"), 2);
    bench.run(8);
    assert_eq!((bench.sent("ue1 > Service Request"), bench.sent("mme > Paging")), (1, 2));
    for packet in news {
        assert!(bench.facts.contains(&Fact::ReceivedIp { ue: 1, packet }));
    }
    assert_eq!((bench.contexts(), bench.connections(1), bench.sent("ue1 > Attach Request")), (1, 1, 1));
    // The keys of the radio are others than those of the connection before.
    let keys: std::collections::BTreeSet<[u8; 32]> = bench
        .bytes
        .iter()
        .filter_map(|bytes| {
            let pdu = cellbed::wire::s1ap::Pdu::decode(bytes).ok()?;
            Some(*cellbed::wire::s1ap::ContextSetupRequest::read(&pdu).ok()?.kenb.octets())
        })
        .collect();
    assert_eq!(keys.len(), 2);
}

#[test]
fn whoever_does_not_answer_a_page_is_paged_thrice_and_what_waited_is_dropped() {
    let mut bench = idle(60);
    let ip = bench.ip_of(1).unwrap();
    bench.lose_if(|_, _, frame| matches!(frame, cellbed::world::Payload::Down(_)));
    for second in 0..600 {
        // That somebody looks for it all the time is no sign of life.
        bench.core(EpcInput::Sgi(&packet(SERVER, ip, b"anybody?")));
        bench.run(6 + second);
        if second == 17 {
            // T3413 is six seconds, three times, and there are two base stations.
            assert_eq!(bench.sent("mme > Paging"), 2 * 3);
        }
    }
    assert_eq!((bench.attestation(ip), bench.contexts()), (None, 0));
    assert!(!bench.facts.iter().any(|fact| matches!(fact, Fact::ReceivedIp { .. })));
}

#[test]
fn a_ue_that_updates_its_area_while_it_is_paged_can_be_paged_again() {
    let mut bench = idle(60);
    let ip = bench.ip_of(1).unwrap();
    bench.lose_if(|_, _, payload| {
        matches!(payload, cellbed::world::Payload::Down(frame) if frame.bearer == cellbed::ran::Bearer::Pcch)
    });
    bench.run(64);
    bench.core(EpcInput::Sgi(&packet(SERVER, ip, b"unheard")));
    bench.run(70);
    assert_eq!((bench.sent("ue1 < Tracking Area Update Accept"), bench.sent("mme > Paging")), (1, 2));
    bench.lose_if(|_, _, _| false);
    bench.core(EpcInput::Sgi(&packet(SERVER, ip, b"heard")));
    bench.run(73);
    assert_eq!(bench.sent("ue1 > Service Request"), 1);
    for text in [b"unheard".as_slice(), b"heard"] {
        assert!(bench.facts.contains(&Fact::ReceivedIp { ue: 1, packet: packet(SERVER, ip, text) }));
    }
}

#[test]
fn a_ue_answers_a_page_of_its_own_and_no_other() {
    let mut bench = idle(3_240);
    let (code, tmsi) = bench.s_tmsi(1);
    let asked = bench.sent("ue1 > Service Request");
    for other in [(code, tmsi ^ 1), (code ^ 1, tmsi)] {
        bench.ue(1, UeInput::Air(air::page(other)));
        let end = bench.now() + Duration::from_secs(1);
        bench.run_until(end);
        assert_eq!((bench.connections(1), bench.sent("ue1 > Service Request")), (0, asked));
    }
    bench.ue(1, UeInput::Air(air::page((code, tmsi))));
    let end = bench.now() + Duration::from_secs(1);
    bench.run_until(end);
    assert_eq!((bench.connections(1), bench.sent("ue1 > Service Request")), (1, asked + 1));
}

#[test]
fn a_service_request_of_somebody_else_changes_nothing() {
    let mut bench = idle(3_240);
    let ip = bench.ip_of(1).unwrap();
    // Somebody who knows the S-TMSI, and has no key: any SERVICE REQUEST, by the name of the UE.
    let tmsi = bench.s_tmsi(1);
    for nas in [[0xc7, 0x03, 0, 0], [0xc7, 0x00, 0x12, 0x34], [0xc7, 0xe0, 0, 0]] {
        bench.enb(1, cellbed::ran::EnbInput::Air { ue: 9, frame: air::request_of(tmsi) });
        bench.enb(1, cellbed::ran::EnbInput::Air { ue: 9, frame: air::setup_complete(nas.to_vec()) });
        let end = bench.now() + Duration::from_secs(2);
        bench.run_until(end);
    }
    assert_eq!(bench.sent("mme > InitialContextSetupRequest"), 1);
    // EMM cause 9, in the clear.
    assert_eq!(
        bench.bytes.iter().filter(|bytes| bytes.windows(3).any(|w| w == [0x07, 0x4e, 0x09])).count(),
        3
    );
    assert!(bench.attestation(ip).is_some());
    let still = packet(ip, SERVER, b"mine");
    bench.ue(1, UeInput::SendIp(still.clone()));
    bench.run(40);
    assert!(bench.facts.contains(&Fact::Sgi(still)));
    assert_eq!(bench.sent("ue1 > Attach Request"), 1);
}

#[test]
fn a_service_request_of_before_proves_nothing() {
    let mut bench = idle(3_240);
    let ip = bench.ip_of(1).unwrap();
    let tmsi = bench.s_tmsi(1);
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"once")));
    bench.run(20);
    let request = bench.bytes.iter().rfind(|bytes| bytes.len() == 4 && bytes[0] == 0xc7).unwrap().clone();
    assert_eq!(bench.sent("mme > InitialContextSetupRequest"), 2);
    bench.enb(1, cellbed::ran::EnbInput::Air { ue: 9, frame: air::request_of(tmsi) });
    bench.enb(1, cellbed::ran::EnbInput::Air { ue: 9, frame: air::setup_complete(request) });
    bench.run(30);
    // The UE keeps its connection, and the copy gets none.
    assert_eq!((bench.sent("mme > InitialContextSetupRequest"), bench.connections(1)), (2, 1));
}

#[test]
fn a_network_that_knows_nothing_of_the_ue_has_it_attach() {
    let mut bench = idle(3_240);
    let ip = bench.ip_of(1).unwrap();
    bench.restart_core(config(), 1);
    bench.run(20);
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"who is there?")));
    bench.run(40);
    assert_eq!(bench.sent("ue1 < Service Reject cause=9"), 1);
    assert_eq!(bench.sent("ue1 > Attach Request"), 2);
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 1));
}

#[test]
fn a_connection_on_which_nothing_passes_is_given_up() {
    let mut bench = Bench::with_inactivity(config(), Duration::from_secs(10));
    bench.power_on(1, 100);
    bench.run(8);
    let ip = bench.ip_of(1).unwrap();
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"up")));
    bench.run(14);
    bench.core(EpcInput::Sgi(&packet(SERVER, ip, b"down")));
    bench.run(23);
    assert_eq!((bench.connections(1), bench.sent("enb1 > UEContextReleaseRequest")), (1, 0));
    bench.run(25);
    assert_eq!((bench.connections(1), bench.contexts()), (0, 1));
    assert_eq!(bench.sent("enb1 > UEContextReleaseRequest"), 1);
    bench.core(EpcInput::Sgi(&packet(SERVER, ip, b"again")));
    bench.run(27);
    assert_eq!((bench.connections(1), bench.sent("ue1 > Service Request")), (1, 1));
    // What it says on that connection is secured.
    bench.ue(1, UeInput::Detach);
    bench.run(30);
    assert!(bench.facts.contains(&Fact::Detached { ue: 1 }));
    assert_eq!((bench.contexts(), bench.sent("ue1 > Detach Request")), (0, 1));
}

#[test]
fn a_ue_that_is_gone_is_detached_and_its_attestation_ends() {
    let mut bench = idle(120);
    let ip = bench.ip_of(1).unwrap();
    // Nobody hears it any more.
    bench.lose_if(|_, _, frame| matches!(frame, cellbed::world::Payload::Up(_)));
    // T3412, and four minutes twice.
    bench.run(120 + 480);
    assert!(bench.attestation(ip).is_some());
    bench.run(120 + 480 + 10);
    assert_eq!((bench.attestation(ip), bench.contexts()), (None, 0));
    assert!(bench.facts.contains(&Fact::SessionDown(ip)));
    // It is heard again, and told to attach.
    bench.lose_if(|_, _, _| false);
    bench.run(1_600);
    assert_eq!(bench.sent("ue1 < Tracking Area Update Reject cause=10"), 1);
    assert!(bench.attestation(bench.ip_of(1).unwrap()).is_some());
}

#[test]
fn without_t3412_nobody_is_taken_for_gone() {
    let mut bench = idle(0);
    bench.run(100_000);
    assert_eq!((bench.contexts(), bench.sent("Tracking Area Update")), (1, 0));
}

#[test]
fn an_update_is_tried_five_times_and_then_rarely() {
    let mut bench = idle(60);
    bench.lose_if(|_, _, frame| matches!(frame, cellbed::world::Payload::Down(_)));
    bench.run(60 + 10 + 5 * 25);
    let tries = || {
        bench
            .facts
            .iter()
            .filter(|f| **f == Fact::State("ue1.emm REGISTERED -> TRACKING_AREA_UPDATING_INITIATED".into()))
            .count()
    };
    assert_eq!(tries(), 5);
    bench.lose_if(|_, _, _| false);
    bench.run(1_000);
    // The network had given it up meanwhile.
    assert!(bench.attestation(bench.ip_of(1).unwrap()).is_some());
}

#[test]
fn a_detach_without_proof_leaves_everybody_where_they_are() {
    let mut bench = idle(3_240);
    let ip = bench.ip_of(1).unwrap();
    for switch_off in [false, true] {
        let identity = Identity::Imsi("001010000000001".into());
        let nas = octets(Emm::DetachRequest { switch_off, ksi: 7, identity });
        bench.enb(1, cellbed::ran::EnbInput::Air { ue: 9, frame: air::request() });
        let frame = air::setup_complete(nas);
        bench.enb(1, cellbed::ran::EnbInput::Air { ue: 9, frame });
        let end = bench.now() + Duration::from_secs(20);
        bench.run_until(end);
    }
    assert!(bench.attestation(ip).is_some());
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 0));
    let dropped = format!("{:?}", bench.facts).matches("NAS message dropped").count();
    assert_eq!(dropped, 2);
}

#[test]
fn a_detach_of_nobody_is_accepted() {
    let mut raw = Raw::new(config(), 1);
    let identity = Identity::Imsi("001010000000001".into());
    raw.initial(1, 1, octets(Emm::DetachRequest { switch_off: false, ksi: 7, identity }));
    assert!(matches!(raw.nas(1).pop().unwrap().1, cellbed::wire::nas::Message::Emm(Emm::DetachAccept)));
    raw.wait(20);
    assert_eq!(raw.epc.contexts(), 0);
}

#[test]
fn both_temporary_identities_hold_until_the_new_one_is_confirmed() {
    let (mut raw, mut phone) = (Raw::new(config(), 1), Phone::new());
    let first = phone.attach(&mut raw, 1, attach_request(0)).guti.unwrap();
    let come = |raw: &mut Raw, phone: &mut Phone, id: u32, guti: Guti| {
        let mut request = attach_request(0);
        (request.identity, request.ksi) = (Identity::Guti(guti), 0);
        let nas = phone.protect(Emm::AttachRequest(request).into(), SecurityHeader::Integrity);
        raw.out.clear();
        raw.initial(1, id, nas);
    };
    // The ATTACH ACCEPT with the second GUTI is lost: the UE comes with the first, and the IMSI is not asked for.
    come(&mut raw, &mut phone, 2, first);
    let Some(cellbed::wire::nas::Message::Emm(Emm::AttachAccept(second))) = phone.received(&raw) else {
        panic!("{:?}", raw.out)
    };
    come(&mut raw, &mut phone, 3, first);
    let Some(cellbed::wire::nas::Message::Emm(Emm::AttachAccept(third))) = phone.received(&raw) else {
        panic!("{:?}", raw.out)
    };
    assert_ne!(second.guti, third.guti);
    // The ATTACH COMPLETE was lost: it comes with the third.
    come(&mut raw, &mut phone, 4, third.guti.unwrap());
    assert!(matches!(phone.received(&raw), Some(cellbed::wire::nas::Message::Emm(Emm::AttachAccept(_)))));
    assert_eq!(raw.challenges(), 1);
}

#[test]
fn a_release_while_it_is_idle_changes_nothing() {
    let mut bench = idle(120);
    bench.ue(1, UeInput::RadioLinkFailure);
    bench.run(600);
    assert!(bench.sent("ue1 < Tracking Area Update Accept") >= 3);
}
