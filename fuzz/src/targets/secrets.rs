//! What no answer of a card may hold.

use cellbed::card::{Personalisation, Uicc};

/// Neither K, OPc, nor a private key or a secret of the applet is in the answer, nor half of one. Libfuzzer sees what
/// is compared and may have sent it to the card itself: that is no finding.
pub fn tells_none(card: &Uicc, made_of: &Personalisation, sent: &[Vec<u8>], answer: &[u8]) {
    let keys = private_scalars(card);
    for secret in keys.iter().map(Vec::as_slice).chain([&made_of.k[..], &made_of.opc]) {
        let (head, tail) = secret.split_at(secret.len() / 2);
        for half in [head, tail] {
            let holds = |bytes: &[u8]| bytes.windows(half.len()).any(|window| window == half);
            assert!(!holds(answer) || sent.iter().any(|command| holds(command)), "a key left the card");
        }
    }
}

/// The card says its own secrets in a build for fuzzing only.
#[cfg(fuzzing)]
fn private_scalars(card: &Uicc) -> Vec<Vec<u8>> {
    card.private_scalars()
}

#[cfg(not(fuzzing))]
fn private_scalars(_: &Uicc) -> Vec<Vec<u8>> {
    Vec::new()
}
