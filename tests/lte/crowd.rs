//! Many who claim to be somebody, and nobody who proves it.

use cellbed::corenet::EpcInput;
use cellbed::kernel::RngTree;
use cellbed::ran::{Enb, EnbConfig, EnbInput, UeInput};
use cellbed::wire::nas::{Emm, EmmCause, Message};
use cellbed::wire::s1ap::{ContextReleaseComplete, Kind, OverloadAction, OverloadStart, OverloadStop, UeIds};

use cellbed::wire::rrc::connection::EstablishmentCause;

use crate::air;
use crate::bench::{Bench, PLMN, TAC, at, config, imsi};
use crate::raw::{Raw, attach_request, gummei, octets};

#[test]
fn fifty_thousand_attaches_in_one_name_leave_four_contexts_and_cost_five_challenges() {
    let mut raw = Raw::new(config(), 1);
    for id in 0..50_000 {
        raw.initial(1, id, octets(Emm::AttachRequest(attach_request(0))));
    }
    assert_eq!((raw.epc.contexts(), raw.challenges()), (4, 5));
    assert_eq!(raw.epc.connections_given_up(), 49_996);
    // Each of them is told once that it is over, and the answer to that is not answered.
    let releases = raw.kinds(1).iter().filter(|kind| **kind == Kind::UeContextReleaseCommand).count();
    assert_eq!(releases, 49_996);
    raw.out.clear();
    let complete = ContextReleaseComplete { ids: UeIds { mme: 1, enb: 0 } }.build().unwrap();
    raw.give(EpcInput::S1 { enb: 1, bytes: &complete.encode().unwrap() });
    assert!(raw.out.is_empty());
    // What was left behind ends by its timers.
    raw.wait(120);
    assert_eq!(raw.epc.contexts(), 0);
}

#[test]
fn a_device_attaches_beside_those_who_claim_its_name() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    let forged = octets(Emm::AttachRequest(attach_request(0)));
    for round in 0..40 {
        for ue in 100..110 {
            bench.enb(1, EnbInput::Air { ue, frame: air::request() });
            let nas = forged.clone();
            bench.enb(1, EnbInput::Air { ue, frame: air::setup_complete(nas) });
        }
        if round == 5 {
            bench.ue(1, UeInput::PowerOn);
        }
        bench.run_until(at(1_000 + 1_000 * round));
    }
    bench.run(100);
    assert!(bench.ip_of(1).is_some());
    assert_eq!(bench.contexts(), 1);
    assert!(bench.sent("Authentication-Information-Request") <= 11);
}

#[test]
fn failures_of_a_stranger_do_not_use_up_the_sequence_numbers_of_a_card() {
    let mut raw = Raw::new(config(), 1);
    for id in 0..1_000 {
        raw.out.clear();
        raw.initial(1, id, octets(Emm::AttachRequest(attach_request(0))));
        while let Some((ids, Message::Emm(Emm::AuthenticationRequest { .. }))) = raw.nas(1).pop() {
            raw.out.clear();
            let failure = Emm::AuthenticationFailure { cause: EmmCause::MAC_FAILURE, auts: None };
            raw.uplink(1, ids, octets(failure));
        }
    }
    assert_eq!(raw.challenges(), 5);
    // The last of them was told that there is too much to do, without T3346, which nothing would protect.
    raw.out.clear();
    raw.initial(1, 5_000, octets(Emm::AttachRequest(attach_request(0))));
    let (ids, _) = raw.nas(1).pop().unwrap();
    raw.out.clear();
    raw.uplink(1, ids, octets(Emm::AuthenticationFailure { cause: EmmCause::MAC_FAILURE, auts: None }));
    let Some((_, Message::Emm(Emm::AttachReject(reject)))) = raw.nas(1).pop() else {
        panic!("{:?}", raw.nas(1))
    };
    assert_eq!((reject.cause, reject.back_off_s), (EmmCause::CONGESTION, None));
    // A minute later the subscriber is challenged again.
    raw.wait(61);
    raw.initial(1, 6_000, octets(Emm::AttachRequest(attach_request(0))));
    assert_eq!(raw.challenges(), 6);
}

#[test]
fn connections_without_proof_have_a_bound_and_base_stations_are_slowed_down() {
    let mut small = config();
    (small.pending.in_all, small.pending.of_base_station) = (60, 40);
    let mut raw = Raw::new(small, 100);
    for n in 0..29 {
        raw.initial(1, n, octets(Emm::AttachRequest(attach_request(n))));
    }
    assert!(!raw.kinds(1).contains(&Kind::OverloadStart));
    for n in 29..70 {
        raw.initial(1, n, octets(Emm::AttachRequest(attach_request(n))));
    }
    assert_eq!(raw.epc.contexts(), 40);
    // The base station that is full is slowed down, once; the other one is not.
    let starts = |raw: &Raw, enb| raw.kinds(enb).iter().filter(|kind| **kind == Kind::OverloadStart).count();
    assert_eq!((starts(&raw, 1), starts(&raw, 2)), (1, 0));
    for n in 70..100 {
        raw.initial(2, n, octets(Emm::AttachRequest(attach_request(n))));
    }
    assert_eq!(raw.epc.contexts(), 60);
    assert_eq!((starts(&raw, 1), starts(&raw, 2)), (1, 1));
    // One that begins anew meanwhile is told as well.
    raw.out.clear();
    raw.set_up(2);
    assert_eq!(starts(&raw, 2), 0);
    // When the crowd has gone everybody is welcome again.
    raw.wait(120);
    assert_eq!(raw.epc.contexts(), 0);
    assert!(raw.kinds(1).contains(&Kind::OverloadStop));
}

#[test]
fn a_base_station_lets_nobody_in_while_the_mme_has_too_much_to_do() {
    let mut enb = Enb::new(EnbConfig::new(1, PLMN.parse().unwrap(), TAC), &RngTree::new(7));
    let mut out = Vec::new();
    let mut give = |enb: &mut Enb, input: EnbInput<'_>| {
        out.clear();
        enb.handle(at(0), input, &mut out).unwrap();
        out.clone()
    };
    give(&mut enb, EnbInput::S1Connected);
    let response = cellbed::wire::s1ap::S1SetupResponse { name: None, served: vec![gummei()], capacity: 1 };
    give(&mut enb, EnbInput::S1(&response.build().unwrap().encode().unwrap()));
    let ask = EnbInput::Air { ue: 1, frame: air::request() };
    let start = |action| OverloadStart { action }.build().unwrap().encode().unwrap();
    let stop = OverloadStop.build().unwrap().encode().unwrap();
    assert!(!give(&mut enb, ask.clone()).iter().any(air::rejects));
    for action in [OverloadAction::RejectSignalling, OverloadAction::RejectData] {
        give(&mut enb, EnbInput::S1(&start(action)));
        // The connection is asked for to signal: an action against data alone leaves them.
        let expected = action == OverloadAction::RejectSignalling;
        assert_eq!(give(&mut enb, ask.clone()).iter().any(air::rejects), expected);
    }
    give(&mut enb, EnbInput::S1(&start(OverloadAction::RejectSignalling)));
    give(&mut enb, EnbInput::S1(&stop));
    assert!(!give(&mut enb, ask.clone()).iter().any(air::rejects));
    // Who is called is let in all the same.
    give(&mut enb, EnbInput::S1(&start(OverloadAction::RejectSignalling)));
    for (cause, expected) in [
        (EstablishmentCause::MoSignalling, true),
        (EstablishmentCause::MoData, true),
        (EstablishmentCause::MtAccess, false),
        (EstablishmentCause::Emergency, false),
    ] {
        let ask = EnbInput::Air { ue: 1, frame: air::request_for(cause) };
        assert_eq!(give(&mut enb, ask).iter().any(air::rejects), expected, "{cause:?}");
    }
    give(&mut enb, EnbInput::S1(&stop));
    // Nor does it outlast the association.
    give(&mut enb, EnbInput::S1(&start(OverloadAction::RejectSignalling)));
    give(&mut enb, EnbInput::S1Lost);
    give(&mut enb, EnbInput::S1Connected);
    give(&mut enb, EnbInput::S1(&response.build().unwrap().encode().unwrap()));
    assert!(!give(&mut enb, ask).iter().any(air::rejects));
}

#[test]
fn strangers_of_all_names_leave_a_registered_device_alone() {
    let mut small = config();
    (small.pending.in_all, small.pending.of_base_station) = (200, 100);
    let mut bench = Bench::new(small, 1);
    bench.power_on(1, 100);
    bench.run(5);
    let ip = bench.ip_of(1).unwrap();
    for n in 0..2_000 {
        let nas = octets(Emm::AttachRequest(attach_request(1_000 + n)));
        let location =
            cellbed::wire::s1ap::Location { plmn: PLMN.parse().unwrap(), tac: TAC, enb: 2, cell: 1 };
        let message = cellbed::wire::s1ap::InitialUeMessage {
            enb: n,
            nas,
            location: Some(location),
            cause: Default::default(),
            s_tmsi: None,
        };
        let bytes = message.build().unwrap().encode().unwrap();
        bench.core(EpcInput::S1 { enb: 2, bytes: &bytes });
    }
    assert!(bench.contexts() <= 101);
    assert_eq!(bench.attestation(ip).unwrap().imsi, imsi(0));
    bench.run(60);
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 1));
}
