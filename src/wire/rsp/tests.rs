//! Every message reads back what it wrote, against encodings worked out by hand from the ASN.1 of SGP.22 annex H.

use proptest::prelude::*;

use super::*;
use crate::support::bent::bent;
use crate::wire::tlv;

const ICCID: IccidBytes = [0x98, 0x88, 0x12, 0x01, 0, 0, 0, 0, 0x10, 0xf1];

fn context() -> CtxParams1 {
    CtxParams1 { matching_id: Some("M1".to_owned()), device: DeviceInfo::lte([0x35, 0x29, 0x06, 0x11]) }
}

pub(super) fn euicc_info2() -> EuiccInfo2 {
    EuiccInfo2 {
        profile_version: [2, 3, 1],
        svn: [2, 5, 0],
        firmware: [1, 0, 0],
        ext_card_resource: vec![0x81, 1, 0, 0x82, 2, 0x40, 0, 0x83, 2, 0x10, 0],
        uicc_capability: vec![2, 0x7f, 0x36],
        ts102241_version: Some([15, 0, 0]),
        globalplatform_version: Some([2, 3, 0]),
        rsp_capability: vec![4, 0x90],
        ci_for_verification: vec![vec![0xaa; 20]],
        ci_for_signing: vec![vec![0xaa; 20]],
        category: None,
        forbidden_rules: Some(vec![0]),
        pp_version: [1, 0, 0],
        sas_accreditation_number: "CB-TEST-0001".to_owned(),
        further: Vec::new(),
    }
}

#[test]
fn authenticate_server_request_has_the_specified_shape() {
    let signed = ServerSigned1 {
        transaction_id: vec![1, 2],
        euicc_challenge: [0x11; 16],
        server_address: "smdp.example".to_owned(),
        server_challenge: [0x22; 16],
    };
    let request = AuthenticateServerRequest {
        server_signed1: signed.to_bytes(),
        server_signature1: [0x33; 64],
        ci_key_id: vec![0x44; 20],
        certificate: vec![0x30, 1, 0],
        ctx_params1: context(),
    };
    let expected = [
        "bf3881a9",
        "3036 8002 0102 8110 11111111111111111111111111111111 830c 736d64702e6578616d706c65",
        "8410 22222222222222222222222222222222",
        "5f3740",
        &"33".repeat(64),
        "0414",
        &"44".repeat(20),
        "300100",
        "a013 8002 4d31 a10d 8004 35290611 a105 8503 0f0000",
    ]
    .join("")
    .replace(' ', "");
    let bytes = request.to_bytes();
    assert_eq!(hex::encode(&bytes), expected);
    assert_eq!(AuthenticateServerRequest::parse(&bytes), Ok(request.clone()));
    assert_eq!(ServerSigned1::parse(&request.server_signed1), Ok(signed));
}

#[test]
fn messages_read_back() {
    let signed1 = EuiccSigned1 {
        transaction_id: vec![7; 16],
        server_address: "smdp.example".to_owned(),
        server_challenge: [1; 16],
        euicc_info2: euicc_info2(),
        ctx_params1: context(),
    };
    assert_eq!(EuiccSigned1::parse(&signed1.to_bytes()), Ok(signed1.clone()));
    for response in [
        AuthenticateServerResponse::Ok {
            euicc_signed1: signed1.to_bytes(),
            euicc_signature1: [1; 64],
            euicc_certificate: vec![0x30, 0],
            eum_certificate: vec![0x30, 1, 0],
        },
        AuthenticateServerResponse::Error { transaction_id: vec![1], code: 127 },
    ] {
        assert_eq!(AuthenticateServerResponse::parse(&response.to_bytes()), Ok(response.clone()));
    }
    let signed2 = SmdpSigned2 {
        transaction_id: vec![7],
        confirmation_code_required: true,
        bpp_euicc_otpk: Some(vec![4; 65]),
    };
    assert_eq!(SmdpSigned2::parse(&signed2.to_bytes()), Ok(signed2.clone()));
    let prepare = PrepareDownloadRequest {
        smdp_signed2: signed2.to_bytes(),
        smdp_signature2: [2; 64],
        hash_cc: Some([3; 32]),
        certificate: vec![0x30, 0],
    };
    assert_eq!(PrepareDownloadRequest::parse(&prepare.to_bytes()), Ok(prepare));
    let answer = EuiccSigned2 { transaction_id: vec![7], euicc_otpk: vec![4; 65], hash_cc: None };
    assert_eq!(EuiccSigned2::parse(&answer.to_bytes()), Ok(answer.clone()));
    let ok = PrepareDownloadResponse::Ok { euicc_signed2: answer.to_bytes(), euicc_signature2: [5; 64] };
    assert_eq!(PrepareDownloadResponse::parse(&ok.to_bytes()), Ok(ok));
    let cancel = CancelSessionRequest { transaction_id: vec![7], reason: 3 };
    assert_eq!(hex::encode(cancel.to_bytes()), "bf4106800107810103");
    assert_eq!(CancelSessionRequest::parse(&cancel.to_bytes()), Ok(cancel));
    assert_eq!(EuiccInfo2::parse(&euicc_info2().to_bytes()), Ok(euicc_info2()));
}

#[test]
fn profile_management_requests_have_the_tags_of_the_module() {
    let iccid = ProfileId::Iccid(ICCID);
    let enable = Switch { kind: SwitchKind::Enable, profile: iccid.clone(), refresh: true };
    assert_eq!(hex::encode(enable.to_bytes()), "bf3111a00c5a0a988812010000000010f18101ff");
    let delete = Switch { kind: SwitchKind::Delete, profile: iccid.clone(), refresh: false };
    assert_eq!(hex::encode(delete.to_bytes()), "bf330c5a0a988812010000000010f1");
    for switch in [enable, delete] {
        assert_eq!(Switch::parse(&switch.to_bytes()), Ok(switch));
    }
    assert_eq!(hex::encode(Switch::response(SwitchKind::Disable, 2)), "bf3203800102");
    let filter = ProfileFilter { profile: Some(iccid), class: None, tags: vec![0x5a, 0x90] };
    assert_eq!(ProfileFilter::parse(&filter.to_bytes()), Ok(filter));
    assert_eq!(ProfileFilter::parse(&hex::decode("bf2d00").unwrap()), Ok(ProfileFilter::default()));
}

#[test]
fn profile_lists_read_back() {
    let info = ProfileInfo {
        iccid: Some(ICCID),
        aid: Some(vec![0xa0; 16]),
        state: Some(ProfileState::Enabled),
        name: Some("operational".to_owned()),
        icon: Some(Icon { kind: Some(1), image: Some(vec![1, 2, 3]) }),
        class: Some(ProfileClass::Operational),
        notifications: vec![NotificationConfiguration {
            events: NotificationEvents::ALL,
            address: "smdp.example".to_owned(),
        }],
        owner: Some(OperatorId { mcc_mnc: [0, 0xf1, 0x10], gid1: Some(vec![1]), gid2: None }),
        rules: PolicyRules::PPR1,
        ..ProfileInfo::default()
    };
    let list = [info, ProfileInfo { iccid: Some(ICCID), ..ProfileInfo::default() }];
    assert_eq!(parse_profile_list(&ProfileInfo::response(&list)).unwrap(), list);
    let metadata = ProfileMetadata {
        iccid: ICCID,
        service_provider: "cellbed".to_owned(),
        name: "lte-test".to_owned(),
        icon: None,
        class: ProfileClass::Test,
        notifications: list[0].notifications.clone(),
        owner: list[0].owner.clone(),
        rules: PolicyRules(0xe0),
        further: Vec::new(),
    };
    assert_eq!(ProfileMetadata::parse(&metadata.to_bytes()), Ok(metadata));
}

#[test]
fn notifications_read_back() {
    let metadata = NotificationMetadata {
        sequence_number: 300,
        event: NotificationEvents::ENABLE,
        address: "smdp.example".to_owned(),
        iccid: Some(ICCID),
    };
    assert_eq!(
        hex::encode(metadata.to_bytes()),
        "bf2f228002012c810206400c0c736d64702e6578616d706c655a0a988812010000000010f1"
    );
    let results = [
        FinalResult::Success {
            aid: vec![0xa0; 16],
            sima_response: hex::decode("3007a0053003800100").unwrap(),
        },
        FinalResult::Error { command: 5, reason: 12, sima_response: Some(vec![0x30, 0]) },
    ];
    for result in results {
        let data = ProfileInstallationResultData {
            transaction_id: vec![1; 16],
            notification: metadata.clone(),
            smdp_oid: Some(vec![0x2b, 6]),
            result,
        };
        assert_eq!(ProfileInstallationResultData::parse(&data.to_bytes()), Ok(data.clone()));
        let signed = ProfileInstallationResult { data: data.to_bytes(), signature: [9; 64] };
        let pending = PendingNotification::Installation(signed);
        assert_eq!(PendingNotification::parse(&pending.to_bytes()), Ok(pending.clone()));
        assert_eq!(pending.metadata(), Ok(metadata.clone()));
    }
    let other = PendingNotification::Other(OtherSignedNotification {
        metadata: metadata.to_bytes(),
        signature: [9; 64],
        euicc_certificate: vec![0x30, 0],
        eum_certificate: vec![0x30, 0],
    });
    assert_eq!(PendingNotification::parse(&other.to_bytes()), Ok(other.clone()));
    let list = [other.to_bytes(), other.to_bytes()];
    assert_eq!(parse_pending_list(&RetrieveNotifications::response(&list)).unwrap(), list);
    assert_eq!(parse_pending_list(&RetrieveNotifications::response(&[])).unwrap(), Vec::<Vec<u8>>::new());
    let list = [metadata.clone(), metadata];
    assert_eq!(parse_notification_list(&ListNotificationRequest::response(&list)).unwrap(), list);
    let by_number = RetrieveNotifications::SequenceNumber(5);
    assert_eq!(hex::encode(by_number.to_bytes()), "bf2b05a003800105");
    for request in [by_number, RetrieveNotifications::All, RetrieveNotifications::EuiccPackageResults] {
        assert_eq!(RetrieveNotifications::parse(&request.to_bytes()), Ok(request));
    }
}

#[test]
fn a_bound_package_is_sent_in_the_specified_pieces() {
    let initialise = InitialiseSecureChannel {
        operation: InitialiseSecureChannel::INSTALL,
        transaction_id: vec![1; 16],
        key_type: InitialiseSecureChannel::AES,
        key_length: 16,
        host_id: b"host".to_vec(),
        smdp_otpk: vec![4; 65],
        smdp_sign: [7; 64],
    };
    assert_eq!(InitialiseSecureChannel::parse(&initialise.to_bytes()), Ok(initialise.clone()));
    let package = BoundProfilePackage {
        initialise_secure_channel: initialise.to_bytes(),
        configure_isdp: vec![vec![1; 24]],
        store_metadata: vec![vec![2; 100], vec![3; 50]],
        replace_session_keys: Some(vec![vec![4; 72]]),
        profile: vec![vec![5; 1016], vec![6; 500]],
    };
    let bytes = package.to_bytes();
    assert_eq!(BoundProfilePackage::parse(&bytes), Ok(package.clone()));
    let pieces = package.pieces();
    assert_eq!(pieces.concat(), bytes, "nothing is left out or repeated");
    let tags: Vec<_> = pieces.iter().map(|piece| tlv::header(piece).unwrap().0).collect();
    assert_eq!(tags, [0xbf36, 0xa0, 0xa1, 0x88, 0x88, 0xa2, 0xa3, 0x86, 0x86]);
    assert_eq!(pieces[7].len(), 1020);
}

/// Data objects, one in another, with the tags that the messages of SGP.22 and SGP.32 have most often, and sometimes
/// anything at all.
pub(super) fn objects() -> impl Strategy<Value = Vec<u8>> {
    let tags = vec![
        0x02u16, 0x04, 0x05, 0x0c, 0x30, 0x4f, 0x5a, 0x5c, 0x5f37, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86,
        0x87, 0x88, 0x90, 0x91, 0x92, 0x9f70, 0xb7, 0xbf2f, 0xe3,
    ];
    let length = prop::sample::select(vec![0usize, 1, 2, 4, 10, 16, 20, 64, 65]);
    let leaf = (prop::sample::select(tags), length, any::<[u8; 4]>()).prop_map(|(tag, length, fill)| {
        tlv(tag, &[&fill.into_iter().cycle().take(length).collect::<Vec<u8>>()])
    });
    let groups =
        vec![0x30u16, 0xa0, 0xa1, 0xa2, 0xa3, 0xa5, 0xa6, 0xa8, 0xb0, 0xb1, 0xe3, 0xbf27, 0xbf2f, 0xbf25];
    let tree = leaf.prop_recursive(4, 24, 6, move |inner| {
        (prop::sample::select(groups.clone()), prop::collection::vec(inner, 0..6))
            .prop_map(|(tag, inside)| tlv(tag, &[&inside.concat()]))
    });
    let random = prop::collection::vec(any::<u8>(), 0..120);
    let tree = prop::collection::vec(tree, 0..6).prop_map(|objects| objects.concat());
    prop_oneof![6 => numbered(), 2 => tree, 1 => random]
}

/// Fields as AUTOMATIC TAGS number them, each there or not, of text, numbers or fields again.
fn numbered() -> impl Strategy<Value = Vec<u8>> {
    let content = prop_oneof![
        "[a-z.]{0,20}".prop_map(String::into_bytes),
        "[\\x00-\\x7f]{1,3}".prop_map(String::into_bytes)
    ];
    let fields = |inside: BoxedStrategy<Vec<u8>>, group: u16| {
        let field = prop_oneof![1 => Just(None), 1 => inside.prop_map(Some)];
        prop::collection::vec(field, 0..8).prop_map(move |fields| {
            let there = (0..).zip(fields).filter_map(|(number, field)| Some(tlv(group + number, &[&field?])));
            there.flatten().collect::<Vec<u8>>()
        })
    };
    let flat = fields(content.boxed(), 0x80).boxed();
    prop_oneof![3 => flat.clone(), 1 => fields(flat, 0xa0)]
}

/// What of these types is read of some bytes is the same when it is written and read once more; a refusal says why.
macro_rules! written_again {
    ($bytes:expr; $($kind:ty)*) => { $(
        match <$kind>::parse(&$bytes) {
            Ok(read) => {
                let written = read.to_bytes();
                let kind = stringify!($kind);
                prop_assert!(<$kind>::parse(&written).as_ref() == Ok(&read), "a {kind} is written as {written:02x?}");
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    )* };
}
pub(super) use written_again;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_reads_of_any_objects_is_written_again(tag in prop::sample::select(vec![
        0x30u16, 0xe3, 0xbf20, 0xbf21, 0xbf22, 0xbf23, 0xbf25, 0xbf26, 0xbf27, 0xbf28, 0xbf2b, 0xbf2d, 0xbf2f,
        0xbf31, 0xbf33, 0xbf36, 0xbf37, 0xbf38, 0xbf3c, 0xbf41,
    ]), body in objects()) {
        let bytes = tlv(tag, &[&body]);
        written_again!(bytes; ServerSigned1 EuiccSigned1 AuthenticateServerRequest AuthenticateServerResponse
            PrepareDownloadRequest PrepareDownloadResponse SmdpSigned2 EuiccSigned2 CancelSessionRequest
            CancelSessionResponse EuiccInfo1 EuiccInfo2 InitialiseSecureChannel ReplaceSessionKeys
            BoundProfilePackage PendingNotification ProfileInstallationResultData RetrieveNotifications
            ListNotificationRequest ProfileMetadata ProfileFilter Switch ConfiguredAddresses);
        prop_assert!(parse_pending_list(&bytes).iter().flatten().count() <= bytes.len());
        prop_assert!(parse_notification_list(&bytes).iter().flatten().count() <= bytes.len());
        prop_assert!(parse_profile_list(&bytes).iter().flatten().count() <= bytes.len());
    }

    #[test]
    fn what_reads_of_a_bent_message_is_written_again(
        info in bent(euicc_info2().to_bytes()),
    ) {
        written_again!(info; EuiccInfo2 EuiccInfo1);
    }
}
