//! Takes the secrets out of events before any view sees them, where a run is to leave none behind: what TLS protected,
//! CK and IK, codes and keys in commands to cards, KeNB. Lengths stay, and so do names: what was taken out is zero, and
//! its message says so.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::event::{Actor, Body, Event, Message, Role};
use crate::wire::{Command, Proto};

/// The field that a message has from which something was taken out.
const FIELD: &str = "redacted";

/// What the answer to a command holds that nobody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Nothing.
    Public,
    /// CK and IK, or Kc, beside what goes over the air.
    Authentication,
    /// Nothing but secrets.
    Secret,
}

/// Takes secrets out of the events of one run.
#[derive(Debug, Default)]
pub struct Redaction {
    /// By card, what the answer to the command under way holds. GET RESPONSE has that of the command before.
    answers: BTreeMap<Actor, Answer>,
}

impl Redaction {
    /// The event as views may have it.
    pub fn take(&mut self, mut event: Event) -> Event {
        if let Body::Message(message) = &mut event.body {
            let ranges = self.secrets(message);
            let octets: usize = ranges.iter().map(ExactSizeIterator::len).sum();
            for range in ranges {
                message.bytes[range].fill(0);
            }
            if octets > 0 {
                message.label.fields.push((FIELD, octets.to_string()));
            }
        }
        event
    }

    /// Where secrets are in a message.
    fn secrets(&mut self, message: &Message) -> Vec<Range<usize>> {
        let bytes = &message.bytes[..];
        let all = only(0..bytes.len());
        match message.label.proto {
            Proto::Apdu if message.to.role == Role::Card => self.command(message),
            Proto::Apdu => self.answer(message.from, bytes),
            // Plaintext of TLS, and what other network functions would be told over a protected interface.
            Proto::Http | Proto::Est | Proto::Es9p | Proto::Es11 | Proto::Esipa | Proto::Mqtt => all,
            Proto::Tls | Proto::S6a => all,
            Proto::S1ap => keys_of_s1ap(bytes),
            Proto::Emm
            | Proto::Esm
            | Proto::Rrc
            | Proto::GtpU
            | Proto::Evm
            | Proto::Cwt
            | Proto::Openflow => Vec::new(),
        }
    }

    /// The secrets of a command, and what its answer will hold.
    fn command(&mut self, message: &Message) -> Vec<Range<usize>> {
        let bytes = &message.bytes[..];
        let data = || if bytes.len() > 5 { only(5..bytes.len()) } else { Vec::new() };
        let before = self.answers.remove(&message.to).unwrap_or(Answer::Public);
        // What is no short command may be one with extended lengths: nothing is known of it.
        let Ok(command) = Command::parse(bytes) else {
            self.answers.insert(message.to, Answer::Secret);
            return data();
        };
        let proprietary = command.class & 0x80 != 0;
        let (answer, secrets) = match command.instruction {
            0xc0 => (before, Vec::new()),
            // AUTHENTICATE, and RUN GSM ALGORITHM of class A0.
            0x88 | 0x89 => (Answer::Authentication, Vec::new()),
            // VERIFY, CHANGE, DISABLE, ENABLE and UNBLOCK PIN.
            0x20 | 0x24 | 0x26 | 0x28 | 0x2c => (Answer::Public, data()),
            // Random numbers, shared secrets and what is derived from them.
            0x84 | 0x46 | 0x48 | 0x4a => (Answer::Secret, data()),
            // PUT KEY; and over the air, where a packet need not be ciphered.
            0xd8 if proprietary => (Answer::Public, data()),
            0xc2 => (Answer::Secret, data()),
            // What is written to files, and what is read from those that hold keys.
            0xd6 | 0xdc | 0xdd | 0xd7 => (Answer::Public, data()),
            0xb0..=0xb2 if of_keys(message) => (Answer::Secret, Vec::new()),
            // STORE DATA: what is loaded by ES8+ is ciphered; PrepareDownload has the hash of a code of a few digits,
            // and what is not of ES10 could be anything.
            0xe2 if !message.label.name.starts_with("ES10") => (Answer::Public, data()),
            0xe2 if message.label.name.contains("PrepareDownload") => (Answer::Public, data()),
            _ => (Answer::Public, Vec::new()),
        };
        self.answers.insert(message.to, answer);
        secrets
    }

    fn answer(&mut self, card: Actor, bytes: &[u8]) -> Vec<Range<usize>> {
        // The status word.
        let data = bytes.len().saturating_sub(2);
        match self.answers.get(&card) {
            None | Some(Answer::Public) => Vec::new(),
            Some(Answer::Secret) => only(0..data),
            Some(Answer::Authentication) => keys_of_authentication(&bytes[..data]),
        }
    }
}

fn only(range: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(range).collect()
}

/// Whether a command reads a file of keys.
fn of_keys(message: &Message) -> bool {
    let file = message.label.fields.iter().find(|(name, _)| *name == "file");
    file.is_some_and(|(_, file)| file.to_ascii_lowercase().contains("key"))
}

/// Where the keys are in the answer to AUTHENTICATE (TS 31.102 clause 7.1.2): behind RES or SRES. AUTS holds none. What
/// has another form is a secret as a whole.
fn keys_of_authentication(data: &[u8]) -> Vec<Range<usize>> {
    let behind = match data {
        // DC LV(AUTS).
        [0xdc, 14, rest @ ..] if rest.len() == 14 => return Vec::new(),
        // DB LV(RES) LV(CK) LV(IK) [LV(Kc)].
        [0xdb, length @ 4..=16, ..] => 2 + usize::from(*length),
        // LV(SRES) LV(Kc), and SRES Kc of class A0.
        [4, _, _, _, _, 8, ..] => 5,
        _ if data.len() == 12 => 4,
        _ => 0,
    };
    only(behind.min(data.len())..data.len())
}

/// The SecurityKey of S1AP (TS 36.413 clause 9.2.1.41): id 73, criticality reject, 32 octets.
const SECURITY_KEY: [u8; 4] = [0x00, 0x49, 0x00, 0x20];
/// Octets of KeNB.
const KENB_BYTES: usize = 32;

fn keys_of_s1ap(bytes: &[u8]) -> Vec<Range<usize>> {
    let heads = bytes.windows(SECURITY_KEY.len()).enumerate().filter(|(_, window)| *window == SECURITY_KEY);
    heads
        .map(|(at, _)| at + SECURITY_KEY.len())
        .map(|at| at..at.saturating_add(KENB_BYTES).min(bytes.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Instant;
    use crate::wire::Label;
    use proptest::prelude::*;

    fn told(redaction: &mut Redaction, proto: Proto, name: &'static str, to_card: bool, hex: &str) -> String {
        let (card, device) = (Actor::card(1), Actor::device(1));
        let (from, to) = if to_card { (device, card) } else { (card, device) };
        let label = Label::new(proto, name).with("file", name);
        let bytes = hex::decode(hex.replace(' ', "")).unwrap();
        let message = Message { from, to, label, bytes };
        let event =
            redaction.take(Event { at: Instant::ZERO, device: Some(1), body: Body::Message(message) });
        let Body::Message(message) = event.body else { unreachable!() };
        hex::encode(message.bytes)
    }

    /// A command and its answer, without secrets.
    fn exchange(name: &'static str, command: &str, answer: &str) -> (String, String) {
        let redaction = &mut Redaction::default();
        let command = told(redaction, Proto::Apdu, name, true, command);
        (command, told(redaction, Proto::Apdu, "", false, answer))
    }

    #[test]
    fn keys_and_codes_are_taken_out_of_what_cards_hear_and_say() {
        let zero = |octets: usize| "00".repeat(octets);
        let cases: [(&'static str, String, String, String, String); 9] = [
            // AUTHENTICATE: RES goes over the air, CK and IK do not.
            (
                "AUTHENTICATE",
                format!("0088008122 10{} 10{}", "a1".repeat(16), "a2".repeat(16)),
                format!("db08{}10{}10{}9000", "11".repeat(8), "22".repeat(16), "33".repeat(16)),
                format!("0088008122 10{} 10{}", "a1".repeat(16), "a2".repeat(16)),
                format!("db08{}{}9000", "11".repeat(8), zero(34)),
            ),
            (
                "AUTHENTICATE",
                format!("008800801110{}", "a1".repeat(16)),
                "0411111111082222222222222222 9000".to_owned(),
                format!("008800801110{}", "a1".repeat(16)),
                format!("0411111111{}9000", zero(9)),
            ),
            (
                "RUN GSM ALGORITHM",
                format!("a088000010{}", "a1".repeat(16)),
                "111111112222222222222222 9000".to_owned(),
                format!("a088000010{}", "a1".repeat(16)),
                format!("11111111{}9000", zero(8)),
            ),
            (
                "VERIFY PIN",
                "0020000a083838383838383838".into(),
                "9000".into(),
                format!("0020000a08{}", zero(8)),
                "9000".into(),
            ),
            (
                "PUT KEY",
                "80d80181030102ff".into(),
                "9000".into(),
                format!("80d8018103{}", zero(3)),
                "9000".into(),
            ),
            (
                "COMPUTE DH",
                "0046000002aabb".into(),
                "5511229000".into(),
                format!("0046000002{}", zero(2)),
                format!("{}9000", zero(3)),
            ),
            (
                "GET RANDOM",
                "0084000004".into(),
                "112233449000".into(),
                "0084000004".into(),
                format!("{}9000", zero(4)),
            ),
            (
                "EF.Keys",
                "00b0000004".into(),
                "112233449000".into(),
                "00b0000004".into(),
                format!("{}9000", zero(4)),
            ),
            // What is nobody's secret stays.
            (
                "EF.IMSI",
                "00b0000004".into(),
                "112233449000".into(),
                "00b0000004".into(),
                "112233449000".into(),
            ),
        ];
        for (name, command, answer, command_told, answer_told) in cases {
            let (c, a) = exchange(name, &command, &answer);
            assert_eq!((c, a), (command_told.replace(' ', ""), answer_told), "{name}");
        }
    }

    #[test]
    fn an_answer_that_is_fetched_is_that_of_its_command() {
        let redaction = &mut Redaction::default();
        told(redaction, Proto::Apdu, "AUTHENTICATE", true, &format!("008800801110{}", "a1".repeat(16)));
        told(redaction, Proto::Apdu, "", false, "610e");
        told(redaction, Proto::Apdu, "GET RESPONSE", true, "00c000000e");
        let answer = told(redaction, Proto::Apdu, "", false, "04111111110822222222222222229000");
        assert_eq!(answer, format!("0411111111{}9000", "00".repeat(9)));
        told(redaction, Proto::Apdu, "SELECT", true, "00a40004023f00");
        assert_eq!(told(redaction, Proto::Apdu, "", false, "62019000"), "62019000");
    }

    #[test]
    fn what_tls_protected_and_kenb_are_taken_out() {
        let redaction = &mut Redaction::default();
        for proto in [Proto::Http, Proto::Est, Proto::Es9p, Proto::Es11, Proto::Esipa, Proto::Mqtt] {
            assert_eq!(told(redaction, proto, "POST", false, "01020304"), "00000000");
        }
        let request = format!("0009 00490020{} 11", "5a".repeat(32));
        let told = told(redaction, Proto::S1ap, "InitialContextSetupRequest", false, &request);
        assert_eq!(told, format!("000900490020{}11", "00".repeat(32)));
    }

    proptest! {
        #[test]
        fn lengths_stay_whatever_is_said(
            exchanges in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let redaction = &mut Redaction::default();
            for (to_card, bytes) in exchanges {
                let told = told(redaction, Proto::Apdu, "x", to_card, &hex::encode(&bytes));
                prop_assert_eq!(told.len(), 2 * bytes.len());
            }
        }
    }
}
