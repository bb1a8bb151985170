//! Vectors put together by hand from the tags of the `SGP32Definitions` module, and properties.

use proptest::prelude::*;

use super::super::tests::{objects, written_again};
use super::super::{NotificationEvents, ProfileFilter, notification_sent};
use super::*;

const EID: [u8; 16] =
    [0x89, 0x04, 0x90, 0x32, 0x12, 0x34, 0x51, 0x23, 0x45, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x35];
const ICCID: [u8; 10] = [0x98, 0x88, 0x12, 0x01, 0x00, 0x00, 0x00, 0x00, 0x10, 0xf1];
/// A SEQUENCE where a certificate stands.
const CERTIFICATE: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x05];

fn hex_of(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

fn eim() -> EimConfigurationData {
    EimConfigurationData {
        eim_id: "eim1".to_owned(),
        fqdn: Some("eim.example".to_owned()),
        id_type: Some(EimIdType::Fqdn),
        counter: Some(0),
        association_token: Some(128),
        key: Some(EimKey::Certificate(CERTIFICATE.to_vec())),
        tls: Some(EimKey::PublicKey(CERTIFICATE.to_vec())),
        protocols: Some(EimConfigurationData::RETRIEVE_HTTPS),
        ci_key_id: Some(vec![1; 4]),
        indirect_download: true,
    }
}

#[test]
fn the_configuration_of_an_eim() {
    let request = AddInitialEim(vec![eim()]);
    // 80 eimId, 81 eimFqdn, 82 type, 83 counter, 84 token, A5 { A1 certificate }, A6 { A0 key }, 87 protocols, 88 CI,
    // 89 NULL.
    let fields = concat!(
        "800465696d31",
        "810b65696d2e6578616d706c65",
        "820102",
        "830100",
        "84020080",
        "a505a103020105",
        "a605a003020105",
        "87020780",
        "880401010101",
        "8900"
    );
    let bytes = request.to_bytes();
    assert_eq!(hex_of(&bytes), format!("bf573ba0393037{fields}"));
    assert_eq!(AddInitialEim::parse(&bytes), Ok(request));
    let response = AddInitialEimResponse::Ok(vec![Added::Token(1), Added::Plain]);
    assert_eq!(hex_of(&response.to_bytes()), "bf5707a0058401010500");
    assert_eq!(AddInitialEimResponse::parse(&response.to_bytes()), Ok(response));
    let refused = AddInitialEimResponse::Error(2);
    assert_eq!(hex_of(&refused.to_bytes()), "bf5703810102");
    assert_eq!(AddInitialEimResponse::parse(&refused.to_bytes()), Ok(refused));
    assert_eq!(hex_of(&configuration_request(Some("eim1"))), "bf5508a006800465696d31");
    for id in [None, Some("eim1")] {
        assert_eq!(parse_configuration_request(&configuration_request(id)).unwrap().as_deref(), id);
    }
    let list = [eim(), EimConfigurationData { eim_id: "b".to_owned(), ..EimConfigurationData::default() }];
    assert_eq!(parse_configuration_response(&configuration_response(&list)).unwrap(), list);
}

#[test]
fn an_euicc_package() {
    let signed = EuiccPackageSigned {
        eim_id: "eim1".to_owned(),
        eid: EID,
        counter: 1,
        transaction_id: Some(vec![7]),
        package: EuiccPackage::Psmo(vec![
            Psmo::Enable { iccid: ICCID, rollback: true },
            Psmo::ListProfileInfo(ProfileFilter::default()),
        ]),
    };
    let expected = concat!(
        "3033",
        "800465696d31",
        "5a1089049032123451234512345678901235",
        "810101",
        "820107",
        "a013",
        "a30e5a0a988812010000000010f10500",
        "bf2d00"
    );
    assert_eq!(hex_of(&signed.to_bytes()), expected);
    assert_eq!(EuiccPackageSigned::parse(&signed.to_bytes()), Ok(signed.clone()));
    // The token is a data object of its own behind the signed structure; zero where there is none.
    assert_eq!(hex_of(&with_token(&[0x30, 0], Some(1))), "3000840101");
    assert_eq!(hex_of(&with_token(&[0x30, 0], None)), "3000840100");
    let request = EuiccPackageRequest { signed: signed.to_bytes(), signature: [9; 64] };
    assert_eq!(hex_of(&request.to_bytes()[..3]), "bf5178");
    assert_eq!(EuiccPackageRequest::parse(&request.to_bytes()), Ok(request));
}

#[test]
fn every_operation_reads_back() {
    let all = EuiccPackage::Psmo(vec![
        Psmo::Enable { iccid: ICCID, rollback: false },
        Psmo::Disable(ICCID),
        Psmo::Delete(ICCID),
        Psmo::ListProfileInfo(ProfileFilter { tags: vec![0x5a], ..ProfileFilter::default() }),
        Psmo::GetRat,
        Psmo::ConfigureImmediateEnable(ImmediateEnableConfiguration {
            enabled: true,
            smdp_oid: Some(vec![0x2b, 6]),
            smdp_address: Some("smdp.example".to_owned()),
        }),
        Psmo::SetFallbackAttribute(ICCID),
        Psmo::UnsetFallbackAttribute,
        Psmo::SetDefaultDpAddress("smdp.example".to_owned()),
        Psmo::Unknown(vec![0xaf, 0]),
    ]);
    let ecos = EuiccPackage::Eco(vec![
        Eco::Add(eim()),
        Eco::Delete("eim1".to_owned()),
        Eco::Update(eim()),
        Eco::List,
        Eco::Unknown(vec![0xaf, 0]),
    ]);
    for package in [all, ecos] {
        let signed = EuiccPackageSigned {
            eim_id: "e".to_owned(),
            eid: EID,
            counter: 300,
            transaction_id: None,
            package: package.clone(),
        };
        assert_eq!(EuiccPackageSigned::parse(&signed.to_bytes()).unwrap().package, package);
    }
    assert_eq!(hex_of(&Psmo::SetDefaultDpAddress("a.b".to_owned()).to_bytes()), "bf65058003612e62");
    // A damaged operation is no damaged package.
    let damaged = hex::decode("301f8001655a1089049032123451234512345678901235810101a005a203800101").unwrap();
    let read = EuiccPackageSigned::parse(&damaged).unwrap();
    assert_eq!(read.package, EuiccPackage::Psmo(vec![Psmo::Unknown(hex::decode("a203800101").unwrap())]));
}

#[test]
fn results_of_a_package() {
    let data = EuiccPackageResultData {
        eim_id: "testeim1".to_owned(),
        counter: 1,
        transaction_id: None,
        sequence_number: 1,
        results: vec![EuiccResultData::Code(Operation::Enable, 0)],
    };
    assert_eq!(hex_of(&data.to_bytes()), "301580087465737465696d318101018301013003830100");
    let result = EuiccPackageResult::Signed { data: data.to_bytes(), signature: [3; 64] };
    assert_eq!(hex_of(&result.to_bytes()[..5]), "bf515ca05a");
    let refused = EuiccPackageErrorData { eim_id: "e".to_owned(), counter: 2, transaction_id: None, code: 4 };
    assert_eq!(hex_of(&refused.to_bytes()), "3009800165810102020104");
    assert_eq!(EuiccPackageErrorData::parse(&refused.to_bytes()), Ok(refused.clone()));
    let unsigned = EuiccPackageResult::ErrorUnsigned {
        eim_id: "e".to_owned(),
        transaction_id: Some(vec![1]),
        association_token: Some(5),
        code: Some(127),
    };
    assert_eq!(hex_of(&unsigned.to_bytes()), "bf510ea20c8001658201018401058f017f");
    let error = EuiccPackageResult::ErrorSigned { data: refused.to_bytes(), signature: [3; 64] };
    for result in [result, error, unsigned] {
        assert_eq!(EuiccPackageResult::parse(&result.to_bytes()), Ok(result));
    }
}

#[test]
fn every_result_reads_back() {
    let codes = [
        (EuiccResultData::Code(Operation::Enable, 20), "830114"),
        (EuiccResultData::Code(Operation::Terminated, 2), "020102"),
        (EuiccResultData::Code(Operation::SetDefaultDpAddress, 0), "bf6503800100"),
        (EuiccResultData::ListProfileInfo(hex::decode("bf2d02a000").unwrap()), "bf2d02a000"),
        (EuiccResultData::Rat(vec![0x30, 0]), "a6023000"),
        (EuiccResultData::AddEim(AddEimResult::Token(7)), "a803840107"),
        (EuiccResultData::AddEim(AddEimResult::Code(0)), "a803020100"),
        (EuiccResultData::ListEim(ListEimResult::Error(127)), "ab0381017f"),
        (
            EuiccResultData::ListEim(ListEimResult::Ok(vec![EimIdInfo {
                eim_id: "e".to_owned(),
                id_type: Some(EimIdType::Oid),
            }])),
            "ab0aa0083006800165820101",
        ),
    ];
    for (result, encoded) in &codes {
        assert_eq!(hex_of(&result.to_bytes()), *encoded);
    }
    let data = EuiccPackageResultData {
        eim_id: "e".to_owned(),
        counter: 1,
        transaction_id: Some(vec![1; 16]),
        sequence_number: 9,
        results: codes.into_iter().map(|(result, _)| result).collect(),
    };
    assert_eq!(EuiccPackageResultData::parse(&data.to_bytes()), Ok(data.clone()));
    let ok: Vec<bool> = data.results.iter().map(EuiccResultData::is_ok).collect();
    assert_eq!(ok, [false, false, true, true, true, true, true, false, true]);
    assert_eq!(Operation::Delete.word(2), "profile-not-in-disabled-state");
}

#[test]
fn what_the_eim_asks_and_is_told() {
    let request = IpaEuiccDataRequest {
        tags: vec![0xbf, 0x20, 0x81, 0xa5],
        ci_key_id: Some(vec![1, 2]),
        notifications: Some(NotificationSearch::Events(NotificationEvents::ALL)),
        package_result: Some(3),
        transaction_id: Some(vec![8]),
    };
    let expected = "bf52185c04bf2081a504020102a104810204f0a203800103830108";
    assert_eq!(hex_of(&request.to_bytes()), expected);
    assert_eq!(IpaEuiccDataRequest::parse(&request.to_bytes()), Ok(request.clone()));
    let wanted: Vec<bool> = [0xbf20, 0x81, 0xa5, 0x20, 0xa6].map(|tag| request.wants(tag)).into();
    assert_eq!(wanted, [true, true, true, false, false]);
    let data = EuiccData {
        notifications: Some(Vec::new()),
        default_smdp: Some("a.b".to_owned()),
        association_token: Some(1),
        eum_certificate: Some(CERTIFICATE.to_vec()),
        euicc_certificate: Some(CERTIFICATE.to_vec()),
        transaction_id: Some(vec![8]),
        capabilities: Some(IpaCapabilities { features: 0xc0, protocols: Some(0x80) }),
        ..EuiccData::default()
    };
    let response = IpaEuiccDataResponse::Ok(Box::new(data));
    let expected = concat!(
        "bf5223a021a000",
        "8103612e62",
        "840101",
        "a503020105",
        "a603020105",
        "870108",
        "a808800206c081020780"
    );
    assert_eq!(hex_of(&response.to_bytes()), expected);
    let error = IpaEuiccDataResponse::Error { transaction_id: None, code: 1 };
    assert_eq!(hex_of(&error.to_bytes()), "bf5205a103020101");
    for response in [response, error] {
        assert_eq!(IpaEuiccDataResponse::parse(&response.to_bytes()), Ok(response));
    }
    let certificates = Certificates { eum: CERTIFICATE.to_vec(), euicc: CERTIFICATE.to_vec() };
    let bytes = Certificates::response(Ok(&certificates));
    assert_eq!(hex_of(&bytes), "bf560ca00aa503020105a603020105");
    assert_eq!(parse_certificates_response(&bytes), Ok(Ok(certificates)));
    assert_eq!(parse_certificates_response(&Certificates::response(Err(1))), Ok(Err(1)));
    assert_eq!(parse_certificates_request(&certificates_request(Some(&[1]))), Ok(Some(vec![1])));
}

#[test]
fn triggers_and_acknowledgements() {
    let code = ProfileDownloadTriggerRequest {
        trigger: Some(DownloadTrigger::ActivationCode("LPA:1$a$b".to_owned())),
        transaction_id: Some(vec![5]),
    };
    assert_eq!(hex_of(&code.to_bytes()), "bf5410a00b80094c50413a31246124628201 05".replace(' ', ""));
    let default =
        ProfileDownloadTriggerRequest { trigger: Some(DownloadTrigger::DefaultSmdp), transaction_id: None };
    assert_eq!(hex_of(&default.to_bytes()), "bf5404a0028100");
    let smds = |address: Option<&str>| ProfileDownloadTriggerRequest {
        trigger: Some(DownloadTrigger::Smds(address.map(str::to_owned))),
        transaction_id: None,
    };
    assert_eq!(hex_of(&smds(Some("a.b")).to_bytes()), "bf5409a007a2058003612e62");
    for request in [code, default, smds(None), smds(Some("a.b")), ProfileDownloadTriggerRequest::default()] {
        assert_eq!(ProfileDownloadTriggerRequest::parse(&request.to_bytes()), Ok(request));
    }
    let outcomes = [
        TriggerOutcome::Installation(hex::decode("bf3700").unwrap()),
        TriggerOutcome::Error { reason: Some(127), response: Some(b"8.2.6 3.8".to_vec()) },
    ];
    for outcome in outcomes {
        let result = ProfileDownloadTriggerResult { transaction_id: Some(vec![5]), outcome };
        assert_eq!(ProfileDownloadTriggerResult::parse(&result.to_bytes()), Ok(result));
    }
    assert_eq!(hex_of(&acknowledgements(&[1, 128])), "bf530780010180020080");
    assert_eq!(parse_acknowledgements(&acknowledgements(&[1, 128])), Ok(vec![1, 128]));
    assert_eq!(hex_of(&notification_sent(128)), "bf300480020080");
}

#[test]
fn small_functions() {
    assert_eq!(hex_of(&rollback_request(true)), "bf58038001ff");
    assert_eq!(parse_refresh_request(0xbf58, &rollback_request(false)), Ok(false));
    // EnableUsingDD of v1.0.
    assert_eq!(parse_refresh_request(IMMEDIATE_ENABLE, &[0xbf, 0x5a, 0]), Ok(false));
    assert!(parse_refresh_request(0xbf58, &[0xbf, 0x58, 0]).is_err());
    assert_eq!(hex_of(&refresh_request(IMMEDIATE_ENABLE, false)), "bf5a03800100");
    let rollback = ProfileRollback { code: 0, result: Some(hex::decode("bf5102a000").unwrap()) };
    assert_eq!(hex_of(&rollback.to_bytes()), "bf5808020100bf5102a000");
    assert_eq!(ProfileRollback::parse(&rollback.to_bytes()), Ok(rollback));
    let options =
        MemoryResetOptions(MemoryResetOptions::OPERATIONAL_PROFILES | MemoryResetOptions::EIM_CONFIGURATION);
    assert_eq!(hex_of(&options.to_bytes()), "bf6404820202 84".replace(' ', ""));
    assert_eq!(MemoryResetOptions::parse(&options.to_bytes()), Ok(options));
    let reset = MemoryReset { code: 0, eim: Some(1), immediate_enable: None };
    assert_eq!(hex_of(&reset.to_bytes()), "bf6406800100810101");
    assert_eq!(MemoryReset::parse(&reset.to_bytes()), Ok(reset));
    let configuration = ImmediateEnableConfiguration { enabled: true, ..Default::default() };
    assert_eq!(hex_of(&configuration.to_bytes(0xbf59)), "bf59028000");
    assert_eq!(ImmediateEnableConfiguration::parse(&configuration.to_bytes(0xbf59)), Ok(configuration));
}

fn every_request() -> Vec<EsipaRequest> {
    let result = EimPackageResult::Euicc {
        result: hex::decode("bf5102a000").unwrap(),
        notifications: vec![hex::decode("3000").unwrap()],
    };
    let provide = ProvideEimPackageResult { eid: Some(EID), result };
    let error = EimPackageResult::Error { transaction_id: Some(vec![1]), code: 2 };
    vec![
        EsipaRequest::InitiateAuthentication {
            euicc_challenge: [1; 16],
            smdp_address: Some("a.b".to_owned()),
            euicc_info1: Some(hex::decode("bf2000").unwrap()),
            eim_transaction_id: Some(vec![5]),
        },
        EsipaRequest::AuthenticateClient {
            transaction_id: vec![1],
            response: hex::decode("bf3800").unwrap(),
        },
        EsipaRequest::GetBoundProfilePackage {
            transaction_id: vec![1],
            response: hex::decode("bf2100").unwrap(),
        },
        EsipaRequest::CancelSession {
            transaction_id: vec![1],
            response: hex::decode("bf4103810105").unwrap(),
        },
        EsipaRequest::HandleNotification(NotificationForEim::Pending(vec![0x30, 0])),
        EsipaRequest::HandleNotification(NotificationForEim::Result(provide.clone())),
        EsipaRequest::GetEimPackage(GetEimPackage {
            eid: EID,
            notify_state_change: true,
            cause: Some(StateChangeCause::RESET),
            plmn: Some([0, 0xf1, 0x10]),
        }),
        EsipaRequest::ProvideEimPackageResult(provide),
        EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResult { eid: None, result: error }),
        EsipaRequest::TransferEimPackageResponse(hex::decode("bf4e020500").unwrap()),
    ]
}

fn every_response() -> Vec<EsipaResponse> {
    let download = ProfileDownloadTriggerRequest {
        trigger: Some(DownloadTrigger::DefaultSmdp),
        transaction_id: Some(vec![1]),
    };
    vec![
        EsipaResponse::InitiateAuthentication(Ok(Box::new(InitiateAuthenticationOk {
            transaction_id: Some(vec![1]),
            server_signed1: vec![0x30, 0],
            server_signature1: [2; 64],
            ci_key_id: vec![1, 2],
            certificate: CERTIFICATE.to_vec(),
            matching_id: Some("M".to_owned()),
            ctx_params1: Some(vec![0xa0, 0]),
        }))),
        EsipaResponse::InitiateAuthentication(Err(50)),
        EsipaResponse::AuthenticateClient {
            transaction_id: None,
            metadata: Some(hex::decode("bf2500").unwrap()),
            smdp_signed2: vec![0x30, 0],
            smdp_signature2: [2; 64],
            certificate: CERTIFICATE.to_vec(),
            hash_cc: Some([3; 32]),
        },
        EsipaResponse::AuthenticateClientDs { transaction_id: vec![1], trigger: Some(download.clone()) },
        EsipaResponse::AuthenticateClientError(6),
        EsipaResponse::GetBoundProfilePackage {
            transaction_id: Some(vec![1]),
            package: hex::decode("bf3600").unwrap(),
        },
        EsipaResponse::GetBoundProfilePackageError(95),
        EsipaResponse::CancelSession(Ok(())),
        EsipaResponse::CancelSession(Err(1)),
        EsipaResponse::GetEimPackage(Err(1)),
        EsipaResponse::GetEimPackage(Ok(Box::new(EimPackage::Download(download.clone())))),
        EsipaResponse::GetEimPackage(Ok(Box::new(EimPackage::Euicc(hex::decode("bf5100").unwrap())))),
        EsipaResponse::GetEimPackage(Ok(Box::new(EimPackage::Data(IpaEuiccDataRequest::default())))),
        EsipaResponse::ProvideEimPackageResult(Ok(vec![1, 2])),
        EsipaResponse::ProvideEimPackageResult(Ok(Vec::new())),
        EsipaResponse::ProvideEimPackageResult(Err(2)),
        EsipaResponse::TransferEimPackage(Box::new(EimPackage::Download(download))),
    ]
}

#[test]
fn esipa_reads_back() {
    for request in every_request() {
        assert_eq!(EsipaRequest::parse(&request.to_bytes()), Ok(request));
    }
    for response in every_response() {
        assert_eq!(EsipaResponse::parse(&response.to_bytes()), Ok(response));
    }
}

#[test]
fn esipa_has_the_tags_of_the_module() {
    let hex: Vec<String> = every_request().iter().map(|request| hex_of(&request.to_bytes())).collect();
    assert_eq!(hex[3], "bf4108800101a103810105", "the tag of the response is replaced");
    assert_eq!(hex[4], "bf3d04a0023000");
    assert_eq!(hex[6], "bf4f1c5a1089049032123451234512345678901235800081010482 0300f110".replace(' ', ""));
    assert_eq!(hex[7], "bf501d5a1089049032123451234512345678901235 3009bf5102a000a0023000".replace(' ', ""));
    assert_eq!(hex[8], "bf5008a006800101020102");
    let hex: Vec<String> = every_response().iter().map(|response| hex_of(&response.to_bytes())).collect();
    assert_eq!(hex[7], "bf4102a000");
    assert_eq!(hex[9], "bf4f03020101");
    assert_eq!(hex[10], "bf4f0abf5407a0028100820101");
    assert_eq!(hex[13], "bf5009bf5306800101800102");
    assert_eq!(hex[14], "bf50023000");
}

#[test]
fn what_an_ipa_of_version_1_0_sends_is_read() {
    let read = |hex: &str| EsipaRequest::parse(&hex::decode(hex).unwrap()).unwrap();
    let get = read("bf4f175a10890490321234512345123456789012358103 00f110".replace(' ', "").as_str());
    let EsipaRequest::GetEimPackage(get) = get else { panic!("{get:?}") };
    assert_eq!((get.cause, get.plmn), (None, Some([0, 0xf1, 0x10])));
    let EsipaRequest::ProvideEimPackageResult(provide) = read("bf5003020102") else { panic!() };
    assert_eq!(provide.result, EimPackageResult::Error { transaction_id: None, code: 2 });
    let EsipaRequest::ProvideEimPackageResult(provide) = read("bf500e300cbf5102a000bf2b04a0023000") else {
        panic!()
    };
    let EimPackageResult::Euicc { notifications, .. } = provide.result else { panic!() };
    assert_eq!(notifications, [vec![0x30, 0]]);
    let both = Retrieved::parse(&hex::decode("bf2b0da30ba0023000a105bf5102a000").unwrap()).unwrap();
    assert_eq!((both.notifications.len(), both.package_results.len()), (1, 1));
    let results = Retrieved::package_results_response(&[hex::decode("bf5102a000").unwrap()]);
    assert_eq!(hex_of(&results), "bf2b07a205bf5102a000");
    assert_eq!(Retrieved::parse(&results).unwrap().package_results.len(), 1);
    assert_eq!(Retrieved::parse(&hex::decode("bf2b03810101").unwrap()), Ok(Retrieved::default()));
}

#[test]
fn compact_forms_are_read() {
    let signature = hex_of(&[7; 64]);
    let of = |text: String| hex::decode(text).unwrap();
    let authenticate = of(format!("bf384ca24aa0058403810101 5f3740{signature}").replace(' ', ""));
    let compact = compact_authenticate(&authenticate).unwrap().unwrap();
    let signed = compact.signed.unwrap_err();
    assert_eq!((signed.ext_card_resource, signed.ctx_params1), (vec![0x81, 1, 1], None));
    let prepare = of(format!("bf2147a24530005f3740{signature}"));
    let compact = compact_prepare(&prepare).unwrap().unwrap();
    assert_eq!(compact.signed(&[1], None, None), None);
    assert_eq!(compact.signed(&[1], Some(&[4; 65]), Some([1; 32])).unwrap().hash_cc, Some([1; 32]));
    let cancel = of(format!("bf414aa24830038001035f3740{signature}"));
    assert_eq!(compact_cancel(&cancel).unwrap().unwrap().reason, Some(3));
    for (full, tag) in [("bf3803a10100", 0), ("bf41038101 05", 1)] {
        let full = of(full.replace(' ', ""));
        let none = if tag == 0 {
            compact_authenticate(&full).unwrap().is_none()
        } else {
            compact_cancel(&full).unwrap().is_none()
        };
        assert!(none);
    }
    let metadata = of("bf2f0e8001018102 0640 0c056176616c21".replace(' ', ""));
    let other = CompactNotification::other(&metadata, &[7; 64], Some(&EID));
    let CompactNotification::Other { eid, metadata: read, .. } = CompactNotification::parse(&other).unwrap()
    else {
        panic!()
    };
    assert_eq!((eid, read), (Some(EID), metadata));
    let installation = of(format!("a053a00e800101020105a206a0044f02 01025f3740{signature}").replace(' ', ""));
    let CompactNotification::Installation(read) = CompactNotification::parse(&installation).unwrap() else {
        panic!()
    };
    assert_eq!((read.sequence_number, read.iccid_present), (5, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Objects with the tags of the module in any order and nesting: what reads is written and read again.
    #[test]
    fn what_reads_of_any_objects_is_written_again(tag in prop::sample::select(vec![
        0x30u16, 0xa0, 0xa1, 0xbf21, 0xbf2b, 0xbf38, 0xbf39, 0xbf3a, 0xbf3b, 0xbf3d, 0xbf41, 0xbf4e, 0xbf4f, 0xbf50, 0xbf51,
        0xbf52, 0xbf53, 0xbf54, 0xbf55, 0xbf56, 0xbf57, 0xbf58, 0xbf59, 0xbf5a, 0xbf64,
    ]), body in objects()) {
        let bytes = tlv(tag, &[&body]);
        written_again!(bytes; EsipaRequest EsipaResponse EuiccPackageRequest EuiccPackageSigned EuiccPackageResult
            EuiccPackageResultData EuiccPackageErrorData IpaEuiccDataRequest IpaEuiccDataResponse
            ProfileDownloadTriggerRequest ProfileDownloadTriggerResult AddInitialEim AddInitialEimResponse
            ProfileRollback MemoryReset MemoryResetOptions);
        if let Ok(read) = ImmediateEnableConfiguration::parse(&bytes) {
            prop_assert_eq!(ImmediateEnableConfiguration::parse(&read.to_bytes(0xbf59)), Ok(read));
        }
        if let Ok(read) = parse_certificates_response(&bytes) {
            let written = Certificates::response(read.as_ref().map_err(|error| *error));
            prop_assert_eq!(parse_certificates_response(&written), Ok(read));
        }
        prop_assert!(parse_acknowledgements(&bytes).iter().flatten().count() <= bytes.len());
        prop_assert!(parse_configuration_response(&bytes).iter().flatten().count() <= bytes.len());
        for outcome in [
            parse_configuration_request(&bytes).map(drop), parse_certificates_request(&bytes).map(drop),
            Retrieved::parse(&bytes).map(drop), CompactNotification::parse(&bytes).map(drop),
            compact_authenticate(&bytes).map(drop), compact_prepare(&bytes).map(drop), compact_cancel(&bytes).map(drop),
        ] {
            prop_assert!(outcome.is_ok() || !outcome.unwrap_err().to_string().is_empty());
        }
    }

    /// One bit anywhere in a message: it reads as something or is refused, and what reads is written again.
    #[test]
    fn a_flipped_bit_is_answered(which in 0usize..27, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (requests, responses) = (every_request(), every_response());
        let request = which < requests.len();
        let mut bytes = match requests.get(which) {
            Some(request) => request.to_bytes(),
            None => responses[(which - requests.len()) % responses.len()].to_bytes(),
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if request {
            if let Ok(read) = EsipaRequest::parse(&bytes) {
                prop_assert_eq!(EsipaRequest::parse(&read.to_bytes()), Ok(read));
            }
        } else if let Ok(read) = EsipaResponse::parse(&bytes) {
            prop_assert_eq!(EsipaResponse::parse(&read.to_bytes()), Ok(read));
        }
    }
}
