use proptest::prelude::*;

use super::nb::{BcchBchNb, BcchDlSchNb, DlCcchNb, DlDcchNb, PcchNb, UlCcchNb, UlDcchNb};
use super::*;

/// What `draw` has made is written, read as it was, and written alike.
macro_rules! survives {
    ($octets:expr, $($channel:ident),*) => {$(
        if let Some(message) = $channel::drawn($octets) {
            let written = message.encode().unwrap();
            let again = $channel::decode(&written).unwrap();
            prop_assert_eq!(again.encode().unwrap(), written);
            prop_assert_eq!(again.label(), message.label());
        }
    )*};
}

proptest! {
    #[test]
    fn any_message_is_written_and_read_again(octets in proptest::collection::vec(any::<u8>(), 2..200)) {
        survives!(&octets, BcchBch, BcchDlSch, Pcch, UlCcch, DlCcch, UlDcch, DlDcch);
        survives!(&octets, BcchBchNb, BcchDlSchNb, PcchNb, UlCcchNb, DlCcchNb, UlDcchNb, DlDcchNb);
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        for &channel in Channel::ALL {
            let _ = label_of(channel, &octets);
            if let Ok(written) = channel.again(&octets) {
                // What is not canonical becomes so once.
                prop_assert_eq!(channel.again(&written), Ok(written));
            }
        }
    }
}

fn refusal(channel: Channel, octets: &[u8]) -> String {
    channel.again(octets).unwrap_err().to_string()
}

#[test]
fn what_is_no_message_says_where_it_ends() {
    // MasterInformationBlock with dl-Bandwidth 6 of 0 to 5.
    assert_eq!(
        refusal(Channel::BcchBch, &[0b1100_0000, 0, 0]),
        "BcchBch: MasterInformationBlock: dl_bandwidth: a value out of its range"
    );
    assert_eq!(
        refusal(Channel::UlCcch, &[0b0101_0000]),
        "UlCcch: RrcConnectionRequest: ue_identity: Random: the message ends here"
    );
    assert_eq!(refusal(Channel::UlCcch, &[]), "UlCcch: the message ends here");
    // Another octet behind RRCConnectionRequest, and a bit that is no padding behind SecurityModeComplete.
    assert_eq!(refusal(Channel::UlCcch, &[0x40, 0, 0, 0, 0, 0, 0, 0]), "UlCcch: octets follow the message");
    assert_eq!(refusal(Channel::UlDcch, &[0b0010_1000, 1]), "UlDcch: octets follow the message");
    assert_eq!(refusal(Channel::Pcch, &[0, 0, 1]), "Pcch: octets follow the message");
    assert_eq!(refusal(Channel::Pcch, &vec![0; LONGEST + 1]), "longer than the 8188 octets of a PDCP PDU");
    // Blocks of BCCH and PCCH are filled up with zeros.
    assert_eq!(Channel::Pcch.again(&[0, 0, 0]), Ok(vec![0]));
    // ULInformationTransfer with a NAS message in fragments, and with one that is not there.
    assert_eq!(
        refusal(Channel::UlDcch, &[0b0100_1000, 0b0001_1000, 0]),
        "UlDcch: UlInformationTransfer: info: Nas: a string in fragments"
    );
    assert_eq!(
        refusal(Channel::UlDcch, &[0b0100_1000, 0b0000_0101, 0]),
        "UlDcch: UlInformationTransfer: info: Nas: the message ends here"
    );
    assert_eq!(
        refusal(Channel::UlDcch, &[0b0101_0000, 0]),
        "UlDcch: counterCheckResponse is not spoken here"
    );
    assert_eq!(refusal(Channel::DlDcch, &[0b1000_0000]), "DlDcch: a later message is not spoken here");
}

#[test]
fn values_are_within_their_bounds() {
    assert_eq!((Int::<1, 6>::new(0), Int::<1, 6>::new(7)), (None, None));
    assert_eq!(Int::<1, 6>::new(6).map(Int::get), Some(6));
    assert_eq!((Int::<1, 6>::clamped(-1).get(), Int::<1, 6>::clamped(9).get()), (1, 6));
    assert_eq!((Index::<6>::clamped(5).get(), Index::<6>::clamped(6).get()), (5, 5));
    assert_eq!(OpenIndex::<8>::clamped(200).get(), 71);
    assert_eq!((Bits::<4>::of(0xff).get(), Bits::<64>::of(u64::MAX).get()), (15, u64::MAX));
    assert!(List::<bool, 1, 2>::new(Vec::new()).is_none());
    assert!(List::<bool, 1, 2>::new(vec![true; 3]).is_none());
    assert_eq!(List::<bool, 1, 2>::new(vec![true; 2]).map(|list| list.len()), Some(2));
}

#[test]
fn a_network_has_digits() {
    for text in ["00101", "310410"] {
        let plmn = text.parse().unwrap();
        assert_eq!(system::PlmnIdentity::of(plmn).plmn(), Some(plmn));
    }
    let later = system::PlmnIdentity { mcc: None, ..system::PlmnIdentity::default() };
    assert_eq!(later.plmn(), None);
}

#[test]
fn a_string_that_does_not_fit_is_refused() {
    let message = |length| {
        let info = security::DedicatedInfo::Nas(Octets(vec![0; length]));
        DlDcch::from(security::DlInformationTransfer { info, ..Default::default() }).encode()
    };
    assert!(message(8000).is_ok());
    assert_eq!(message(8188).unwrap_err().cause, Cause::TooLong);
    assert_eq!(message(16_384).unwrap_err().cause, Cause::Fragmented);
}

#[test]
fn algorithms_go_by_their_numbers() {
    for number in 0..4 {
        let algorithms = security::SecurityAlgorithmConfig {
            ciphering: security::CipheringAlgorithm::of(number).unwrap(),
            integrity: security::IntegrityAlgorithm::of(number).unwrap(),
        };
        assert_eq!((algorithms.ciphering.number(), algorithms.integrity.number()), (number, number));
        let config = security::SecurityConfigSmc { algorithms };
        let command = security::SecurityModeCommand { config, ..Default::default() };
        // Behind channel, transaction and choices: no later fields, nor additions; then two extensible enumerations.
        let octets = DlDcch::from(command).encode().unwrap();
        assert_eq!(octets, [0b0011_0000, number, number << 4], "{number}");
    }
    assert!(security::CipheringAlgorithm::of(4).is_none() && security::IntegrityAlgorithm::of(4).is_none());
}
