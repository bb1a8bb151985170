//! Whatever is signed or under a MAC is flipped, bit by bit: it is refused with the right code, and the card is the
//! same as before but for what the standard has it keep.

use cellbed::card::Uicc;
use cellbed::crypto::rsp_cert::Curve;
use cellbed::wire::rsp::{
    AuthenticateServerResponse, FinalResult, InitialiseSecureChannel, PrepareDownloadResponse, ServerSigned1,
    SmdpSigned2, challenge_request, parse_challenge_response,
};
use cellbed::wire::tlv;
use x509_cert::ext::pkix::CrlReason;

use super::download::result;
use super::lab::*;

fn challenge(card: &mut Uicc) -> [u8; 16] {
    parse_challenge_response(&es10(card, &challenge_request())).unwrap()
}

/// The code of a refused AuthenticateServer; none where the message was not even understood.
fn authentication_code(card: &mut Uicc, bytes: &[u8]) -> Option<u64> {
    let (data, status) = store_in_blocks(card, bytes, 255);
    if status != 0x9000 {
        assert!(status == 0x6a80 || status == 0x6a88, "{status:04x}");
        return None;
    }
    match AuthenticateServerResponse::parse(&data).unwrap() {
        AuthenticateServerResponse::Error { code, .. } => Some(code),
        AuthenticateServerResponse::Ok { .. } => panic!("accepted"),
    }
}

fn preparation_code(card: &mut Uicc, bytes: &[u8]) -> Option<u64> {
    let (data, status) = store_in_blocks(card, bytes, 255);
    if status != 0x9000 {
        assert!(status == 0x6a80 || status == 0x6a88, "{status:04x}");
        return None;
    }
    match PrepareDownloadResponse::parse(&data).unwrap() {
        PrepareDownloadResponse::Error { code, .. } => Some(code),
        PrepareDownloadResponse::Ok { .. } => panic!("accepted"),
    }
}

#[test]
fn every_byte_of_server_authentication_counts() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    let challenge = challenge(card);
    let request = smdp.authenticate(challenge);
    let good = request.to_bytes();
    // What comes behind the certificate, ctxParams1, is the device's own.
    let signed_end = good.len() - request.ctx_params1.to_bytes().len();
    let state = card.save();
    for at in 0..signed_end {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        authentication_code(card, &bad);
        assert!(!card.dirty(), "byte {at}");
    }
    assert_eq!(card.save(), state);
    // Field by field, with the codes of the standard.
    let tampered = |change: &dyn Fn(&mut cellbed::wire::rsp::AuthenticateServerRequest)| {
        let mut request = request.clone();
        change(&mut request);
        request.to_bytes()
    };
    let signed = |change: &dyn Fn(&mut ServerSigned1)| {
        tampered(&|request| {
            let mut signed = ServerSigned1::parse(&request.server_signed1).unwrap();
            change(&mut signed);
            request.server_signed1 = signed.to_bytes();
        })
    };
    for (bytes, code, name) in [
        (signed(&|signed| signed.transaction_id[0] ^= 1), 2, "signature-invalid"),
        (signed(&|signed| signed.euicc_challenge[0] ^= 1), 2, "signature-invalid"),
        (signed(&|signed| signed.server_address.push('x')), 2, "signature-invalid"),
        (signed(&|signed| signed.server_challenge[15] ^= 1), 2, "signature-invalid"),
        (tampered(&|request| request.server_signature1[0] ^= 1), 2, "signature-invalid"),
        (tampered(&|request| request.ci_key_id[0] ^= 1), 7, "ci-unknown"),
        (tampered(&|request| *request.certificate.last_mut().unwrap() ^= 1), 1, "certificate-refused"),
    ] {
        assert_eq!(authentication_code(card, &bytes), Some(code), "{:?}", card.last_reason());
        assert_eq!(card.last_reason().unwrap().name, name);
    }
    // Nothing of this harms the session: the right answer is taken still.
    let response = es10(card, &good);
    assert!(matches!(
        AuthenticateServerResponse::parse(&response),
        Ok(AuthenticateServerResponse::Ok { .. })
    ));
    assert!(!card.dirty());
}

#[test]
fn a_challenge_is_answered_once() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    assert_eq!(
        authentication_code(card, &smdp.authenticate([0; 16]).to_bytes()),
        Some(4),
        "none was asked for"
    );
    let first = challenge(card);
    let replayed = smdp.authenticate(first).to_bytes();
    es10(card, &replayed);
    assert_eq!(authentication_code(card, &replayed), Some(4));
    challenge(card);
    assert_eq!(authentication_code(card, &replayed), Some(6));
    assert_eq!(card.last_reason().unwrap().name, "challenge-mismatch");
}

#[test]
fn certificates_of_others_are_refused() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let good = Smdp::new(&maker.pki);
    // A rogue CI with the same key identifier in the message.
    let rogue_pki = pki(99, Curve::P256);
    let mut rogue = Smdp::new(&rogue_pki);
    let code = |card: &mut Uicc, smdp: &Smdp| {
        let challenge = challenge(card);
        authentication_code(card, &smdp.authenticate(challenge).to_bytes())
    };
    assert_eq!(code(card, &rogue), Some(7));
    rogue.ci_key_id.clone_from(&good.ci_key_id);
    assert_eq!(code(card, &rogue), Some(7), "its chain ends elsewhere");
    // A certificate of the wrong role.
    let mut wrong = Smdp::new(&maker.pki);
    wrong.identity.auth = wrong.identity.pb.clone();
    assert_eq!(code(card, &wrong), Some(1));
    wrong.identity.auth = wrong.identity.tls.clone();
    assert_eq!(code(card, &wrong), Some(1));
    // A curve that the CI is not on.
    let other = pki(1, Curve::BrainpoolP256r1);
    let mut other = Smdp::new(&other);
    other.ci_key_id.clone_from(&good.ci_key_id);
    assert_eq!(code(card, &other), Some(7));
    assert!(!card.last_reason().unwrap().text.is_empty());
}

#[test]
fn a_revoked_certificate_is_refused() {
    let maker = Maker::default();
    let smdp = Smdp::new(&maker.pki);
    let card = &mut maker.card();
    let mut pki = maker.pki.clone();
    let now = cellbed::esim::PkiOptions::default().now_unix_s;
    pki.revoke(&smdp.identity.auth.certificate, CrlReason::KeyCompromise, now).unwrap();
    let crl = pki.crl.clone().unwrap();
    let mut load = Vec::new();
    tlv::push(&mut load, 0xbf35, &[&[0xa0], &crl.der()[1..]].concat());
    // A flipped list is not taken.
    let mut bad = load.clone();
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(hex::encode(es10(card, &bad)), "bf3503810101");
    assert!(!card.dirty());
    assert_eq!(hex::encode(es10(card, &load)), "bf3502a000");
    let state = card.save();
    for restored in [false, true] {
        if restored {
            *card = maker.card();
            card.restore(&state).unwrap();
            open_isd_r(card);
        }
        let challenge = challenge(card);
        assert_eq!(authentication_code(card, &smdp.authenticate(challenge).to_bytes()), Some(1));
        assert!(card.last_reason().unwrap().text.contains("revoked"));
    }
}

#[test]
fn every_byte_of_the_release_of_a_download_counts() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    let challenge = challenge(card);
    let response = es10(card, &smdp.authenticate(challenge).to_bytes());
    let Ok(AuthenticateServerResponse::Ok { euicc_signature1, .. }) =
        AuthenticateServerResponse::parse(&response)
    else {
        panic!("refused")
    };
    let request = smdp.prepare(&euicc_signature1);
    let good = request.to_bytes();
    let state = card.save();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        preparation_code(card, &bad);
        assert!(!card.dirty(), "byte {at}");
    }
    assert_eq!(card.save(), state);
    let tampered = |change: &dyn Fn(&mut cellbed::wire::rsp::PrepareDownloadRequest)| {
        let mut request = request.clone();
        change(&mut request);
        request.to_bytes()
    };
    let signed = |change: &dyn Fn(&mut SmdpSigned2)| {
        tampered(&|request| {
            let mut signed = SmdpSigned2::parse(&request.smdp_signed2).unwrap();
            change(&mut signed);
            request.smdp_signed2 = signed.to_bytes();
        })
    };
    let other_oid = {
        let oid = "2.999.11".parse().unwrap();
        let now = cellbed::esim::PkiOptions::default().now_unix_s;
        let rng = cellbed::kernel::RngTree::new(44);
        maker.pki.smdp(&oid, &[SMDP.to_owned()], now, &rng).unwrap().pb.certificate
    };
    for (bytes, code, name) in [
        (signed(&|signed| signed.transaction_id[0] ^= 1), 5, "transaction-mismatch"),
        (signed(&|signed| signed.confirmation_code_required = true), 2, "signature-invalid"),
        (signed(&|signed| signed.bpp_euicc_otpk = Some(vec![4; 65])), 2, "signature-invalid"),
        (tampered(&|request| request.smdp_signature2[63] ^= 1), 2, "signature-invalid"),
        (tampered(&|request| *request.certificate.last_mut().unwrap() ^= 1), 1, "certificate-refused"),
        (
            tampered(&|request| request.certificate = smdp.identity.auth.certificate.der().to_vec()),
            1,
            "certificate-refused",
        ),
        (tampered(&|request| request.certificate = other_oid.der().to_vec()), 1, "certificate-refused"),
    ] {
        assert_eq!(preparation_code(card, &bytes), Some(code), "{:?}", card.last_reason());
        assert_eq!(card.last_reason().unwrap().name, name);
    }
    es10(card, &good);
    // A signature that is over the signature of another session.
    card_in_another_session(&maker);
}

fn card_in_another_session(maker: &Maker) {
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    assert_eq!(preparation_code(card, &smdp.prepare(&[1; 64]).to_bytes()), Some(4), "no session");
    let challenge = challenge(card);
    es10(card, &smdp.authenticate(challenge).to_bytes());
    assert_eq!(preparation_code(card, &smdp.prepare(&[1; 64]).to_bytes()), Some(2));
}

/// Loads what `change` makes of the pieces; returns command and reason of the error.
fn loading_error(
    maker: &Maker,
    card: &mut Uicc,
    smdp: &Smdp,
    change: impl FnOnce(&mut Vec<Vec<u8>>),
) -> (u64, u64) {
    let prepared = smdp.until_prepared(card);
    let mut pieces = smdp.bind(&prepared.otpk).pieces();
    change(&mut pieces);
    let profiles = card.installed_profiles();
    let response = load(card, &pieces);
    assert_eq!(card.installed_profiles(), profiles, "nothing is installed");
    match result(maker, &response).result {
        FinalResult::Error { command, reason, .. } => (command, reason),
        FinalResult::Success { .. } => panic!("installed"),
    }
}

#[test]
fn every_piece_of_a_package_counts() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    let prepared = smdp.until_prepared(card);
    let count = smdp.bind(&prepared.otpk).pieces().len();
    // The first piece: every byte of InitialiseSecureChannel.
    let first = smdp.bind(&prepared.otpk).pieces()[0].len();
    let header = first - smdp.bind(&prepared.otpk).initialise_secure_channel.len();
    for at in header..first {
        let (command, _) = loading_error(&maker, card, &smdp, |pieces| pieces[0][at] ^= 1 << (at % 8));
        assert_eq!(command, 0, "byte {at}");
    }
    // All others: tag, first and last byte of the data, and MAC.
    for piece in 1..count {
        for place in [0usize, 1, 2, 3] {
            // The length of a sequence is under no MAC.
            if place > 0 && smdp.bind(&prepared.otpk).pieces()[piece].len() < 8 {
                continue;
            }
            let (command, reason) = loading_error(&maker, card, &smdp, |pieces| {
                let bytes = &mut pieces[piece];
                let at = match place {
                    0 => 0,
                    1 => bytes.len() / 2,
                    2 => bytes.len().saturating_sub(9),
                    _ => bytes.len() - 1,
                };
                bytes[at] ^= 0x01;
            });
            assert!((1..=5).contains(&command), "piece {piece}, place {place}");
            assert!(reason == 7 || reason == 8, "piece {piece}, place {place}: {reason}");
        }
    }
    // Pieces that are left out, repeated or exchanged.
    let (left_out, repeated, exchanged) = (count - 2, count - 6, count - 3);
    assert_eq!(loading_error(&maker, card, &smdp, |pieces| drop(pieces.remove(left_out))), (5, 8));
    assert_eq!(
        loading_error(&maker, card, &smdp, |pieces| {
            let again = pieces[repeated].clone();
            pieces.insert(repeated, again);
        }),
        (5, 8)
    );
    assert_eq!(loading_error(&maker, card, &smdp, |pieces| pieces.swap(exchanged, exchanged + 1)), (5, 8));
    // After all this a download works.
    assert!(matches!(result(&maker, &smdp.download(card)).result, FinalResult::Success { .. }));
}

#[test]
fn errors_have_the_codes_of_the_standard() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    let changes: [fn(&mut InitialiseSecureChannel); 5] = [
        |request| request.operation = 2,
        |request| request.transaction_id[0] ^= 1,
        |request| request.key_type = 0x80,
        |request| request.key_length = 32,
        |request| request.smdp_otpk[64] ^= 1,
    ];
    let mut errors = Vec::new();
    for change in changes {
        let prepared = smdp.until_prepared(card);
        let mut pieces = smdp.bind(&prepared.otpk).pieces();
        let (mut request, _) = smdp.channel(&prepared.otpk);
        let header = pieces[0].len() - request.to_bytes().len();
        change(&mut request);
        request.smdp_sign = smdp.identity.pb.key.sign(&request.signed(&prepared.otpk));
        pieces[0].truncate(header);
        pieces[0].extend(request.to_bytes());
        let response = load(card, &pieces);
        let FinalResult::Error { command, reason, .. } = result(&maker, &response).result else {
            panic!("installed")
        };
        errors.push((command, reason));
    }
    assert_eq!(errors, [(0, 5), (0, 3), (0, 4), (0, 4), (0, 1)]);
    // Another SM-DP+ in ConfigureISDP.
    let mut other = Smdp::new(&maker.pki);
    other.identity.oid = "2.999.12".parse().unwrap();
    assert_eq!(loading_error(&maker, card, &other, |_| {}), (1, 1));
    // ICCID of the metadata and of the profile.
    let other = Smdp { metadata: metadata(bcd("8988211000000000029"), "x"), ..Smdp::new(&maker.pki) };
    assert_eq!(loading_error(&maker, card, &other, |_| {}), (5, 13));
    // A package that is none.
    let other = Smdp { package: b"no profile".to_vec(), ..Smdp::new(&maker.pki) };
    assert_eq!(loading_error(&maker, card, &other, |_| {}), (5, 12));
    assert_eq!(card.last_reason().unwrap().name, "profile-element-refused");
    // Installed twice.
    smdp.download(card);
    assert_eq!(loading_error(&maker, card, &smdp, |_| {}), (2, 9));
    assert!(card.last_reason().unwrap().text.contains("is installed"));
}

#[test]
fn a_card_that_is_full_says_so() {
    let maker = Maker {
        config: |mut config| {
            config.memory_bytes = 4000;
            config
        },
        ..Maker::default()
    };
    let card = &mut maker.card();
    assert_eq!(loading_error(&maker, card, &Smdp::new(&maker.pki), |_| {}), (5, 10));
}

#[test]
fn a_package_for_another_eid_does_not_open() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let mut smdp = Smdp::new(&maker.pki);
    smdp.eid[15] ^= 1;
    assert_eq!(loading_error(&maker, card, &smdp, |_| {}), (1, 8));
}

#[test]
fn no_private_key_leaves_the_card() {
    let maker = Maker::default();
    let card = &mut maker.card();
    let smdp = Smdp::new(&maker.pki);
    let secret = *maker.config().key.scalar();
    let mut stream = cellbed::kernel::RngTree::new(3).branch("card1").stream("euicc/one-time-key");
    let one_time = cellbed::crypto::rsp_cert::RspKey::from_stream(Curve::P256, &mut stream);
    let prepared = smdp.until_prepared(card);
    assert_eq!(prepared.otpk, one_time.public().uncompressed(), "the stream is the card's");
    let mut said = load(card, &smdp.bind(&prepared.otpk).pieces());
    for request in ["bf2d00", "bf2800", "bf2b00", "bf3c00", "bf2000", "bf2200", "bf4300", "bf3e035c015a"] {
        said.extend(es10(card, &hex::decode(request).unwrap()));
    }
    for key in [&secret, one_time.scalar()] {
        assert!(!said.windows(16).any(|part| part == &key[..16] || part == &key[16..]));
    }
}
