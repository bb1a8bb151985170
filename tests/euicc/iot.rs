//! SGP.32: an eIM orders, the eUICC does it and signs what became of it; whatever is not the eIM's is refused.

use cellbed::card::{CardPort, Uicc};
use cellbed::crypto::Tally;
use cellbed::crypto::rsp_cert::{Curve, RspKey};
use cellbed::kernel::RngTree;
use cellbed::wire::rsp::iot::{
    self, AddEimResult, AddInitialEim, AddInitialEimResponse, Added, Eco, EimConfigurationData, EimKey,
    EuiccPackage, EuiccPackageErrorData, EuiccPackageRequest, EuiccPackageResult, EuiccPackageResultData,
    EuiccPackageSigned, EuiccResultData, ImmediateEnableConfiguration, ListEimResult, MemoryReset,
    MemoryResetOptions, Operation, ProfileRollback, Psmo, Retrieved, configuration_request,
    parse_certificates_response, parse_configuration_response, with_token,
};
use cellbed::wire::rsp::{ProfileFilter, RetrieveNotifications, parse_profile_list, parse_result};

use super::lab::*;

pub struct Eim {
    id: &'static str,
    key: RspKey,
    token: Option<u64>,
    counter: u64,
}

impl Eim {
    pub fn new(id: &'static str) -> Self {
        Self {
            id,
            key: RspKey::from_stream(Curve::P256, &mut RngTree::new(6).stream(id)),
            token: None,
            counter: 0,
        }
    }

    pub fn configuration(&self, token: Option<i64>) -> EimConfigurationData {
        EimConfigurationData {
            eim_id: self.id.to_owned(),
            fqdn: Some("eim.example".to_owned()),
            counter: Some(self.counter),
            association_token: token,
            key: Some(EimKey::PublicKey(self.key.public().spki_der())),
            ..EimConfigurationData::default()
        }
    }

    fn signed(&mut self, package: EuiccPackage) -> EuiccPackageSigned {
        self.counter += 1;
        EuiccPackageSigned {
            eim_id: self.id.to_owned(),
            eid: eid_bytes(),
            counter: self.counter,
            transaction_id: Some(vec![9; 4]),
            package,
        }
    }

    fn request(&self, signed: &EuiccPackageSigned) -> Vec<u8> {
        let signed = signed.to_bytes();
        let signature = self.key.sign(&with_token(&signed, self.token));
        EuiccPackageRequest { signed, signature }.to_bytes()
    }

    /// Sends a package; the result is verified.
    fn order(&mut self, maker: &Maker, card: &mut Uicc, package: EuiccPackage) -> Vec<EuiccResultData> {
        let signed = self.signed(package);
        let response = es10(card, &self.request(&signed));
        self.verified(maker, &response).results
    }

    fn verified(&self, maker: &Maker, response: &[u8]) -> EuiccPackageResultData {
        let Ok(EuiccPackageResult::Signed { data, signature }) = EuiccPackageResult::parse(response) else {
            panic!("{:?}", EuiccPackageResult::parse(response))
        };
        let certificate = &maker.config().chain[0];
        certificate.public().verify(&with_token(&data, self.token), &signature, &Tally::new()).unwrap();
        EuiccPackageResultData::parse(&data).unwrap()
    }

    pub fn psmo(&mut self, maker: &Maker, card: &mut Uicc, list: Vec<Psmo>) -> Vec<EuiccResultData> {
        self.order(maker, card, EuiccPackage::Psmo(list))
    }
}

/// A card with a bootstrap profile, one that was downloaded, and an eIM with a token.
fn managed(maker: &Maker) -> (Uicc, Eim) {
    let mut card = maker.card();
    Smdp::new(&maker.pki).download(&mut card);
    let mut eim = Eim::new("eim-1");
    let request = AddInitialEim(vec![eim.configuration(Some(-1))]).to_bytes();
    let response = AddInitialEimResponse::parse(&es10(&mut card, &request)).unwrap();
    let AddInitialEimResponse::Ok(added) = response else { panic!("{response:?}") };
    let [Added::Token(token)] = added[..] else { panic!("a token was asked for") };
    eim.token = Some(token);
    (card, eim)
}

fn maker() -> Maker {
    Maker { bootstrap: true, ..Maker::default() }
}

fn bootstrap() -> [u8; 10] {
    bcd("8988211000000000011")
}

fn enabled(card: &Uicc) -> Option<String> {
    card.installed_profiles().into_iter().find(|profile| profile.enabled).map(|profile| profile.name)
}

#[test]
fn packages_are_executed_and_their_results_signed_and_kept() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker);
    let card = &mut card;
    let results = eim.psmo(
        &maker,
        card,
        vec![
            Psmo::Enable { iccid: ts48_iccid(), rollback: false },
            Psmo::Disable(bootstrap()),
            Psmo::ListProfileInfo(ProfileFilter::default()),
            Psmo::GetRat,
            Psmo::SetDefaultDpAddress("smdp.example".to_owned()),
            Psmo::SetFallbackAttribute(bootstrap()),
            Psmo::Delete(ts48_iccid()),
        ],
    );
    use Operation::{Delete, Disable, Enable, SetDefaultDpAddress, SetFallbackAttribute};
    assert_eq!(results[0], EuiccResultData::Code(Enable, 0));
    assert_eq!(results[1], EuiccResultData::Code(Disable, 2));
    let EuiccResultData::ListProfileInfo(list) = &results[2] else { panic!("{:?}", results[2]) };
    assert_eq!(parse_profile_list(list).unwrap().len(), 2);
    assert!(matches!(&results[3], EuiccResultData::Rat(table) if !table.is_empty()));
    assert_eq!(results[4], EuiccResultData::Code(SetDefaultDpAddress, 0));
    assert_eq!(results[5], EuiccResultData::Code(SetFallbackAttribute, 0));
    assert_eq!(results[6], EuiccResultData::Code(Delete, 2));
    assert_eq!(enabled(card).as_deref(), Some("ts48"));
    assert!(hex::encode(es10(card, &[0xbf, 0x3c, 0])).contains(&hex::encode("smdp.example")));
    // The result is kept, also without power, until it is acknowledged.
    let state = card.save();
    let mut restored = maker.card();
    restored.restore(&state).unwrap();
    assert_eq!(restored.save(), state);
    open_isd_r(&mut restored);
    let kept = es10(&mut restored, &RetrieveNotifications::EuiccPackageResults.to_bytes());
    let kept = Retrieved::parse(&kept).unwrap().package_results;
    assert_eq!(kept.len(), 1);
    let data = eim.verified(&maker, &kept[0]);
    assert_eq!((data.eim_id.as_str(), data.counter, data.results), ("eim-1", 1, results));
    let by_number = RetrieveNotifications::SequenceNumber(data.sequence_number).to_bytes();
    assert_eq!(Retrieved::parse(&es10(&mut restored, &by_number)).unwrap().package_results, kept);
    let sent = cellbed::wire::rsp::notification_sent(data.sequence_number);
    assert_eq!(parse_result(0xbf30, &es10(&mut restored, &sent)), Ok(0));
    let kept = es10(&mut restored, &RetrieveNotifications::EuiccPackageResults.to_bytes());
    assert!(Retrieved::parse(&kept).unwrap().package_results.is_empty());
}

#[test]
fn a_package_that_is_not_the_eims_changes_nothing() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker);
    let card = &mut card;
    let order = || EuiccPackage::Psmo(vec![Psmo::Enable { iccid: ts48_iccid(), rollback: false }]);
    let signed = eim.signed(order());
    let good = eim.request(&signed);
    let state = card.save();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let (data, status) = store_in_blocks(card, &bad, 255);
        if status == 0x9000 {
            let result = EuiccPackageResult::parse(&data).unwrap();
            assert!(matches!(result, EuiccPackageResult::ErrorUnsigned { .. }), "byte {at}");
        }
        assert!(!card.dirty(), "byte {at}");
    }
    // The right bytes under another token, and by another eIM.
    let other = Eim { token: None, ..Eim::new("eim-1") };
    let stranger = Eim { token: eim.token, ..Eim::new("eim-2") };
    for bad in [other.request(&signed), stranger.request(&signed)] {
        let result = EuiccPackageResult::parse(&es10(card, &bad)).unwrap();
        assert!(matches!(result, EuiccPackageResult::ErrorUnsigned { .. }));
    }
    assert_eq!(card.save(), state);
    // What is signed well and is not for this eUICC, or comes again.
    let refused = |card: &mut Uicc, eim: &Eim, signed: &EuiccPackageSigned| {
        let response = es10(card, &eim.request(signed));
        let Ok(EuiccPackageResult::ErrorSigned { data, signature }) = EuiccPackageResult::parse(&response)
        else {
            panic!("accepted")
        };
        let certificate = &maker.config().chain[0];
        certificate.public().verify(&with_token(&data, eim.token), &signature, &Tally::new()).unwrap();
        EuiccPackageErrorData::parse(&data).unwrap().code
    };
    let mut elsewhere = signed.clone();
    elsewhere.eid[15] ^= 1;
    assert_eq!(refused(card, &eim, &elsewhere), 3);
    let beyond = EuiccPackageSigned { counter: 0x80_0000, ..signed.clone() };
    assert_eq!(refused(card, &eim, &beyond), 6);
    assert_eq!(card.save(), state);
    assert_eq!(eim.verified(&maker, &es10(card, &good)).results.len(), 1);
    let state = card.save();
    assert_eq!(refused(card, &eim, &signed), 4, "a replay");
    assert_eq!(card.last_reason().unwrap().name, "package-replayed");
    assert_eq!(card.save(), state);
}

#[test]
fn a_rollback_is_granted_once() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker);
    let card = &mut card;
    let back = iot::rollback_request(true);
    let code = |response: &[u8]| ProfileRollback::parse(response).unwrap().code;
    assert_eq!(code(&es10(card, &back)), 1);
    eim.psmo(&maker, card, vec![Psmo::Enable { iccid: ts48_iccid(), rollback: true }]);
    assert_eq!(enabled(card).as_deref(), Some("ts48"));
    // The grant outlives the power.
    let state = card.save();
    let mut restored = maker.card();
    restored.restore(&state).unwrap();
    open_isd_r(&mut restored);
    let response = ProfileRollback::parse(&es10(&mut restored, &back)).unwrap();
    assert_eq!(response.code, 0);
    let data = eim.verified(&maker, &response.result.unwrap());
    assert_eq!(data.results, [EuiccResultData::Code(Operation::Rollback, 0)]);
    assert_eq!(enabled(&restored).as_deref(), Some("bootstrap"));
    assert_eq!(code(&es10(&mut restored, &back)), 1);
    // The next package takes the grant away.
    eim.psmo(&maker, card, vec![Psmo::GetRat]);
    assert_eq!(code(&es10(card, &back)), 1);
}

#[test]
fn the_fallback_profile_takes_over_and_gives_back() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker);
    let card = &mut card;
    let execute = iot::refresh_request(iot::FALLBACK, false);
    let back = iot::refresh_request(iot::RETURN_FROM_FALLBACK, false);
    let fall_back = |card: &mut Uicc| parse_result(iot::FALLBACK, &es10(card, &execute)).unwrap();
    let give_back = |card: &mut Uicc| parse_result(iot::RETURN_FROM_FALLBACK, &es10(card, &back)).unwrap();
    assert_eq!((fall_back(card), give_back(card)), (6, 6));
    let results = eim.psmo(
        &maker,
        card,
        vec![
            Psmo::UnsetFallbackAttribute,
            Psmo::SetFallbackAttribute(ts48_iccid()),
            Psmo::SetFallbackAttribute(bootstrap()),
            Psmo::ListProfileInfo(ProfileFilter { tags: vec![0x9f, 0x26], ..Default::default() }),
        ],
    );
    assert_eq!(results[0], EuiccResultData::Code(Operation::UnsetFallbackAttribute, 2));
    assert_eq!(
        results[1],
        EuiccResultData::Code(Operation::SetFallbackAttribute, 2),
        "its metadata do not allow it"
    );
    assert_eq!(results[2], EuiccResultData::Code(Operation::SetFallbackAttribute, 0));
    let EuiccResultData::ListProfileInfo(list) = &results[3] else { panic!("a list") };
    assert_eq!(hex::encode(&list[..]), "bf2d0aa008e3049f2601ffe300");
    assert_eq!(fall_back(card), 2, "it is enabled");
    eim.psmo(&maker, card, vec![Psmo::Enable { iccid: ts48_iccid(), rollback: false }]);
    assert_eq!(fall_back(card), 0);
    assert_eq!(enabled(card).as_deref(), Some("bootstrap"));
    let results = eim.psmo(&maker, card, vec![Psmo::UnsetFallbackAttribute]);
    assert_eq!(results[0], EuiccResultData::Code(Operation::UnsetFallbackAttribute, 3));
    let state = card.save();
    card.restore(&state).unwrap();
    open_isd_r(card);
    assert_eq!(give_back(card), 0);
    assert_eq!(enabled(card).as_deref(), Some("ts48"));
    assert_eq!(give_back(card), 6);
}

#[test]
fn eims_add_update_and_delete_each_other() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker);
    let card = &mut card;
    let mut second = Eim::new("eim-2");
    // From outside, no more are added.
    let request = AddInitialEim(vec![second.configuration(None)]).to_bytes();
    assert_eq!(AddInitialEimResponse::parse(&es10(card, &request)), Ok(AddInitialEimResponse::Error(2)));
    let eco = |list| EuiccPackage::Eco(list);
    let results = eim.order(
        &maker,
        card,
        eco(vec![
            Eco::Add(second.configuration(Some(-1))),
            Eco::Add(second.configuration(None)),
            Eco::Add(EimConfigurationData { key: None, ..Eim::new("eim-3").configuration(None) }),
            Eco::Update(EimConfigurationData {
                fqdn: Some("other.example".to_owned()),
                ..EimConfigurationData { eim_id: "eim-2".to_owned(), ..Default::default() }
            }),
            Eco::Update(Eim::new("eim-4").configuration(None)),
            Eco::List,
            Eco::Delete("eim-9".to_owned()),
        ]),
    );
    let EuiccResultData::AddEim(AddEimResult::Token(token)) = results[0] else { panic!("{:?}", results[0]) };
    assert_ne!(Some(token), eim.token);
    second.token = Some(token);
    assert_eq!(results[1], EuiccResultData::AddEim(AddEimResult::Code(2)));
    assert_eq!(results[2], EuiccResultData::AddEim(AddEimResult::Code(7)));
    assert_eq!(results[3], EuiccResultData::Code(Operation::UpdateEim, 0));
    assert_eq!(results[4], EuiccResultData::Code(Operation::UpdateEim, 1));
    let EuiccResultData::ListEim(ListEimResult::Ok(list)) = &results[5] else { panic!("{:?}", results[5]) };
    let types: Vec<_> = list.iter().map(|eim| eim.id_type).collect();
    assert_eq!(types, [None, None], "what is proprietary is not told");
    assert_eq!(results[6], EuiccResultData::Code(Operation::DeleteEim, 1));
    let list = es10(card, &configuration_request(Some("eim-2")));
    let list = parse_configuration_response(&list).unwrap();
    assert_eq!((list.len(), list[0].fqdn.as_deref()), (1, Some("other.example")));
    assert_eq!(list[0].counter, None, "how far it has counted is told nobody");
    // The second one orders now, and the first one goes.
    let results = second.order(&maker, card, eco(vec![Eco::Delete("eim-1".to_owned())]));
    assert_eq!(results, [EuiccResultData::Code(Operation::DeleteEim, 0)]);
    let signed = eim.signed(eco(vec![Eco::List]));
    let gone = EuiccPackageResult::parse(&es10(card, &eim.request(&signed))).unwrap();
    assert!(matches!(gone, EuiccPackageResult::ErrorUnsigned { .. }));
    let results =
        second.order(&maker, card, eco(vec![Eco::Delete("eim-2".to_owned()), Eco::Unknown(vec![0xac, 0])]));
    assert_eq!(results[0], EuiccResultData::Code(Operation::DeleteEim, 2), "the last one");
    assert_eq!(results[1], EuiccResultData::Code(Operation::Terminated, 2));
}

#[test]
fn immediate_enabling_certificates_and_reset() {
    let maker = maker();
    let mut card = maker.card();
    let card = &mut card;
    let enable = iot::refresh_request(iot::IMMEDIATE_ENABLE, false);
    let immediate = |card: &mut Uicc| parse_result(iot::IMMEDIATE_ENABLE, &es10(card, &enable)).unwrap();
    let smdp = Smdp::new(&maker.pki);
    assert_eq!(immediate(card), 4);
    let allowed = ImmediateEnableConfiguration {
        enabled: true,
        smdp_oid: Some(smdp.identity.oid.contents().to_vec()),
        smdp_address: Some(SMDP.to_owned()),
    };
    assert_eq!(parse_result(0xbf59, &es10(card, &allowed.to_bytes(0xbf59))), Ok(0));
    smdp.download(card);
    assert_eq!(immediate(card), 0);
    assert_eq!(enabled(card).as_deref(), Some("ts48"));
    assert_eq!(immediate(card), 4);
    let certificates =
        parse_certificates_response(&es10(card, &iot::certificates_request(None))).unwrap().unwrap();
    assert_eq!(certificates.euicc, maker.config().chain[0].der());
    let other = es10(card, &iot::certificates_request(Some(&[1, 2, 3])));
    assert_eq!(parse_certificates_response(&other).unwrap(), Err(1));
    let request = AddInitialEim(vec![Eim::new("eim-1").configuration(None)]).to_bytes();
    assert_eq!(
        AddInitialEimResponse::parse(&es10(card, &request)),
        Ok(AddInitialEimResponse::Ok(vec![Added::Plain]))
    );
    assert_eq!(parse_result(0xbf59, &es10(card, &allowed.to_bytes(0xbf59))), Ok(2));
    let options =
        MemoryResetOptions(MemoryResetOptions::EIM_CONFIGURATION | MemoryResetOptions::OPERATIONAL_PROFILES);
    let reset = MemoryReset::parse(&es10(card, &options.to_bytes())).unwrap();
    assert_eq!((reset.code, reset.eim, reset.immediate_enable), (0, Some(0), None));
    assert_eq!(card.installed_profiles().len(), 1, "the provisioning profile stays");
    assert!(parse_configuration_response(&es10(card, &configuration_request(None))).unwrap().is_empty());
    let info = hex::encode(es10(card, &[0xbf, 0x22, 0]));
    assert!(info.ends_with("900100b409a00504030102008200"), "{info}");
    card.reset().unwrap();
}

/// A request of AddInitialEim with one eIM: what is between its FQDN and its key, in hex.
fn initial(fields: &str) -> Vec<u8> {
    let key = concat!(
        "a55ba059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0",
        "f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    );
    let eim = hex::decode(format!("8002653181 0130{fields}{key}").replace(' ', "")).unwrap();
    let object = |tag: &[u8], value: &[u8]| {
        let length = if value.len() < 128 { vec![value.len() as u8] } else { vec![0x81, value.len() as u8] };
        [tag, &length, value].concat()
    };
    object(&[0xbf, 0x57], &object(&[0xa0], &object(&[0x30], &eim)))
}

#[test]
fn an_initial_eim_is_added_as_clause_5_9_4_says() {
    let maker = maker();
    for (request, expected) in [
        // A token is asked for with -1, and with nothing else.
        (initial("8301008401ff"), "bf5705a003840101"),
        (initial("830100"), "bf5704a0020500"),
        (initial("830100840107"), "bf5703810105"),
        (initial("830100840100"), "bf5703810105"),
        (initial("8301008401fe"), "bf5703810105"),
        // counterValue has to be there, and an eIM.
        (initial("8401ff"), "bf5703810107"),
        (hex::decode("bf5702a000").unwrap(), "bf5703810107"),
    ] {
        let mut card = maker.card();
        assert_eq!(hex::encode(es10(&mut card, &request)), expected, "{}", hex::encode(&request));
    }
    let mut card = maker.card();
    es10(&mut card, &initial("8301008401ff"));
    let [eim] = &parse_configuration_response(&es10(&mut card, &configuration_request(None))).unwrap()[..]
    else {
        panic!("one eIM")
    };
    let first = maker.config().chain[1].authority_key_id().map(<[u8]>::to_vec);
    assert_eq!((eim.id_type, eim.protocols), (Some(iot::EimIdType::Proprietary), Some(0x08)));
    assert_eq!((&eim.ci_key_id, eim.token()), (&first, Some(1)));
}
