//! `cellbed card auth`: a challenge to the USIM, and what its answer means.

use super::{Done, Inserted, insert};
use crate::cli::args::{CardAuthArgs, SecurityContext};
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::Terminal;
use crate::reader::authenticate::{
    Diagnosis, Operator, Outcome, Reading, authenticate, diagnose, select_usim, separation_bit,
};

/// Sends the challenge, and prints outcome and diagnosis.
pub(super) fn main(args: &CardAuthArgs) -> Done {
    let Inserted { mut slot, .. } = insert(&args.card)?;
    let terminal = &mut Terminal::new(&mut slot);
    let (rand, autn) = (&args.rand.0, &args.autn.0);
    select_usim(terminal)?;
    let outcome = authenticate(terminal, rand, autn)?;
    let mut text = of_outcome(&outcome, args.show_identifiers);
    if args.context == SecurityContext::Eps && !separation_bit(autn) {
        text += row!(
            "AUTN          the separation bit of AMF is not set: an LTE modem refuses this challenge with EMM cause 26, \
             whatever the card says (TS 33.401 clause 6.1.1)"
        );
    }
    let mut agrees = true;
    let operator = args.opc.map(|opc| Operator::Opc(opc.0)).or(args.op.map(|op| Operator::Op(op.0)));
    if let (Some(k), Some(operator)) = (args.k, operator) {
        let diagnosis = diagnose(terminal, (rand, autn), &outcome, &k.0, operator)?;
        agrees = diagnosis.fields.iter().all(|(_, agrees)| *agrees);
        text += of_diagnosis(&diagnosis, operator);
    }
    terminal::page(&text);
    let success = matches!(outcome, Outcome::Success { .. });
    Ok(if success && agrees { Exit::Pass } else { Exit::Failed })
}

fn of_outcome(outcome: &Outcome, show: bool) -> Page {
    match outcome {
        Outcome::Success { res, ck, ik, kc } => {
            let value = |name: &str, bytes: &[u8]| {
                let shown = if show { hex::encode(bytes) } else { format!("{} bytes", bytes.len()) };
                row!("{name:<14}{shown}")
            };
            let mut text = row!("outcome       success: the challenge is authentic and fresh");
            text += value("RES", res) + value("CK", ck.as_octets()) + value("IK", ik.as_octets());
            if *kc {
                text += row!("Kc            given too, for GSM (service 27)");
            }
            text
        }
        Outcome::SynchronisationFailure { auts } => {
            row!(
                "outcome       synchronisation failure: the challenge is authentic, its sequence number is not fresh"
            ) + row!("AUTS          {}", hex::encode(auts))
                + row!(
                    "what to do    give RAND and AUTS to the home network; it resets its sequence number and asks again"
                )
        }
        Outcome::MacFailure => {
            row!("outcome       MAC failure (9862): the challenge is not from this card's home network")
                + row!(
                    "why           K or OP/OPc differ between card and network, or RAND or AUTN were changed on the way"
                )
        }
    }
}

fn of_diagnosis(diagnosis: &Diagnosis, operator: Operator) -> Page {
    let mut text = Page::new();
    text += row!("challenge     {}", made_with("made", diagnosis.challenge, operator));
    text += row!("card          {}", made_with("computes", diagnosis.card, operator));
    for (name, agrees) in &diagnosis.fields {
        let how = if *agrees { "agrees with" } else { "differs from" };
        text += row!("{name:<14}{how} Milenage as computed here");
    }
    if let Some(sqn) = diagnosis.sqn_challenge {
        text += row!("SQN           {sqn:#014x} in the challenge");
    }
    if let Some(sqn) = diagnosis.sqn_card {
        text += row!("SQN           {sqn:#014x} is the highest that the card has accepted");
    }
    if let (Some(challenge), Some(card)) = (diagnosis.sqn_challenge, diagnosis.sqn_card) {
        let how = if challenge > card {
            "ahead of the card: too far for it, or used already for its index"
        } else {
            "not ahead of the card: the home network lost count, or the challenge is an old one"
        };
        text += row!("              the challenge is {how}");
    }
    text
}

fn made_with(verb: &str, reading: Option<Reading>, operator: Operator) -> String {
    let (said, other) = match operator {
        Operator::Op(_) => ("OP", "OPc"),
        Operator::Opc(_) => ("OPc", "OP"),
    };
    match reading {
        Some(Reading::AsSaid) => format!("{verb} with this K and this {said}"),
        Some(Reading::MixedUp) => {
            format!("{verb} with this K, and with the {said} taken for an {other}: correct it there, or here")
        }
        None => format!("{verb} with another K, or with another {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::nas::{Ck, Ik};

    #[test]
    fn keys_are_lengths_unless_asked_for() {
        let (ck, ik) = (Ck::new(&[0xc5; 16]), Ik::new(&[0x1c; 16]));
        let success = Outcome::Success { res: vec![0xa5; 8], ck, ik, kc: false };
        insta::assert_snapshot!(of_outcome(&success, false), @r"
    outcome       success: the challenge is authentic and fresh
    RES           8 bytes
    CK            16 bytes
    IK            16 bytes
    ");
        assert!(of_outcome(&success, true).contains("a5a5a5a5a5a5a5a5"));
    }

    #[test]
    fn failures_say_what_to_do() {
        let text = of_outcome(&Outcome::SynchronisationFailure { auts: [0x11; 14] }, false)
            + of_outcome(&Outcome::MacFailure, false);
        insta::assert_snapshot!(text, @r"
    outcome       synchronisation failure: the challenge is authentic, its sequence number is not fresh
    AUTS          1111111111111111111111111111
    what to do    give RAND and AUTS to the home network; it resets its sequence number and asks again
    outcome       MAC failure (9862): the challenge is not from this card's home network
    why           K or OP/OPc differ between card and network, or RAND or AUTN were changed on the way
    ");
    }

    #[test]
    fn a_mixed_up_constant_is_named() {
        let diagnosis = Diagnosis {
            challenge: Some(Reading::AsSaid),
            card: Some(Reading::MixedUp),
            fields: vec![("MAC-S", false)],
            sqn_challenge: Some(96),
            sqn_card: Some(100),
        };
        insta::assert_snapshot!(of_diagnosis(&diagnosis, Operator::Op([0; 16])), @r"
    challenge     made with this K and this OP
    card          computes with this K, and with the OP taken for an OPc: correct it there, or here
    MAC-S         differs from Milenage as computed here
    SQN           0x000000000060 in the challenge
    SQN           0x000000000064 is the highest that the card has accepted
                  the challenge is not ahead of the card: the home network lost count, or the challenge is an old one
    ");
    }
}
