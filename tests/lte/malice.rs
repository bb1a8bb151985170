//! What nobody should send.

use cellbed::corenet::EpcInput;
use cellbed::ran::{Bearer, EnbInput, Frame, UeInput};
use cellbed::wire::s1ap::UeIds;
use proptest::prelude::*;

use crate::air;
use crate::bench::{Bench, at, config};
use crate::log::Fact;

/// The connection of the first UE.
const CONNECTION: UeIds = UeIds { mme: 1, enb: 1 };

fn attached() -> Bench {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    assert!(bench.ip_of(1).is_some());
    bench
}

#[test]
fn plain_messages_do_not_reach_a_secured_ue() {
    // ATTACH REJECT #8, DETACH REQUEST, AUTHENTICATION REJECT, IDENTITY REQUEST for the IMSI.
    for nas in ["074408", "074501", "0754", "075501"] {
        let mut bench = attached();
        let before = bench.facts.len();
        bench.ue_hears(CONNECTION, hex::decode(nas).unwrap());
        bench.run(20);
        let after = format!("{:?}", &bench.facts[before..]);
        assert!(after.contains("dropped=no integrity protection"), "{after}");
        assert_eq!(bench.facts.len(), before + 1, "{after}");
    }
}

#[test]
fn replayed_and_forged_messages_are_dropped() {
    let mut bench = attached();
    let protected: Vec<Vec<u8>> =
        bench.bytes.iter().filter(|bytes| bytes.first() == Some(&0x27)).cloned().collect();
    assert!(!protected.is_empty());
    for mut nas in protected {
        let before = bench.facts.len();
        bench.ue_hears(CONNECTION, nas.clone());
        nas[3] ^= 1;
        bench.ue_hears(CONNECTION, nas);
        assert!(
            bench.facts[before..].iter().all(|f| format!("{f:?}").contains("dropped=integrity check failed")),
            "{:?}",
            &bench.facts[before..]
        );
    }
}

#[test]
fn plain_messages_do_not_reach_a_secured_mme() {
    let mut bench = attached();
    // DETACH REQUEST of the UE, switched off, with an IMSI.
    let nas = hex::decode("0745090809101010000000001f").unwrap_or_default();
    bench.mme_hears(CONNECTION, nas);
    bench.run(20);
    assert_eq!(bench.contexts(), 1);
    assert!(format!("{:?}", bench.facts).contains("NAS message dropped"));
}

#[test]
fn nothing_without_integrity_passes_a_secured_radio() {
    for forged in
        [air::up(vec![0x07, 0x45]), air::setup_complete(vec![0x07, 0x41]), air::security_mode_failure()]
    {
        let mut bench = attached();
        let before = bench.facts.len();
        bench.enb(1, EnbInput::Air { ue: 1, frame: forged.clone() });
        bench.enb(1, EnbInput::Air { ue: 1, frame: Frame::new(Bearer::Srb2, forged.octets) });
        bench.run(20);
        let dropped = Fact::State("enb1.rrc message dropped".into());
        assert_eq!(&bench.facts[before..], [dropped.clone(), dropped]);
    }
    for forged in [air::down(vec![0x07, 0x54]), air::security_mode_command()] {
        let mut bench = attached();
        let before = bench.facts.len();
        bench.ue(1, UeInput::Air(forged.clone()));
        bench.ue(1, UeInput::Air(Frame::new(Bearer::Srb2, forged.octets)));
        bench.run(20);
        let dropped = Fact::State("ue1.rrc message dropped".into());
        assert_eq!(&bench.facts[before..], [dropped.clone(), dropped]);
    }
}

#[test]
fn malformed_s1ap_is_answered_and_unknown_identifiers_too() {
    let mut bench = attached();
    bench.core(EpcInput::S1 { enb: 1, bytes: &[0xff, 0x00] });
    assert_eq!(bench.sent("mme > ErrorIndication"), 1);
    bench.enb(1, EnbInput::S1(&[0xff, 0x00]));
    assert_eq!(bench.sent("enb1 > ErrorIndication"), 1);
    // A UE CONTEXT RELEASE REQUEST for MME UE 42, eNB UE 7.
    let stranger = hex::decode("0012401500000300000002002a000800020007000240020280").unwrap();
    bench.core(EpcInput::S1 { enb: 1, bytes: &stranger });
    assert_eq!(bench.sent("mme > ErrorIndication"), 2);
    bench.run(20);
    // Nobody answered an answer, and the UE is still there.
    assert_eq!(bench.sent("ErrorIndication"), 3);
    assert_eq!(bench.contexts(), 1);
}

#[test]
fn a_malformed_attach_is_rejected_as_such() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.enb(1, EnbInput::Air { ue: 1, frame: air::request() });
    let nas = hex::decode("0741010302983902e0e000").unwrap();
    bench.enb(1, EnbInput::Air { ue: 1, frame: air::setup_complete(nas) });
    bench.run(20);
    assert!(bench.bytes.iter().any(|bytes| bytes.windows(3).any(|w| w == [0x07, 0x44, 0x60])));
    assert_eq!((bench.contexts(), bench.connections(1)), (0, 0));
}

/// When the UE is switched on among noise.
const POWER_ON_MS: u64 = 20;

fn octets() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..80)
}

/// Octets that begin as a message would.
fn nearly_nas() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(vec![0x07u8, 0x17, 0x27, 0x37, 0x47, 0x02, 0x52]), octets())
        .prop_map(|(first, rest)| [&[first][..], &rest].concat())
}

/// A message of a real run with an octet changed.
fn mutated(all: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(all), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut bytes, at, value)| {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes
        },
    )
}

fn of_a_run() -> Vec<Vec<u8>> {
    let mut bench = attached();
    bench.ue(1, UeInput::Detach);
    bench.run(10);
    bench.bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_octets_anywhere(
        noise in proptest::collection::vec(
            prop_oneof![octets(), nearly_nas(), mutated(of_a_run()), mutated(of_a_run())], 1..24),
        at_ms in 0u64..250,
    ) {
        let mut bench = Bench::new(config(), 1);
        if at_ms >= POWER_ON_MS {
            bench.power_on(1, POWER_ON_MS);
        }
        bench.run_until(at(at_ms));
        for bytes in noise {
            bench.core(EpcInput::S1 { enb: 1, bytes: &bytes });
            bench.core(EpcInput::GtpU { from: [10, 53, 2, 1].into(), bytes: &bytes });
            bench.core(EpcInput::Sgi(&bytes));
            bench.enb(1, EnbInput::S1(&bytes));
            bench.enb(1, EnbInput::GtpU { from: [10, 53, 1, 2].into(), bytes: &bytes });
            for bearer in [Bearer::Bcch, Bearer::Pcch, Bearer::Ccch, Bearer::Srb1, Bearer::Srb2, Bearer::Drb(1)] {
                let frame = Frame::new(bearer, bytes.clone());
                bench.ue(1, UeInput::Air(frame.clone()));
                bench.enb(1, EnbInput::Air { ue: 1, frame });
            }
            bench.ue(1, UeInput::Air(air::down(bytes.clone())));
            bench.enb(1, EnbInput::Air { ue: 1, frame: air::up(bytes.clone()) });
            bench.enb(1, EnbInput::Air { ue: 9, frame: air::request() });
            bench.enb(1, EnbInput::Air { ue: 9, frame: air::setup_complete(bytes.clone()) });
            bench.ue(1, UeInput::SendIp(bytes));
        }
        bench.ue(1, UeInput::RadioLinkFailure);
        // A UE that is on already takes no notice.
        bench.power_on(1, POWER_ON_MS);
        bench.run(100);
    }
}
