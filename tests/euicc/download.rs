//! Downloads that work, and what they leave on the card.

use cellbed::card::CardPort;
use cellbed::crypto::Tally;
use cellbed::crypto::rsp_cert::Curve;
use cellbed::wire::rsp::{
    CancelSessionRequest, CancelSessionResponse, FinalResult, NotificationEvents, ProfileInstallationResult,
    ProfileInstallationResultData, RetrieveNotifications, parse_notification_list, parse_pending_list,
};

use super::lab::*;

/// The result of an installation, its signature verified.
pub fn result(maker: &Maker, response: &[u8]) -> ProfileInstallationResultData {
    let result = ProfileInstallationResult::parse(response).unwrap();
    let certificate = &maker.config().chain[0];
    certificate.public().verify(&result.data, &result.signature, &Tally::new()).unwrap();
    ProfileInstallationResultData::parse(&result.data).unwrap()
}

#[test]
fn a_profile_is_downloaded_enabled_and_used() {
    for curve in [Curve::P256, Curve::BrainpoolP256r1] {
        let maker = Maker { pki: pki(1, curve), bootstrap: true, ..Maker::default() };
        let card = &mut maker.card();
        let events = listen(card);
        let smdp = Smdp::new(&maker.pki);
        let response = smdp.download(card);
        let result = result(&maker, &response);
        assert!(matches!(&result.result, FinalResult::Success { aid, .. } if aid.len() == 16), "{result:?}");
        assert_eq!(result.transaction_id, smdp.transaction_id);
        assert_eq!(result.smdp_oid.as_deref(), Some(smdp.identity.oid.contents()));
        assert_eq!(result.notification.address, SMDP);
        assert_eq!(result.notification.iccid, Some(ts48_iccid()));
        let names: Vec<_> = events.lock().unwrap().iter().map(|event| event.name).collect();
        assert_eq!(names, ["server-authenticated", "download-prepared", "profile-installed"]);
        // The result is kept until it is acknowledged, and nobody else is to be told.
        let pending = es10(card, &RetrieveNotifications::All.to_bytes());
        assert_eq!(parse_pending_list(&pending).unwrap(), [response]);
        // The bootstrap profile is enabled still.
        let enabled = |card: &cellbed::card::Uicc| -> Vec<_> {
            card.installed_profiles().into_iter().map(|profile| (profile.name, profile.enabled)).collect()
        };
        assert_eq!(enabled(card), [("bootstrap".to_owned(), true), ("ts48".to_owned(), false)]);
        let iccid = hex::encode(ts48_iccid());
        assert_eq!(
            hex::encode(es10(card, &hex::decode(format!("bf3111a00c5a0a{iccid}8101ff")).unwrap())),
            "bf3103800100"
        );
        card.reset().unwrap();
        assert_eq!(enabled(card), [("bootstrap".to_owned(), false), ("ts48".to_owned(), true)]);
        send(card, "00a4000c022fe2");
        assert_eq!(send(card, "00b000000a"), format!("{iccid}9000"));
        send(card, "00a4040c07a0000000871002");
        send(card, "00a4000c026f07");
        assert_eq!(send(card, "00b0000009").len(), 22, "an IMSI");
    }
}

#[test]
fn a_package_without_own_keys_and_blocks_of_any_size() {
    let maker = Maker::default();
    for block in [1, 120, 255] {
        let card = &mut maker.card();
        let smdp = Smdp { own_keys: false, ..Smdp::new(&maker.pki) };
        let prepared = smdp.until_prepared(card);
        let mut last = Vec::new();
        for piece in smdp.bind(&prepared.otpk).pieces() {
            let (data, status) = if piece.len() / block < 256 {
                store_in_blocks(card, &piece, block)
            } else {
                store_in_blocks(card, &piece, 255)
            };
            assert_eq!(status, 0x9000);
            last = data;
        }
        assert!(matches!(result(&maker, &last).result, FinalResult::Success { .. }));
    }
}

#[test]
fn everything_survives_the_power() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let mut old = maker.card();
    assert!(!old.dirty(), "a card as delivered has nothing to keep");
    let smdp = Smdp::new(&maker.pki);
    smdp.download(&mut old);
    let iccid = hex::encode(ts48_iccid());
    let act = |card: &mut cellbed::card::Uicc, hex: &str| {
        hex::encode(es10(card, &hex::decode(hex.replace(' ', "")).unwrap()))
    };
    assert_eq!(act(&mut old, &format!("bf2912 5a0a{iccid} 90046e69636b")), "bf2903800100");
    assert_eq!(act(&mut old, "bf3f0e 800c 736d64702e6578616d706c65"), "bf3f03800100");
    assert_eq!(act(&mut old, &format!("bf3111a00c5a0a{iccid}810100")), "bf3103800100");
    // A file of the downloaded profile is written.
    send(&mut old, "00a4040c07a0000000871002");
    send(&mut old, "00a4000c026f7b");
    assert_eq!(send(&mut old, "00d6000003 00f110"), "9000");
    assert!(old.dirty());
    let state = old.save();
    assert!(!old.dirty());

    let mut new = maker.card();
    new.restore(&state).unwrap();
    assert!(!new.dirty());
    assert_eq!(new.save(), state, "a state says the same of the card that was made from it");
    assert_eq!(new.installed_profiles(), old.installed_profiles());
    open_isd_r(&mut new);
    for request in ["bf2d00", "bf2800", "bf2b00", "bf3c00", "bf2000", "bf2200"] {
        assert_eq!(act(&mut new, request), act(&mut old, request), "{request}");
    }
    assert!(act(&mut new, "bf2d00").contains("90046e69636b"));
    send(&mut new, "00a4040c07a0000000871002");
    send(&mut new, "00a4000c026f7b");
    assert_eq!(send(&mut new, "00b0000003"), "00f1109000");
    // Challenges go on where the first card stood.
    let next = act(&mut old, "bf2e00");
    assert_eq!(act(&mut new, "bf2e00"), next);
    new.restore(&state).unwrap();
    open_isd_r(&mut new);
    assert_ne!(act(&mut new, "bf2e00"), next, "an older state does not bring a challenge back");
}

#[test]
fn a_bound_package_is_loaded_in_a_later_session() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let mut smdp = Smdp::new(&maker.pki);
    let first = smdp.until_prepared(card);
    let package = smdp.bind(&first.otpk);
    // The device gives up before it loads the package; the power goes, too.
    let cancel = CancelSessionRequest { transaction_id: smdp.transaction_id.clone(), reason: 1 };
    let response = CancelSessionResponse::parse(&es10(card, &cancel.to_bytes())).unwrap();
    assert!(matches!(response, CancelSessionResponse::Ok { .. }));
    let state = card.save();
    let card = &mut maker.card();
    card.restore(&state).unwrap();
    open_isd_r(card);
    smdp.bound_to = Some(first.otpk.clone());
    let second = smdp.until_prepared(card);
    assert_eq!(second.otpk, first.otpk, "the key that the package is bound to is used again");
    let response = load(card, &package.pieces());
    assert!(matches!(result(&maker, &response).result, FinalResult::Success { .. }));
    // A key is used up by an installation; another SM-DP+'s key, or one that is unknown, is not reused.
    smdp.bound_to = Some(first.otpk.clone());
    assert_ne!(smdp.until_prepared(card).otpk, first.otpk);
}

#[test]
fn a_confirmation_code_is_handed_on() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp { confirmation: true, ..Smdp::new(&maker.pki) };
    assert_eq!(smdp.until_prepared(card).hash_cc, Some([0x33; 32]));
    let smdp = Smdp::new(&maker.pki);
    assert_eq!(smdp.until_prepared(card).hash_cc, None);
}

#[test]
fn notifications_are_made_signed_kept_and_removed() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    smdp.download(card);
    let iccid = hex::encode(ts48_iccid());
    for request in [
        format!("bf3111a00c5a0a{iccid}810100"),
        format!("bf3211a00c5a0a{iccid}810100"),
        format!("bf330c5a0a{iccid}"),
    ] {
        assert!(hex::encode(es10(card, &hex::decode(request).unwrap())).ends_with("03800100"));
    }
    let list = parse_notification_list(&es10(card, &hex::decode("bf2800").unwrap())).unwrap();
    let events: Vec<_> = list.iter().map(|one| (one.sequence_number, one.event.name())).collect();
    assert_eq!(events, [(1, "install"), (2, "enable"), (3, "disable"), (4, "delete")]);
    let only = RetrieveNotifications::Events(NotificationEvents::DELETE);
    let pending = parse_pending_list(&es10(card, &only.to_bytes())).unwrap();
    assert_eq!(pending.len(), 1);
    let Ok(cellbed::wire::rsp::PendingNotification::Other(other)) =
        cellbed::wire::rsp::PendingNotification::parse(&pending[0])
    else {
        panic!("a notification of its own kind")
    };
    let certificate = &maker.config().chain[0];
    certificate.public().verify(&other.metadata, &other.signature, &Tally::new()).unwrap();
    assert_eq!(other.euicc_certificate, certificate.der());
    assert_eq!(es10(card, &hex::decode("bf3003800104").unwrap()), hex::decode("bf3003800100").unwrap());
    assert_eq!(es10(card, &hex::decode("bf3003800104").unwrap()), hex::decode("bf3003800101").unwrap());
    assert_eq!(parse_pending_list(&es10(card, &only.to_bytes())).unwrap(), Vec::<Vec<u8>>::new());
}
