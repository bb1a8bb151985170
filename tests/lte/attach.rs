//! Attach, data, detach, and how they fail when everybody keeps to the rules.

use cellbed::corenet::{Epc, EpcInput, HssFault};
use cellbed::kernel::{Duration, RngTree};
use cellbed::ran::{EnbInput, UeInput};
use cellbed::wire::nas::AlgorithmSet;

use crate::bench::{Bench, SERVER, config, imsi, packet};
use crate::log::{EEA0, Fact};

fn attached(config: cellbed::corenet::EpcConfig) -> Bench {
    let mut bench = Bench::new(config, 1);
    bench.power_on(1, 100);
    bench.run(5);
    bench
}

#[test]
fn every_algorithm_attaches() {
    for eia in 1..=3 {
        for eea in 0..=3 {
            EEA0.set(eea == 0);
            let mut config = config();
            (config.eia, config.eea) = (vec![eia], vec![eea]);
            let bench = attached(config);
            let ip = bench.ip_of(1).unwrap_or_else(|| panic!("EIA{eia} EEA{eea}: {:#?}", bench.facts));
            let command = format!("Security Mode Command ksi=0 eia={eia} eea={eea}");
            assert_eq!(bench.sent(&command), 1);
            let attestation = bench.attestation(ip).unwrap();
            assert_eq!(attestation.imsi, imsi(0));
            assert_eq!(attestation.imei.as_ref().unwrap(), &cellbed::id::Imei::test(1));
            assert_eq!(attestation.apn, "internet");
        }
    }
    EEA0.set(false);
}

#[test]
fn the_ladder_of_an_attach() {
    let bench = attached(config());
    let lines: Vec<&str> = bench
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Sent(line) if !line.contains("enb2") => Some(line.trim_end()),
            _ => None,
        })
        .skip_while(|line| !line.starts_with("ue1"))
        .collect();
    assert_eq!(
        lines,
        [
            "ue1 > Attach Request imsi=001010000000001 esm=PDN Connectivity Request",
            "enb1 > InitialUEMessage",
            "mme > hss Authentication-Information-Request imsi=001010000000001",
            "hss > mme Authentication-Information-Answer result=SUCCESS",
            "mme > DownlinkNASTransport",
            "ue1 < Authentication Request ksi=0",
            "ue1 > Authentication Response",
            "enb1 > UplinkNASTransport",
            "mme > DownlinkNASTransport",
            "ue1 < Security Mode Command ksi=0 eia=2 eea=2",
            "ue1 > Security Mode Complete",
            "enb1 > UplinkNASTransport",
            "mme > hss Update-Location-Request imsi=001010000000001",
            "hss > mme Update-Location-Answer result=SUCCESS",
            "mme > InitialContextSetupRequest",
            "ue1 < Attach Accept esm=Activate Default EPS Bearer Context Request ip=10.45.0.2 apn=internet",
            "ue1 > Attach Complete esm=Activate Default EPS Bearer Context Accept",
            "enb1 > InitialContextSetupResponse",
            "enb1 > UplinkNASTransport",
        ]
    );
}

#[test]
fn a_run_repeats_byte_for_byte() {
    let (one, two) = (attached(config()), attached(config()));
    assert_eq!(one.bytes, two.bytes);
    assert_eq!(one.facts, two.facts);
}

#[test]
fn null_integrity_is_refused_in_the_configuration() {
    for eia in [vec![0], vec![2, 0]] {
        let mut config = config();
        config.eia = eia;
        let error = Epc::new(config, RngTree::new(7)).err().unwrap();
        assert!(error.to_string().contains("TS 33.401 clause 5.1.4.1 permits it in emergency calls alone"));
    }
}

#[test]
fn a_t3412_that_cannot_be_told_is_refused_in_the_configuration() {
    let mut config = config();
    config.t3412 = Duration::from_secs(11_161);
    assert!(Epc::new(config, RngTree::new(7)).err().unwrap().to_string().contains("T3412"));
}

#[test]
fn no_common_integrity_is_refused_by_the_network() {
    let mut bench = Bench::with(config(), 1, |ue| ue.eia = AlgorithmSet::of(&[]));
    bench.power_on(1, 100);
    let other = bench.add_ue(0, |_| {});
    bench.run(5);
    assert_eq!(bench.failure(1), Some(("emm-cause-23", true)));
    // The MME goes on.
    bench.ue(other, UeInput::PowerOn);
    bench.run(10);
    assert!(bench.ip_of(other).is_some());
}

#[test]
fn data_passes_both_ways() {
    let mut bench = attached(config());
    let ip = bench.ip_of(1).unwrap();
    let up = packet(ip, SERVER, b"ping");
    bench.ue(1, UeInput::SendIp(up.clone()));
    let down = packet(SERVER, ip, b"pong");
    bench.core(EpcInput::Sgi(&down));
    bench.run(6);
    assert!(bench.facts.contains(&Fact::Sgi(up)));
    assert!(bench.facts.contains(&Fact::ReceivedIp { ue: 1, packet: down }));
    let spoofed = packet(SERVER, ip, b"I am the server");
    bench.ue(1, UeInput::SendIp(spoofed.clone()));
    bench.run(7);
    assert!(!bench.facts.contains(&Fact::Sgi(spoofed)));
}

#[test]
fn the_first_packet_of_a_device_is_not_lost() {
    for overtakes in [false, true] {
        let mut bench = Bench::new(config(), 1);
        bench.power_on(1, 100);
        while bench.ip_of(1).is_none() {
            bench.step();
        }
        let ip = bench.ip_of(1).unwrap();
        let up = packet(ip, SERVER, b"SYN");
        if overtakes {
            // The signalling that puts its bearer up is still on the air.
            let frame = bench.intercept(1, up.clone());
            bench.enb(1, EnbInput::Air { ue: 1, frame });
        } else {
            bench.ue(1, UeInput::SendIp(up.clone()));
        }
        bench.run(6);
        assert!(bench.facts.contains(&Fact::Sgi(up)));
    }
}

#[test]
fn detach_ends_the_session_and_the_guti_serves_again() {
    let mut bench = attached(config());
    let ip = bench.ip_of(1).unwrap();
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    assert!(bench.facts.contains(&Fact::Detached { ue: 1 }));
    assert!(bench.facts.contains(&Fact::SessionDown(ip)));
    assert_eq!((bench.attestation(ip), bench.contexts()), (None, 0));
    assert_eq!(bench.connections(1), 0);
    assert_eq!(bench.sent("Detach Request"), 1);
    assert_eq!(bench.sent("Detach Accept"), 1);
    // A UE that is on attaches again only when it is told to; its next life shows the GUTI.
    bench.ue(1, UeInput::Attach);
    bench.run(20);
    assert_eq!(bench.sent("Attach Request tmsi="), 1);
    assert_eq!(bench.sent("Identity Request"), 0);
    assert_ne!(bench.ip_of(1), Some(ip));
}

#[test]
fn an_unknown_guti_is_asked_for_its_imsi() {
    let mut bench = attached(config());
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    bench.restart_core(config(), 1);
    bench.run(11);
    bench.ue(1, UeInput::Attach);
    bench.run(30);
    assert_eq!(bench.sent("ue1 < Identity Request type=imsi"), 1);
    assert!(
        bench.facts.iter().filter(|f| matches!(f, Fact::Attached { .. })).count() == 2,
        "{:#?}",
        bench.facts
    );
}

#[test]
fn the_wanted_access_point_travels_ciphered() {
    let mut bench = Bench::with(config(), 2, |ue| {
        ue.apn = Some(if ue.actor == cellbed::event::Actor::ue(1) { "Internet" } else { "other" }.into());
    });
    bench.ue(1, UeInput::PowerOn);
    bench.ue(2, UeInput::PowerOn);
    bench.run(5);
    assert_eq!(bench.sent("ESM Information Request"), 2);
    assert_eq!(bench.sent("ue1 > ESM Information Response apn=Internet"), 1);
    assert!(bench.ip_of(1).is_some());
    assert_eq!(bench.failure(2), Some(("esm-cause-27", false)));
    assert_eq!(bench.contexts(), 1);
}

/// TS 24.301 clause 6.5.1.4: what asking again cannot cure is not asked again. T3411 would have had the UE try after 10 s,
/// T3402 after 12 minutes.
#[test]
fn an_access_point_that_is_not_there_is_asked_for_once() {
    let mut bench = Bench::with(config(), 1, |ue| ue.apn = Some("meters.exmaple".into()));
    bench.ue(1, UeInput::PowerOn);
    bench.run(3_600);
    assert_eq!(bench.sent("Attach Request"), 1);
    assert_eq!((bench.failure(1), bench.contexts()), (Some(("esm-cause-27", false)), 0));
    // Somebody who switches it off and on has it try once more, and no oftener.
    bench.ue(1, UeInput::Attach);
    bench.run(7_200);
    assert_eq!(bench.sent("Attach Request"), 2);
}

#[test]
fn a_stale_sequence_number_is_resynchronised() {
    let mut config = config();
    config.hss_fault = HssFault::SqnBehind;
    let bench = attached(config);
    assert_eq!(bench.sent("Authentication Failure cause=21"), 1);
    assert!(bench.ip_of(1).is_some(), "{:#?}", bench.facts);
}

#[test]
fn wrong_keys_and_wrong_macs_end_the_attempt() {
    for fault in [HssFault::WrongKey, HssFault::WrongMac] {
        let mut config = config();
        config.hss_fault = fault;
        let mut bench = attached(config);
        bench.run(1_700);
        assert_eq!(bench.failure(1), Some(("mac-failure", false)));
        assert_eq!(bench.sent("Authentication Failure cause=20"), 2);
        assert_eq!(bench.sent("Authentication Reject"), 1);
        assert_eq!(bench.sent("Attach Request"), 1);
        assert_eq!((bench.contexts(), bench.connections(1)), (0, 0));
    }
}

#[test]
fn an_unknown_subscriber_is_refused_for_good() {
    let mut bench = Bench::new(config(), 1);
    let stranger = bench.add_ue(99, |_| {});
    bench.ue(stranger, UeInput::PowerOn);
    bench.run(1_700);
    assert_eq!(bench.failure(stranger), Some(("emm-cause-8", false)));
    assert_eq!(bench.sent("result=USER_UNKNOWN"), 1);
    assert_eq!(bench.sent("Attach Reject cause=8"), 1);
    assert_eq!(bench.contexts(), 0);
}

#[test]
fn a_second_attach_with_one_imsi_ends_the_first() {
    let mut bench = attached(config());
    let first = bench.ip_of(1).unwrap();
    let twin = bench.add_ue(0, |_| {});
    bench.cover(1, 1..=1);
    bench.cover(2, twin..=twin);
    bench.ue(twin, UeInput::PowerOn);
    bench.run(20);
    // The twin's card has its own idea of the sequence number, which the network follows.
    let second = bench.ip_of(twin).unwrap_or_else(|| panic!("{:#?}", bench.facts));
    assert!(bench.facts.contains(&Fact::SessionDown(first)));
    assert!(bench.attestation(first).is_none());
    assert_eq!(bench.attestation(second).unwrap().imsi, imsi(0));
    assert_eq!((bench.connections(1), bench.connections(2)), (0, 1));
    assert_eq!(bench.contexts(), 1);
}

#[test]
fn the_operator_takes_a_subscriber_off() {
    let mut bench = attached(config());
    bench.core(EpcInput::Withdraw { imsi: &imsi(0) });
    bench.run(10);
    assert!(bench.facts.contains(&Fact::Detached { ue: 1 }));
    assert_eq!(bench.sent("ue1 > Detach Accept"), 1);
    assert_eq!((bench.contexts(), bench.connections(1)), (0, 0));
}

#[test]
fn a_lost_association_leaves_the_registration_and_the_ue_comes_back() {
    let mut bench = attached(config());
    let ip = bench.ip_of(1).unwrap();
    bench.core(EpcInput::S1Lost { enb: 1 });
    bench.enb(1, EnbInput::S1Lost);
    bench.run(6);
    assert!(bench.attestation(ip).is_some());
    bench.core(EpcInput::S1Connected { enb: 1 });
    bench.enb(1, EnbInput::S1Connected);
    bench.run(7);
    let still = packet(ip, SERVER, b"still there?");
    bench.ue(1, UeInput::SendIp(still.clone()));
    bench.run(15);
    assert!(bench.facts.contains(&Fact::Sgi(still)));
    assert!(!bench.facts.contains(&Fact::SessionDown(ip)));
    assert_eq!((bench.contexts(), bench.sent("ue1 > Service Request")), (1, 1));
}

#[test]
fn two_hundred_devices() {
    let mut bench = Bench::new(config(), 200);
    bench.cover(1, 1..=100);
    bench.cover(2, 101..=200);
    for ue in 1..=200 {
        bench.power_on(ue, 100 + u64::from(ue));
    }
    bench.run(10);
    let mut addresses: Vec<_> = (1..=200).map(|ue| bench.ip_of(ue).unwrap()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!((addresses.len(), bench.contexts()), (200, 200));
    for ue in 1..=200 {
        bench.ue(ue, UeInput::Detach);
    }
    bench.run(20);
    assert_eq!(bench.contexts(), 0);
}

#[test]
fn a_base_station_of_another_network_is_refused() {
    let mut bench = Bench::new(config(), 0);
    let stranger = cellbed::ran::EnbConfig::new(2, "001-02".parse().unwrap(), 7);
    bench.run(1);
    bench.replace_enb(2, cellbed::ran::Enb::new(stranger, &cellbed::kernel::RngTree::new(8)));
    bench.run(2);
    assert!(bench.facts.contains(&Fact::State("enb2.s1 REFUSED".into())));
}
