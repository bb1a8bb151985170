//! The power goes away: after any command the card is the old one or the new one, and a download works afterwards.

use cellbed::card::{CardError, CardPort, Uicc};
use cellbed::wire::rsp::{
    FinalResult, ProfileId, ProfileInstallationResult, ProfileInstallationResultData, Switch, SwitchKind,
    parse_result,
};
use sha2::{Digest, Sha256};

use super::download::result;
use super::lab::*;

/// Every APDU of a download, in order. Signatures are deterministic, so they are the same each time.
fn commands(maker: &Maker, smdp: &Smdp) -> Vec<Vec<u8>> {
    struct Recorder {
        card: Uicc,
        log: Vec<Vec<u8>>,
    }
    let mut recorder = Recorder { card: maker.card(), log: Vec::new() };
    let mut run = |bytes: &[u8]| {
        let blocks: Vec<&[u8]> = bytes.chunks(250).collect();
        let mut response = Vec::new();
        for (number, data) in blocks.iter().enumerate() {
            let p1 = if number + 1 == blocks.len() { 0x91 } else { 0x11 };
            let command = [&[0x81, 0xe2, p1, number as u8, data.len() as u8][..], data].concat();
            response = recorder.card.transmit(&command).unwrap();
            recorder.log.push(command);
        }
        let mut out = Vec::new();
        while let [.., 0x61, more] = response[..] {
            let command = vec![0x81, 0xc0, 0, 0, more];
            response = recorder.card.transmit(&command).unwrap();
            out.extend_from_slice(&response[..response.len() - 2]);
            recorder.log.push(command);
        }
        out
    };
    let challenge = cellbed::wire::rsp::parse_challenge_response(&run(&[0xbf, 0x2e, 0])).unwrap();
    let response = run(&smdp.authenticate(challenge).to_bytes());
    let Ok(cellbed::wire::rsp::AuthenticateServerResponse::Ok { euicc_signature1, .. }) =
        cellbed::wire::rsp::AuthenticateServerResponse::parse(&response)
    else {
        panic!("refused")
    };
    let response = run(&smdp.prepare(&euicc_signature1).to_bytes());
    let Ok(cellbed::wire::rsp::PrepareDownloadResponse::Ok { euicc_signed2, .. }) =
        cellbed::wire::rsp::PrepareDownloadResponse::parse(&response)
    else {
        panic!("refused")
    };
    let otpk = cellbed::wire::rsp::EuiccSigned2::parse(&euicc_signed2).unwrap().euicc_otpk;
    for piece in smdp.bind(&otpk).pieces() {
        run(&piece);
    }
    recorder.log
}

#[test]
fn a_cut_at_every_command_leaves_the_old_or_the_new_card() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let smdp = Smdp::new(&maker.pki);
    let commands = commands(&maker, &smdp);
    assert!(commands.len() > 60, "{} commands", commands.len());
    let old = maker.card().installed_profiles();
    let mut seen = [0usize; 2];
    // One card goes through the download; its state is taken before each answer leaves, as a server does.
    let mut card = maker.card();
    let mut state = card.save();
    for (at, command) in commands.iter().enumerate() {
        card.transmit(command).unwrap();
        // Cut before the state is written, and after.
        for written in [false, true] {
            if written && card.dirty() {
                state = card.save();
            }
            let mut after = maker.card();
            after.restore(&state).unwrap();
            let profiles = after.installed_profiles();
            let complete = profiles.len() == old.len() + 1;
            assert!(complete || profiles == old, "after command {at}: {profiles:?}");
            seen[usize::from(complete)] += 1;
            open_isd_r(&mut after);
            let response = smdp.download(&mut after);
            let result = result(&maker, &response).result;
            if complete {
                // It is there already, whole.
                assert!(matches!(result, FinalResult::Error { command: 2, reason: 9, .. }), "{result:?}");
            } else {
                assert!(matches!(result, FinalResult::Success { .. }), "after command {at}: {result:?}");
                assert_eq!(after.installed_profiles().len(), old.len() + 1);
            }
        }
    }
    assert!(seen[0] > 10 && seen[1] > 0, "{seen:?}");
}

#[test]
fn an_interrupted_installation_is_reported() {
    let maker = Maker::default();
    let smdp = Smdp::new(&maker.pki);
    let mut card = maker.card();
    let prepared = smdp.until_prepared(&mut card);
    let pieces = smdp.bind(&prepared.otpk).pieces();
    assert!(load(&mut card, &pieces[..pieces.len() - 2]).is_empty());
    let state = card.save();
    let interrupted = |card: &mut Uicc| {
        open_isd_r(card);
        let list = es10(card, &[0xbf, 0x2b, 0]);
        let pending = cellbed::wire::rsp::parse_pending_list(&list).unwrap();
        let result = ProfileInstallationResult::parse(&pending[0]).unwrap();
        let data = ProfileInstallationResultData::parse(&result.data).unwrap();
        assert_eq!(data.transaction_id, smdp.transaction_id);
        assert_eq!(data.notification.iccid, Some(ts48_iccid()));
        assert!(matches!(data.result, FinalResult::Error { reason: 11, .. }), "{:?}", data.result);
    };
    let mut restored = maker.card();
    restored.restore(&state).unwrap();
    assert!(restored.dirty(), "the notification is to be kept");
    interrupted(&mut restored);
    card.reset().unwrap();
    interrupted(&mut card);
    // The same where the device begins another session.
    let mut card = maker.card();
    let prepared = smdp.until_prepared(&mut card);
    assert!(load(&mut card, &smdp.bind(&prepared.otpk).pieces()[..5]).is_empty());
    es10(&mut card, &[0xbf, 0x2e, 0]);
    card.reset().unwrap();
    interrupted(&mut card);
}

#[test]
fn a_change_of_profile_that_waits_is_done_when_power_comes_back() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let smdp = Smdp::new(&maker.pki);
    let mut card = maker.card();
    smdp.download(&mut card);
    send(&mut card, "80100000 02 ffff");
    let iccid = hex::encode(ts48_iccid());
    let request = hex::decode(format!("bf3111a00c5a0a{iccid}8101ff")).unwrap();
    assert_eq!(hex::encode(es10(&mut card, &request)), "bf3103800100");
    assert!(card.installed_profiles()[0].enabled, "REFRESH has to come first");
    let state = card.save();
    let mut restored = maker.card();
    restored.restore(&state).unwrap();
    assert!(restored.installed_profiles()[1].enabled);
    card.reset().unwrap();
    assert_eq!(card.installed_profiles(), restored.installed_profiles());
    assert_eq!(card.save(), restored.save());
}

/// A later version refuses the package of a profile: that one cannot be used, everything else can.
#[test]
fn a_profile_that_cannot_be_made_again_is_kept_and_the_rest_of_the_state_is_used() {
    let maker = Maker { bootstrap: true, ..Maker::default() };
    let smdp = Smdp::new(&maker.pki);
    let mut card = maker.card();
    assert!(matches!(result(&maker, &smdp.download(&mut card)).result, FinalResult::Success { .. }));
    let state = card.save();
    let mut refused = state.clone();
    let at = state.windows(smdp.package.len()).position(|window| window == smdp.package).unwrap();
    refused[at] ^= 1;
    let checked = refused.len() - 32;
    let check = Sha256::digest(&refused[..checked]);
    refused[checked..].copy_from_slice(&check);

    let mut after = maker.card();
    after.restore(&refused).unwrap();
    assert_eq!(after.installed_profiles(), card.installed_profiles());
    let [(iccid, cause)] = &after.unusable_profiles()[..] else { panic!("one cannot be used") };
    assert_eq!(ts48_iccid(), bcd(iccid));
    assert!(matches!(cause, CardError::Package(_)), "{cause}");
    // The bootstrap profile is enabled as before, the other one cannot be.
    assert!(after.profile().is_some());
    open_isd_r(&mut after);
    let request =
        Switch { kind: SwitchKind::Enable, profile: ProfileId::Iccid(ts48_iccid()), refresh: false };
    assert_eq!(parse_result(0xbf31, &es10(&mut after, &request.to_bytes())), Ok(127));
    // A program that can use it finds it as it was.
    assert_eq!(after.save(), refused);
    let mut again = maker.card();
    again.restore(&state).unwrap();
    assert!(again.unusable_profiles().is_empty());
    // And it can be deleted.
    after.restore(&refused).unwrap();
    open_isd_r(&mut after);
    let request =
        Switch { kind: SwitchKind::Delete, profile: ProfileId::Iccid(ts48_iccid()), refresh: false };
    assert_eq!(parse_result(0xbf33, &es10(&mut after, &request.to_bytes())), Ok(0));
    assert_eq!(after.installed_profiles().len(), 1);
}
