//! Policy rules and certificates: who may take the place of whom, whose rules a profile has, and under which CI a server
//! may be certified.

use cellbed::card::{EuiccConfig, Uicc};
use cellbed::crypto::Tally;
use cellbed::crypto::rsp_cert::Curve;
use cellbed::wire::rsp::iot::{
    self, AddInitialEim, EuiccResultData, ImmediateEnableConfiguration, Operation, ProfileRollback, Psmo,
};
use cellbed::wire::rsp::{
    AuthenticateServerResponse, FinalResult, OperatorId, PolicyRules, ProfileClass, ProfileId, Switch,
    SwitchKind, challenge_request, parse_challenge_response, parse_result,
};

use super::download::result;
use super::iot::Eim;
use super::lab::*;
use super::management::package_with;

fn bootstrap() -> [u8; 10] {
    bcd("8988211000000000011")
}

fn maker() -> Maker {
    Maker { bootstrap: true, ..Maker::default() }
}

fn enabled(card: &Uicc) -> Option<String> {
    card.installed_profiles().into_iter().find(|profile| profile.enabled).map(|profile| profile.name)
}

fn switch(card: &mut Uicc, kind: SwitchKind, iccid: [u8; 10]) -> u64 {
    let request = Switch { kind, profile: ProfileId::Iccid(iccid), refresh: false };
    parse_result(kind as u16, &es10(card, &request.to_bytes())).unwrap()
}

/// The card of `maker` with an eIM, and the bundled profile with `rules`.
fn managed(maker: &Maker, rules: PolicyRules) -> (Uicc, Eim) {
    let mut card = maker.card();
    let mut smdp = Smdp::new(&maker.pki);
    smdp.metadata.rules = rules;
    smdp.download(&mut card);
    let eim = Eim::new("eim-1");
    es10(&mut card, &AddInitialEim(vec![eim.configuration(None)]).to_bytes());
    (card, eim)
}

#[test]
fn ppr1_holds_whoever_would_disable_the_profile() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker, PolicyRules::PPR1);
    let card = &mut card;
    let orders = vec![
        Psmo::SetFallbackAttribute(bootstrap()),
        Psmo::Enable { iccid: ts48_iccid(), rollback: true },
        Psmo::Disable(ts48_iccid()),
    ];
    let results = eim.psmo(&maker, card, orders);
    assert_eq!(results[1], EuiccResultData::Code(Operation::Enable, 0));
    assert_eq!(results[2], EuiccResultData::Code(Operation::Disable, 3));
    let fall_back = es10(card, &iot::refresh_request(iot::FALLBACK, false));
    assert_eq!(parse_result(iot::FALLBACK, &fall_back), Ok(127));
    assert_eq!(card.last_reason().unwrap().name, "policy-rule");
    let back = ProfileRollback::parse(&es10(card, &iot::rollback_request(false))).unwrap();
    assert_eq!((back.code, back.result), (127, None));
    assert_eq!(enabled(card).as_deref(), Some("ts48"));
}

#[test]
fn ppr1_of_the_delivered_profile_holds_immediate_enabling_up() {
    let maker = Maker { bootstrap_rules: PolicyRules::PPR1, ..maker() };
    let mut card = maker.card();
    let card = &mut card;
    let smdp = Smdp::new(&maker.pki);
    let allowed = ImmediateEnableConfiguration { enabled: true, ..ImmediateEnableConfiguration::default() };
    assert_eq!(parse_result(0xbf59, &es10(card, &allowed.to_bytes(0xbf59))), Ok(0));
    smdp.download(card);
    let enable = es10(card, &iot::refresh_request(iot::IMMEDIATE_ENABLE, false));
    assert_eq!(parse_result(iot::IMMEDIATE_ENABLE, &enable), Ok(127));
    assert_eq!(card.last_reason().unwrap().name, "policy-rule");
    assert_eq!(enabled(card).as_deref(), Some("bootstrap"));
}

#[test]
fn the_profile_to_return_to_is_not_deleted() {
    let maker = maker();
    let (mut card, mut eim) = managed(&maker, PolicyRules::default());
    let card = &mut card;
    // A rollback is granted, and the same package would delete what it goes back to.
    let orders = vec![Psmo::Enable { iccid: ts48_iccid(), rollback: true }, Psmo::Delete(bootstrap())];
    let results = eim.psmo(&maker, card, orders);
    assert_eq!(results[1], EuiccResultData::Code(Operation::Delete, 20));
    assert_eq!(switch(card, SwitchKind::Delete, bootstrap()), 127, "SGP.22 has no code for it");
    assert_eq!(card.installed_profiles().len(), 2);
    // The next package ends what was granted. The eUICC falls back, and ts48 is where it returns to.
    eim.psmo(&maker, card, vec![Psmo::SetFallbackAttribute(bootstrap())]);
    let fall_back = es10(card, &iot::refresh_request(iot::FALLBACK, false));
    assert_eq!(parse_result(iot::FALLBACK, &fall_back), Ok(0));
    let results = eim.psmo(&maker, card, vec![Psmo::Delete(ts48_iccid())]);
    assert_eq!(results[0], EuiccResultData::Code(Operation::Delete, 21));
    let back = es10(card, &iot::refresh_request(iot::RETURN_FROM_FALLBACK, false));
    assert_eq!(parse_result(iot::RETURN_FROM_FALLBACK, &back), Ok(0));
    assert_eq!(enabled(card).as_deref(), Some("ts48"));
    let results = eim.psmo(&maker, card, vec![Psmo::Delete(bootstrap())]);
    assert_eq!(results[0], EuiccResultData::Code(Operation::Delete, 0), "nothing leads there any more");
}

#[test]
fn an_eim_hears_in_its_own_codes_that_another_profile_comes_behind_a_test_profile() {
    let maker = maker();
    let mut card = maker.card();
    let card = &mut card;
    let mut test = Smdp::new(&maker.pki);
    test.metadata.class = ProfileClass::Test;
    test.download(card);
    let mut other = Smdp::new(&maker.pki);
    other.metadata.iccid = bcd("8988211000000000029");
    other.package = package_with(other.metadata.iccid);
    other.download(card);
    let mut eim = Eim::new("eim-1");
    es10(card, &AddInitialEim(vec![eim.configuration(None)]).to_bytes());
    assert_eq!(switch(card, SwitchKind::Enable, ts48_iccid()), 0);
    let enable = Psmo::Enable { iccid: other.metadata.iccid, rollback: false };
    let results = eim.psmo(&maker, card, vec![enable]);
    assert_eq!(results[0], EuiccResultData::Code(Operation::Enable, 127), "SGP.32 has no code 4");
    assert_eq!(switch(card, SwitchKind::Enable, other.metadata.iccid), 4);
}

#[test]
fn rules_are_those_of_the_owner_whom_the_files_name() {
    let maker = Maker::default();
    let reason = |mcc_mnc, gid1: Option<u8>| {
        let card = &mut maker.card();
        let mut smdp = Smdp::new(&maker.pki);
        smdp.metadata.rules = PolicyRules::PPR2;
        smdp.metadata.owner = Some(OperatorId { mcc_mnc, gid1: gid1.map(|gid| vec![gid]), gid2: None });
        match result(&maker, &smdp.download(card)).result {
            FinalResult::Success { .. } => 0,
            FinalResult::Error { reason, .. } => {
                assert!(card.installed_profiles().is_empty());
                reason
            }
        }
    };
    assert_eq!(reason([0x00, 0xf1, 0x10], None), 0, "001-01, as its EF.IMSI");
    assert_eq!(reason([0x00, 0xf1, 0x20], None), 15, "001-02");
    assert_eq!(reason([0x00, 0xe1, 0xee], None), 15, "a wildcard is nobody");
    assert_eq!(reason([0x00, 0xf1, 0x10], Some(0x99)), 15, "another EF.GID1");
}

#[test]
fn a_server_may_be_certified_under_another_ci_than_the_euicc() {
    fn with_second(mut config: EuiccConfig) -> EuiccConfig {
        config.anchors.push(pki(9, Curve::P256).anchor(None, &Tally::new()).unwrap());
        config
    }
    let maker = Maker { config: with_second, ..Maker::default() };
    let mut smdp = Smdp::new(&pki(9, Curve::P256));
    smdp.ci_key_id = maker.pki.ci.certificate.key_id().to_vec();
    let card = &mut maker.card();
    let response = smdp.download(card);
    assert!(matches!(result(&maker, &response).result, FinalResult::Success { .. }));
    // One that the eUICC does not verify with is none, and it cannot sign under the second.
    let code = |seed, ci_key_id: &[u8]| {
        let card = &mut maker.card();
        let mut smdp = Smdp::new(&pki(seed, Curve::P256));
        smdp.ci_key_id = ci_key_id.to_vec();
        let challenge = parse_challenge_response(&es10(card, &challenge_request())).unwrap();
        let response = es10(card, &smdp.authenticate(challenge).to_bytes());
        match AuthenticateServerResponse::parse(&response).unwrap() {
            AuthenticateServerResponse::Ok { .. } => 0,
            AuthenticateServerResponse::Error { code, .. } => code,
        }
    };
    let own = maker.pki.ci.certificate.key_id().to_vec();
    assert_eq!(code(9, &own), 0);
    assert_ne!(code(10, &own), 0);
    assert_eq!(code(9, pki(9, Curve::P256).ci.certificate.key_id()), 7);
}
