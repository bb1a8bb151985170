//! A hierarchy: made from a seed, kept in files, loaded from them, and the test material of SGP.26 read as an outside
//! check.

use x509_cert::ext::pkix::CrlReason;

use super::*;
use crate::crypto::Op;
use crate::support::{from_variable, need};

const NOW: u64 = EPOCH_UNIX_S + 60;

fn eid() -> Eid {
    "89049032123451234512345678901235".parse().unwrap()
}

fn deployment(curve: Curve, seed: u64) -> Deployment {
    let options = PkiOptions { curve, ..PkiOptions::default() };
    let hosts = ["smdp.cellbed.test".to_owned(), "::1".to_owned()];
    let mut made = Deployment::new(&RngTree::new(seed), &options, &hosts).unwrap();
    let (key, [certificate, _]) = made.pki.euicc(&eid(), &RngTree::new(seed).branch("card")).unwrap();
    made.euicc.push(Identity { key, certificate });
    made
}

#[test]
fn a_hierarchy_is_a_function_of_its_seed() {
    assert_eq!(deployment(Curve::P256, 7).to_files(), deployment(Curve::P256, 7).to_files());
    assert_ne!(deployment(Curve::P256, 7).to_files(), deployment(Curve::P256, 8).to_files());
}

#[test]
fn a_hierarchy_comes_back_from_its_files_whatever_they_are_called() {
    for curve in [Curve::P256, Curve::BrainpoolP256r1] {
        let mut made = deployment(curve, 7);
        made.pki.revoke(&made.smds[0].auth.certificate, CrlReason::Superseded, NOW).unwrap();
        let mut files = made.to_files();
        let (loaded, notes) = Material::read(&files).deployment(None).unwrap();
        assert_eq!((&loaded, &notes[..]), (&made, &[][..]));

        for (number, file) in files.iter_mut().enumerate() {
            file.path = format!("{}{number}", if file.is_secret() { "SK_" } else { "" });
        }
        files.reverse();
        assert_eq!(Material::read(&files).deployment(Some(curve)).unwrap().0, made);
        let other = if curve == Curve::P256 { Curve::BrainpoolP256r1 } else { Curve::P256 };
        assert_eq!(Material::read(&files).deployment(Some(other)), Err(EsimError::NoCi { curve: other }));
    }
}

#[test]
fn everything_made_is_in_order_and_what_is_changed_is_named() {
    let made = deployment(Curve::P256, 7);
    made.check(Some(NOW), &Tally::new()).unwrap();
    let files = made.to_files();
    let checked = Material::read(&files).check(NOW, &Tally::new());
    assert_eq!(checked.len(), files.len());
    assert!(checked.iter().all(|file| file.problem.is_none()), "{checked:?}");

    for at in 0..files.len() {
        let mut files = files.clone();
        let middle = files[at].bytes.len() - 40;
        files[at].bytes[middle] ^= 1;
        let checked = Material::read(&files).check(NOW, &Tally::new());
        let named = checked.iter().find(|file| file.path == files[at].path);
        assert!(named.is_some_and(|file| file.problem.is_some()), "{}", files[at].path);
    }
    let late = Material::read(&files).check(NOW + TLS_LIFETIME_S, &Tally::new());
    let late: Vec<_> = late.iter().filter(|file| file.problem.is_some()).map(|file| file.role).collect();
    let expected = [Role::DpTls, Role::DpTls, Role::DsTls, Role::DsTls, Role::Operator, Role::Operator];
    assert_eq!(late, expected.map(Some));
}

#[test]
fn servers_without_a_key_or_certificate_are_left_out_aloud() {
    let made = deployment(Curve::P256, 7);
    let without = |part: &str| {
        let mut files = made.to_files();
        files.retain(|file| !file.path.contains(part));
        Material::read(&files).deployment(None).unwrap()
    };
    let (loaded, notes) = without("SK_S_SM_DPpb");
    assert!(loaded.smdp.is_empty() && loaded.smds == made.smds);
    assert!(notes[0].contains("no private key for the certificate of DPpb for 2.999.10"), "{notes:?}");
    let (loaded, notes) = without("DStls/CERT");
    assert!(loaded.smds.is_empty() && notes[0].contains("no certificate of DStls for 2.999.15"), "{notes:?}");
    let (loaded, _) = without("SK_CI");
    assert_eq!(
        loaded.pki.smdp(&loaded.smdp[0].oid, &["a.test".to_owned()], NOW, &RngTree::new(1)),
        Err(EsimError::NoIssuerKey { issuer: "CI" })
    );
    let (loaded, _) = without("EUM/");
    assert_eq!(loaded.pki.euicc(&eid(), &RngTree::new(1)), Err(EsimError::NoEum));
}

#[test]
fn renewal_keeps_identity_and_hosts_and_changes_every_key() {
    let made = deployment(Curve::P256, 7);
    let old = &made.smdp[0];
    let new = made.pki.renew_smdp(old, NOW, &RngTree::new(7)).unwrap();
    new.check(&made.pki.anchor(None, &Tally::new()).unwrap(), Some(NOW), &Tally::new()).unwrap();
    assert_eq!((&new.oid, hosts_of(&new.tls.certificate)), (&old.oid, hosts_of(&old.tls.certificate)));
    assert_eq!(new.tls.certificate.addresses(), ["::1".parse::<std::net::IpAddr>().unwrap()]);
    for (new, old) in [(&new.auth, &old.auth), (&new.pb, &old.pb), (&new.tls, &old.tls)] {
        assert_ne!(new.key.public(), old.key.public());
        assert_ne!(new.certificate.serial(), old.certificate.serial());
    }
    assert_ne!(made.pki.renew_smdp(&new, NOW, &RngTree::new(7)).unwrap(), new);

    // Both are in a folder: the newer one is loaded, the older one named.
    let mut files = made.to_files();
    let renewed = Deployment { smdp: vec![new.clone()], ..made.clone() }.to_files();
    files.extend(renewed.into_iter().filter(|file| file.path.starts_with("DP")).map(|mut file| {
        file.path = file.path.replace("SM_DP", "SM_DP9");
        file
    }));
    let (loaded, notes) = Material::read(&files).deployment(None).unwrap();
    assert_eq!(loaded.smdp, [new]);
    assert!(notes.iter().any(|note| note.starts_with("DPauth/CERT_S_SM_DPauth")), "{notes:?}");
}

#[test]
fn refusals_name_what_is_wrong() {
    let mut made = deployment(Curve::P256, 7);
    let oid: Oid = "2.999.10".parse().unwrap();
    let smdp = |hosts: &[&str]| {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        made.pki.smdp(&oid, &hosts, NOW, &RngTree::new(1)).unwrap_err()
    };
    assert_eq!(smdp(&[]), EsimError::NoHost);
    assert_eq!(smdp(&["not a name"]), EsimError::Host { name: "not a name".to_owned() });
    for ein in ["", "8904903x", &"1".repeat(31)] {
        let options = PkiOptions { eins: vec![ein.to_owned()], ..PkiOptions::default() };
        assert!(matches!(Pki::new(&RngTree::new(1), &options), Err(EsimError::Ein { .. })), "{ein}");
    }
    let euicc = made.euicc[0].certificate.clone();
    let foreign = deployment(Curve::P256, 8).smdp[0].auth.certificate.clone();
    for other in [euicc, foreign, made.pki.ci.certificate.clone()] {
        let refused = made.pki.revoke(&other, CrlReason::KeyCompromise, NOW);
        assert!(matches!(refused, Err(EsimError::NotIssuedHere { .. })), "{}", other.subject_text());
    }
    let auth = made.smdp[0].auth.certificate.clone();
    made.pki.revoke(&auth, CrlReason::KeyCompromise, NOW).unwrap();
    assert!(matches!(
        made.pki.revoke(&auth, CrlReason::KeyCompromise, NOW),
        Err(EsimError::AlreadyRevoked { .. })
    ));
    let number = made.pki.crl.as_ref().unwrap().number();
    made.pki.renew_crl(NOW + 1).unwrap();
    let crl = made.pki.crl.as_ref().unwrap();
    assert_eq!((crl.number(), crl.revoked().len()), (number + 1, 1));
    assert!(matches!(made.check(Some(NOW), &Tally::new()), Err(EsimError::Certificate(_))));
}

#[test]
fn a_thousand_euiccs_cost_a_signature_each() {
    let made = deployment(Curve::P256, 7);
    let anchor = made.pki.anchor(None, &Tally::new()).unwrap();
    let (rng, tally) = (RngTree::new(7), Tally::new());
    let mut serials = std::collections::BTreeSet::new();
    for n in 0..1000 {
        let eid = eid().plus(n).unwrap();
        let (_, [euicc, eum]) = made.pki.euicc(&eid, &rng.branch(&eid)).unwrap();
        assert_eq!(euicc.eid(), Some(eid.as_str()));
        serials.insert(euicc.serial().to_vec());
        if n % 100 == 0 {
            anchor.verify_chain(&[&euicc, &eum], Role::Euicc, None, &tally).unwrap();
        }
    }
    // Ten chains were verified: each has an eUICC of its own, and all have one EUM.
    assert_eq!((serials.len(), tally.of(Op::P256Verify)), (1000, 11));
}

/// The EIDs of the SIM profiles here are ones that a default EUM may certify.
#[test]
fn the_default_eum_certifies_the_sim_profiles_of_the_repository() {
    let pki = deployment(Curve::P256, 7).pki;
    let mut profiles: Vec<_> =
        std::fs::read_dir("sim-profiles").unwrap().map(|entry| entry.unwrap().path()).collect();
    profiles.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert!(!profiles.is_empty());
    for profile in profiles {
        let text = std::fs::read_to_string(&profile).unwrap();
        let eid = text.lines().find_map(|line| line.strip_prefix("eid = ")).unwrap().trim_matches('"');
        pki.euicc(&eid.parse().unwrap(), &RngTree::new(1)).unwrap();
    }
}

/// What a TLS client that trusts the CI makes of DPtls: rustls refuses certificates that have critical extensions
/// which it does not know, and the policies of a CI are critical.
#[test]
fn rustls_trusts_the_tls_certificate_for_its_hosts() {
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    let made = deployment(Curve::P256, 7);
    let tls = CertificateDer::from(made.smdp[0].tls.certificate.der());
    let ci = CertificateDer::from(made.pki.ci.certificate.der());
    let anchor = webpki::anchor_from_trusted_cert(&ci).unwrap();
    let leaf = webpki::EndEntityCert::try_from(&tls).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW));
    leaf.verify_for_usage(
        &[webpki::aws_lc_rs::ECDSA_P256_SHA256],
        &[anchor],
        &[],
        at,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    )
    .unwrap();
    for (name, valid) in
        [("smdp.cellbed.test", true), ("::1", true), ("other.test", false), ("10.0.0.1", false)]
    {
        let name = ServerName::try_from(name).unwrap();
        assert_eq!(leaf.verify_is_valid_for_subject_name(&name).is_ok(), valid, "{name:?}");
    }
    assert!(made.smdp[0].tls.key.soft().is_some());
}

/// An outside check: the published test material, where `SGP26_DIR` says that it is.
#[test]
fn the_material_of_sgp_26_is_read_and_verified() {
    let unproved = "the published certificates of SGP.26 are read and verified";
    let Some(folder) = need("sgp26", unproved, from_variable("SGP26_DIR")) else { return };
    let files = crate::io::pki_folder::read(&folder).unwrap();
    let material = Material::read(&files);
    assert_eq!(material.broken, []);
    for curve in [Curve::P256, Curve::BrainpoolP256r1] {
        let (loaded, notes) = material.deployment(Some(curve)).unwrap();
        // Every published certificate of 2020 to 2030; TLS ones have a year each.
        let tally = Tally::new();
        let anchor = loaded.pki.anchor(None, &tally).unwrap();
        assert!(!loaded.smdp.is_empty(), "{notes:?}");
        for smdp in &loaded.smdp {
            smdp.check(&anchor, None, &tally).unwrap();
            let at = Some(smdp.tls.certificate.not_before_unix_s());
            smdp.check(&anchor, at, &tally).unwrap();
        }
    }
    let mut verified = 0;
    for (path, certificate) in &material.certificates {
        let role = certificate.role().unwrap();
        let curve = certificate.public().curve();
        let (loaded, _) = material.deployment(Some(curve)).unwrap();
        let anchor = loaded.pki.anchor(None, &Tally::new()).unwrap();
        if role != Role::Ci && role != Role::Euicc {
            let result = anchor.verify_chain(&[certificate], role, None, &Tally::new());
            assert_eq!(result, Ok(()), "{path}");
            verified += 1;
        }
    }
    eprintln!("SGP.26: {verified} of {} certificates verified below a CI", material.certificates.len());
    assert!(verified > 0);
}
