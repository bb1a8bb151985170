//! Certificates, chains and lists, on hierarchies that `esim::pki` makes and on those that tests bend by hand.

use std::collections::BTreeSet;

use der::asn1::{BitString, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use proptest::prelude::*;
use x509_cert::crl::CertificateList;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::ext::pkix::crl::IssuingDistributionPoint;

use super::*;
use crate::crypto::key::signature_to_der;
use crate::crypto::{CryptoError, Op, Tally};
use crate::esim::pki::{Pki, PkiOptions};
use crate::id::Eid;
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::support::bent::bent;

const NOW: u64 = EPOCH_UNIX_S + 60;
const DAY_S: u64 = 86_400;

fn eid() -> Eid {
    "89049032123451234512345678901235".parse().unwrap()
}

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

fn hosts() -> Vec<String> {
    vec!["smdp.cellbed.test".to_owned(), "10.45.0.10".to_owned()]
}

fn make(curve: Curve, seed: u64) -> Pki {
    Pki::new(&RngTree::new(seed), &PkiOptions { curve, ..PkiOptions::default() }).unwrap()
}

fn rng() -> RngTree {
    RngTree::new(7).branch("test")
}

fn anchor(pki: &Pki) -> TrustAnchor {
    pki.anchor(None, &Tally::new()).unwrap()
}

fn verify(pki: &Pki, chain: &[&RspCertificate], role: Role) -> Result<(), RspCertError> {
    anchor(pki).verify_chain(chain, role, Some(NOW), &Tally::new())
}

#[test]
fn every_role_verifies_as_itself_and_as_nothing_else() {
    for curve in [Curve::P256, Curve::BrainpoolP256r1] {
        let pki = make(curve, 7);
        let (_, [euicc, eum]) = pki.euicc(&eid(), &rng()).unwrap();
        let smdp = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap();
        let smds = pki.smds(&oid("2.999.15"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap();
        let eim = pki.eim("eim-1", EPOCH_UNIX_S, &rng()).unwrap();
        let servers = [
            (Role::Eum, &eum),
            (Role::DpAuth, &smdp.auth.certificate),
            (Role::DpPb, &smdp.pb.certificate),
            (Role::DpTls, &smdp.tls.certificate),
            (Role::DsAuth, &smds.auth.certificate),
            (Role::DsTls, &smds.tls.certificate),
            (Role::Eim, &eim.certificate),
        ];
        assert_eq!(verify(&pki, &[&euicc, &eum], Role::Euicc), Ok(()));
        for (own, certificate) in servers {
            for (asked, _) in servers {
                let result = verify(&pki, &[certificate], asked);
                assert_eq!(result.is_ok(), own == asked, "{own} as {asked}: {result:?}");
            }
            assert!(verify(&pki, &[&euicc, certificate], Role::Euicc).is_ok() == (own == Role::Eum));
        }
        assert!(matches!(verify(&pki, &[&euicc], Role::Euicc), Err(RspCertError::ChainLength { .. })));
        assert!(matches!(verify(&pki, &[&euicc], Role::DpAuth), Err(RspCertError::UnknownCi { .. })));
    }
}

#[test]
fn a_certificate_is_read_in_full() {
    let pki = make(Curve::P256, 7);
    let (key, [euicc, eum]) = pki.euicc(&eid(), &rng()).unwrap();
    assert_eq!((euicc.eid(), euicc.role()), (Some(eid().as_str()), Some(Role::Euicc)));
    assert_eq!(euicc.public(), key.public());
    assert_eq!(euicc.authority_key_id(), Some(eum.key_id()));
    assert_eq!(euicc.key_id(), key.public().key_id());
    assert!(!euicc.has(ExtensionName::BasicConstraints) && !euicc.has(ExtensionName::CrlDistributionPoints));
    assert_eq!(
        eum.permitted().unwrap(),
        [Subtree { organization: Some("cellbed".to_owned()), ein: "89049032".to_owned() }]
    );
    assert_eq!((eum.path_length(), eum.registered_id()), (Some(0), Some(&oid("2.999.5"))));

    let tls = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap().tls.certificate;
    assert_eq!(tls.hosts(), ["smdp.cellbed.test"]);
    assert_eq!(tls.addresses(), ["10.45.0.10".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(tls.crl_urls(), ["http://ci.cellbed.test/ci.crl"]);
    assert!(tls.may_serve_tls() && tls.may(KeyUse::DigitalSignature) && !tls.may(KeyUse::KeyAgreement));
    assert_eq!(tls.not_before_unix_s(), EPOCH_UNIX_S);
    assert_eq!(RspCertificate::parse(tls.der()), Ok(tls));
}

/// No byte of a certificate can change unseen, in any link of the chain.
#[test]
fn each_byte_counts() {
    let pki = make(Curve::P256, 7);
    let (_, [euicc, eum]) = pki.euicc(&eid(), &rng()).unwrap();
    let auth = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap().auth.certificate;
    let anchor = anchor(&pki);
    let refused = |at: usize, chain: &[&RspCertificate], role| {
        let result = anchor.verify_chain(chain, role, Some(NOW), &Tally::new());
        assert!(result.is_err(), "{role}, byte {at}");
    };
    for (role, original) in [(Role::Euicc, &euicc), (Role::Eum, &eum), (Role::DpAuth, &auth)] {
        let mut parsed = 0;
        for at in 0..original.der().len() {
            let mut der = original.der().to_vec();
            der[at] ^= 1;
            let Ok(changed) = RspCertificate::parse(&der) else { continue };
            parsed += 1;
            match role {
                Role::Euicc => refused(at, &[&changed, &eum], role),
                Role::Eum => refused(at, &[&euicc, &changed], Role::Euicc),
                _ => refused(at, &[&changed], role),
            }
        }
        assert!(parsed > 100, "{role}: the loop reached verification");
    }
    let ci = anchor.ci();
    for at in 0..ci.der().len() {
        let mut der = ci.der().to_vec();
        der[at] ^= 1;
        if let Ok(changed) = RspCertificate::parse(&der) {
            assert!(TrustAnchor::new(changed, &Tally::new()).is_err(), "CI, byte {at}");
        }
    }
}

#[test]
fn another_ci_of_the_same_key_identifier_is_no_help() {
    let (ours, rogue) = (make(Curve::P256, 7), make(Curve::P256, 8));
    let theirs = rogue.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap().auth;
    let unknown = verify(&ours, &[&theirs.certificate], Role::DpAuth).unwrap_err();
    assert!(matches!(unknown, RspCertError::UnknownCi { .. }));
    assert_eq!(unknown.authenticate_error_code(), 7);

    // The rogue names our CI and its key, but cannot sign for it.
    let mut forged = rogue.clone();
    forged.ci.certificate = ours.ci.certificate.clone();
    let forged = forged.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap().auth;
    let error = verify(&ours, &[&forged.certificate], Role::DpAuth).unwrap_err();
    assert!(matches!(error, RspCertError::Signature { .. }), "{error}");
    assert_eq!((error.authenticate_error_code(), error.download_error_code()), (1, 1));
}

#[test]
fn dates_count_where_there_is_a_clock() {
    let pki = make(Curve::P256, 7);
    let tls = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap().tls.certificate;
    let at = |now| anchor(&pki).verify_chain(&[&tls], Role::DpTls, now, &Tally::new());
    assert_eq!(at(Some(tls.not_after_unix_s())), Ok(()));
    let late = at(Some(tls.not_after_unix_s() + 1)).unwrap_err();
    assert!(matches!(late, RspCertError::Expired { .. }));
    assert!(late.to_string().contains("ended on 2027-02-03T00:00:00Z; it is 2027-02-03T00:00:01Z"), "{late}");
    assert!(matches!(at(Some(EPOCH_UNIX_S - 1)), Err(RspCertError::NotYetValid { .. })));
    assert_eq!(at(None), Ok(()));
}

#[test]
fn an_eum_certifies_its_own_eids_only() {
    let pki = make(Curve::P256, 7);
    let foreign = PkiOptions { eins: vec!["89033023".to_owned()], ..PkiOptions::default() };
    let foreign = Pki::new(&RngTree::new(7), &foreign).unwrap();
    assert!(foreign.euicc(&eid(), &rng()).is_err());

    // The same CI and EUM key, two ranges: an eUICC of one does not pass below the other.
    let (_, [euicc, eum]) = pki.euicc(&eid(), &rng()).unwrap();
    let mut other_range = foreign.clone();
    other_range.eum.as_mut().unwrap().key = pki.eum.as_ref().unwrap().key.clone();
    let narrow = &foreign.eum.as_ref().unwrap().certificate;
    assert_eq!(narrow.public(), eum.public());
    let error = verify(&foreign, &[&euicc, narrow], Role::Euicc).unwrap_err();
    assert!(matches!(error, RspCertError::NotPermitted { .. }), "{error}");
}

#[test]
fn revoked_servers_are_refused_and_lists_are_checked() {
    let mut pki = make(Curve::P256, 7);
    let smdp = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap();
    let mut anchor = anchor(&pki);
    pki.revoke(&smdp.auth.certificate, CrlReason::KeyCompromise, NOW).unwrap();
    let crl = pki.crl.clone().unwrap();
    let tally = Tally::new();
    let check = |anchor: &TrustAnchor, certificate, role, now| {
        anchor.verify_chain(&[certificate], role, now, &Tally::new())
    };

    let mut bent = crl.der().to_vec();
    let last = bent.len() - 1;
    bent[last] ^= 1;
    let refused = anchor.take_crl(&Crl::parse(&bent).unwrap(), Some(NOW), &tally);
    assert!(matches!(refused, Err(RspCertError::CrlSignature { .. })));
    assert_eq!(check(&anchor, &smdp.auth.certificate, Role::DpAuth, None), Ok(()));

    anchor.take_crl(&crl, Some(NOW), &tally).unwrap();
    let error = check(&anchor, &smdp.auth.certificate, Role::DpAuth, None).unwrap_err();
    assert!(matches!(error, RspCertError::Revoked { .. }), "{error}");
    assert_eq!(check(&anchor, &smdp.pb.certificate, Role::DpPb, Some(NOW)), Ok(()));
    let stale = check(&anchor, &smdp.pb.certificate, Role::DpPb, Some(NOW + 366 * DAY_S));
    assert!(matches!(stale, Err(RspCertError::CrlStale { .. })));

    // An older list does not take back what a newer one says.
    pki.revoke(&smdp.pb.certificate, CrlReason::Superseded, NOW).unwrap();
    anchor.take_crl(pki.crl.as_ref().unwrap(), Some(NOW), &tally).unwrap();
    anchor.take_crl(&crl, Some(NOW), &tally).unwrap();
    assert!(check(&anchor, &smdp.pb.certificate, Role::DpPb, Some(NOW)).is_err());

    let mut rogue = make(Curve::P256, 8);
    rogue.renew_crl(NOW).unwrap();
    let refused = anchor.take_crl(rogue.crl.as_ref().unwrap(), Some(NOW), &tally);
    assert!(matches!(refused, Err(RspCertError::CrlIssuer { .. })));
    let revoked: BTreeSet<_> = pki.crl.unwrap().revoked().keys().cloned().collect();
    assert_eq!(revoked.len(), 2);
}

/// The list with an issuingDistributionPoint, signed again by the CI.
fn with_distribution_point(pki: &Pki, crl: &Crl, point: &IssuingDistributionPoint) -> Crl {
    let mut list = CertificateList::from_der(crl.der()).unwrap();
    let extension = Extension {
        extn_id: ObjectIdentifier::new_unwrap("2.5.29.28"),
        critical: true,
        extn_value: OctetString::new(point.to_der().unwrap()).unwrap(),
    };
    list.tbs_cert_list.crl_extensions.as_mut().unwrap().push(extension);
    let raw = pki.ci.key.as_ref().unwrap().sign(&list.tbs_cert_list.to_der().unwrap());
    list.signature = BitString::from_bytes(&signature_to_der(&raw).unwrap()).unwrap();
    Crl::parse(&list.to_der().unwrap()).unwrap()
}

#[test]
fn a_list_for_some_certificates_stands_beside_that_for_all() {
    let mut pki = make(Curve::P256, 7);
    let smdp = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap();
    pki.revoke(&smdp.auth.certificate, CrlReason::KeyCompromise, NOW).unwrap();
    let full = pki.crl.clone().unwrap();
    // The next list is for issuers alone, and names nobody else.
    let mut other = pki.clone();
    other.crl = None;
    for _ in 0..5 {
        other.renew_crl(NOW).unwrap();
    }
    let point = IssuingDistributionPoint { only_contains_ca_certs: true, ..no_point() };
    let partial = with_distribution_point(&pki, other.crl.as_ref().unwrap(), &point);
    assert!(partial.number() > full.number() && partial.revoked().is_empty());
    for order in [[&full, &partial], [&partial, &full]] {
        let mut anchor = anchor(&make(Curve::P256, 7));
        for crl in order {
            anchor.take_crl(crl, Some(NOW), &Tally::new()).unwrap();
        }
        let checked = anchor.verify_chain(&[&smdp.auth.certificate], Role::DpAuth, Some(NOW), &Tally::new());
        assert!(matches!(checked, Err(RspCertError::Revoked { .. })), "{checked:?}");
    }
    // One that says only where it was found is for everything.
    let everywhere = with_distribution_point(&pki, &full, &no_point());
    assert!(everywhere.scope().is_empty());
}

fn no_point() -> IssuingDistributionPoint {
    IssuingDistributionPoint {
        distribution_point: None,
        only_contains_user_certs: false,
        only_contains_ca_certs: false,
        only_some_reasons: None,
        indirect_crl: false,
        only_contains_attribute_certs: false,
    }
}

#[test]
fn dpauth_and_dppb_belong_to_one_server() {
    let pki = make(Curve::P256, 7);
    let one = pki.smdp(&oid("2.999.10"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap();
    let two = pki.smdp(&oid("2.999.12"), &hosts(), EPOCH_UNIX_S, &rng()).unwrap();
    assert_eq!(check_same_oid(&one.auth.certificate, &one.pb.certificate), Ok(()));
    let error = check_same_oid(&one.auth.certificate, &two.pb.certificate).unwrap_err();
    assert!(error.to_string().contains("belongs to 2.999.12, 2.999.10 is asked for"), "{error}");
    assert_eq!(error.authenticate_error_code(), 5);
    let (_, [euicc, _]) = pki.euicc(&eid(), &rng()).unwrap();
    assert!(matches!(check_same_oid(&one.auth.certificate, &euicc), Err(RspCertError::NoOid { .. })));
}

#[test]
fn the_signature_of_an_eum_is_verified_once_and_everything_else_each_time() {
    let pki = make(Curve::P256, 1);
    let (_, [euicc, eum]) = pki.euicc(&eid(), &rng()).unwrap();
    let (tally, mut anchor) = (Tally::new(), anchor(&pki));
    let verified = |anchor: &TrustAnchor, chain: &[&RspCertificate]| {
        let before = tally.of(Op::P256Verify);
        let result = anchor.verify_chain(chain, Role::Euicc, Some(NOW), &tally);
        (result, tally.of(Op::P256Verify) - before)
    };
    // One whose signature is another is refused each time, and the right one is not the wrong one's.
    let mut octets = eum.der().to_vec();
    *octets.last_mut().unwrap() ^= 1;
    let forged = RspCertificate::parse(&octets).unwrap();
    for _ in 0..2 {
        let (result, count) = verified(&anchor, &[&euicc, &forged]);
        assert!(matches!(result, Err(RspCertError::Signature { .. })) && count == 1, "{result:?} {count}");
    }
    assert_eq!(verified(&anchor, &[&euicc, &eum]), (Ok(()), 2));
    assert_eq!(verified(&anchor, &[&euicc, &eum]), (Ok(()), 1));
    assert!(verified(&anchor, &[&euicc, &forged]).0.is_err());
    // What is revoked is refused, though its signature is known.
    let mut revoking = pki.clone();
    revoking.revoke(&eum, CrlReason::KeyCompromise, NOW).unwrap();
    anchor.take_crl(revoking.crl.as_ref().unwrap(), Some(NOW), &tally).unwrap();
    assert!(matches!(verified(&anchor, &[&euicc, &eum]).0, Err(RspCertError::Revoked { .. })));
}

#[test]
fn verification_is_counted() {
    let pki = make(Curve::P256, 7);
    let (_, [euicc, eum]) = pki.euicc(&eid(), &rng()).unwrap();
    let tally = Tally::new();
    let anchor = pki.anchor(None, &tally).unwrap();
    anchor.verify_chain(&[&euicc, &eum], Role::Euicc, None, &tally).unwrap();
    assert_eq!(tally.of(Op::P256Verify), 3);
}

#[test]
fn a_key_on_another_curve_is_named_as_such() {
    let pki = make(Curve::P256, 7);
    let mut der = pki.ci.certificate.der().to_vec();
    // secp256r1 becomes an identifier that no curve has.
    let at = der.windows(8).position(|window| window == Curve::P256.oid()).unwrap();
    der[at + 7] = 0x08;
    let error = RspCertificate::parse(&der).unwrap_err();
    assert!(matches!(error, RspCertError::Key { source: CryptoError::Curve, .. }), "{error}");
    assert_eq!((error.authenticate_error_code(), error.download_error_code()), (3, 3));
}

proptest! {
    /// What is read holds the bytes that were signed; its signature verifies as long as nothing was changed.
    #[test]
    fn a_certificate_is_read_as_it_stands_or_refused(
        der in bent(make(Curve::P256, 7).eum.unwrap().certificate.der().to_vec()),
    ) {
        let pki = make(Curve::P256, 7);
        let eum = pki.eum.as_ref().unwrap().certificate.der();
        match RspCertificate::parse(&der) {
            Ok(read) => {
                prop_assert_eq!(read.der(), &der[..]);
                prop_assert!(der.windows(read.tbs().len()).any(|part| part == read.tbs()));
                prop_assert!(der.windows(read.serial().len()).any(|part| part == read.serial()));
                let anchor = pki.anchor(None, &Tally::new()).unwrap();
                let verified = anchor.verify_chain(&[&read], Role::Eum, None, &Tally::new());
                prop_assert_eq!(verified.is_ok(), der == eum, "{:?}", verified);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_revocation_list_is_read_as_it_stands_or_refused(der in bent(revocations().der().to_vec())) {
        match Crl::parse(&der) {
            Ok(read) => {
                prop_assert_eq!(read.der(), &der[..]);
                let mut anchor = make(Curve::P256, 7).anchor(None, &Tally::new()).unwrap();
                let taken = anchor.take_crl(&read, Some(NOW), &Tally::new());
                prop_assert_eq!(taken.is_ok(), der == revocations().der(), "{:?}", taken);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

fn revocations() -> Crl {
    let mut pki = make(Curve::P256, 7);
    pki.renew_crl(NOW).unwrap();
    pki.crl.unwrap()
}
