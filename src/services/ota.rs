//! The operator's OTA server: what it asks a card, and what only that card can have answered (ETSI TS 102 225, TS 102 226,
//! 3GPP TS 31.115). It has the keys of each card beside the HSS record, and a counter for each.
//!
//! Whoever carries the messages, the host of the card first of all, can lose, delay or repeat them, and change nothing: a
//! packet is taken once, and its answer counts for it alone.

use std::collections::BTreeMap;

use crate::card::iot_safe::KEYS_MADE;
use crate::id::Iccid;
use crate::wire::ota::{
    Address, Answered, Command, Counter, Deliver, EnvelopeError, Expanded, ExpandedAnswer, Header, KeySet,
    Kind, OtaError, Part, Reassembly, ResponsePacket, ScriptError, SmsError, SmsPpDownload, Spi, Status,
    TAR_IOT_SAFE, split, timestamp,
};
use crate::wire::registration::Problem;
use crate::wire::tlv::{self, TlvError};
use crate::wire::{Reason, StatusWord};

/// The number that the messages come from: a short code of the operator.
const ORIGINATOR: (u8, &str) = (0x81, "22531");

/// READ PUBLIC KEY of the device's key pair (IoT.05), and GET DATA for how many keys the card has made in that container.
const READ_PUBLIC_KEY: [u8; 9] = [0x80, 0xcd, 0x00, 0x00, 0x03, 0x85, 0x01, 0x01, 0x00];
const GET_GENERATION: [u8; 9] = [0x80, 0xcb, 0xdf, 0x20, 0x03, 0x84, 0x01, 0x01, 0x00];
/// A key as the card itself has told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldKey {
    /// The public key, X || Y.
    pub public: [u8; 64],
    /// How many keys the card has made in this container, this one included.
    pub generation: u64,
}

/// A command that is on its way to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    header: Header,
    counter: Counter,
}

/// Why a card is not asked, or its answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum OtaRefusal {
    #[error(
        "the operator has no keys for packets over the air to this card, so that it cannot prove which key is in it; \
         give them in its personalisation record (`[ota]` of the SIM profile)"
    )]
    NoKeys,
    #[error("the counter of packets to this card is used up: it takes none any more, and needs new keys")]
    CounterUsedUp,
    #[error("the command for the card cannot be made: {0}")]
    Command(#[from] EnvelopeError),
    #[error("there is no proof of receipt from the card: it has got none of the packet, or is another card")]
    NoProof,
    #[error("what was presented is no short message of the card: {0}")]
    Message(#[from] SmsError),
    #[error("what was presented is not the proof of receipt of the card for this command: {0}")]
    Proof(#[from] OtaError),
    #[error("the card has not done the command: status {0}")]
    Status(Status),
    #[error("the card's answer is none to the script: {0}")]
    Script(#[from] ScriptError),
    #[error("the card's applet refuses {command} with status word {status}")]
    Applet { command: &'static str, status: StatusWord },
    #[error("the card's applet answers {command} with something else: {detail}")]
    Answer { command: &'static str, detail: String },
}

impl OtaRefusal {
    /// The answer to who brought it.
    pub fn problem(&self) -> Problem {
        let reason = match self {
            Self::NoKeys | Self::CounterUsedUp | Self::Command(_) => Reason::NoOtaKeys,
            Self::NoProof => Reason::CardProofMissing,
            Self::Message(_) | Self::Proof(_) => Reason::CardProofWrong,
            Self::Status(_) | Self::Script(_) | Self::Applet { .. } | Self::Answer { .. } => {
                Reason::CardReportsError
            }
        };
        Problem::new(403, reason, self.to_string())
    }
}

struct Card {
    keys: KeySet,
    /// Of the last packet.
    counter: Counter,
}

/// The server.
#[derive(Default)]
pub struct OtaServer {
    cards: BTreeMap<Iccid, Card>,
}

impl OtaServer {
    /// Knows the keys of the card, or profile, `iccid`, which takes packets with a counter above `counter`. The first
    /// keys stay.
    pub fn provision(&mut self, iccid: Iccid, keys: KeySet, counter: Counter) {
        self.cards.entry(iccid).or_insert(Card { keys, counter });
    }

    /// Whether there are keys of the card.
    pub fn knows(&self, iccid: &Iccid) -> bool {
        self.cards.contains_key(iccid)
    }

    /// Asks the IoT SAFE applet which key is in it. Returns what stands for the question, and the ENVELOPE commands that
    /// carry it. It may be asked as often as one likes: it changes nothing on the card.
    ///
    /// # Errors
    /// Where the card cannot be asked.
    pub fn ask_for_key(
        &mut self,
        iccid: &Iccid,
        now_unix_s: u64,
    ) -> Result<(Sent, Vec<Vec<u8>>), OtaRefusal> {
        let card = self.cards.get_mut(iccid).ok_or(OtaRefusal::NoKeys)?;
        // The last one blocks the keys for ever.
        let counter = card.counter.next().filter(|next| *next < Counter::BLOCKED);
        let counter = counter.ok_or(OtaRefusal::CounterUsedUp)?;
        card.counter = counter;
        let header = card.keys.header(Spi::PROTECTED, TAR_IOT_SAFE);
        let data = Expanded::of([&READ_PUBLIC_KEY[..], &GET_GENERATION]).encode();
        let packet = Command { header, counter, data }.seal(Some(&card.keys))?;
        let [.., reference] = counter.to_bytes();
        let (kind, digits) = ORIGINATOR;
        let parts = split(Kind::Command, &packet, reference)?;
        let last = parts.len();
        let envelope = |(number, part): (usize, Part)| {
            let originator = Address::new(kind, digits)?;
            let deliver = Deliver::to_card(originator, timestamp(now_unix_s), part.encode());
            let tpdu = Deliver { more: number < last, ..deliver }.encode()?;
            Ok(SmsPpDownload { service_centre: None, tpdu }.command()?)
        };
        let envelopes: Result<_, OtaRefusal> = (1..).zip(parts).map(envelope).collect();
        Ok((Sent { header, counter }, envelopes?))
    }

    /// The key that the card has told in answer to `sent`. `reports` are the user data that it gave to the ENVELOPE
    /// commands, in any order; empty ones count for nothing.
    ///
    /// # Errors
    /// Where they are no answer of this card to this command.
    pub fn told_key(&self, iccid: &Iccid, sent: &Sent, reports: &[Vec<u8>]) -> Result<ToldKey, OtaRefusal> {
        let card = self.cards.get(iccid).ok_or(OtaRefusal::NoKeys)?;
        let mut whole = None;
        let mut reassembly = Reassembly::default();
        for report in reports.iter().filter(|report| !report.is_empty()) {
            whole = reassembly.take(Part::parse(report)?)?.or(whole);
        }
        let Some((Kind::Response, packet)) = whole else { return Err(OtaRefusal::NoProof) };
        let response = ResponsePacket::read(&packet)?.open(&sent.header, sent.counter, Some(&card.keys))?;
        if response.status != Status::OK {
            return Err(OtaRefusal::Status(response.status));
        }
        let answer = ExpandedAnswer::parse(&response.data)?;
        let mut answers = answer.answers.iter();
        let public = public_key(done("READ PUBLIC KEY", answers.next())?)?;
        let generation = generation(done("GET DATA", answers.next())?)?;
        Ok(ToldKey { public, generation })
    }
}

/// What a command of the script gave, where it was done.
fn done<'a>(command: &'static str, answer: Option<&'a Answered>) -> Result<&'a [u8], OtaRefusal> {
    match answer {
        Some(Answered { data, status: StatusWord::OK }) => Ok(data),
        Some(Answered { status, .. }) => Err(OtaRefusal::Applet { command, status: *status }),
        None => Err(OtaRefusal::Answer { command, detail: "the script ended before it".to_owned() }),
    }
}

/// X || Y out of `34 { 49 { 86 { 04 X Y } } }`.
fn public_key(data: &[u8]) -> Result<[u8; 64], OtaRefusal> {
    let malformed = |detail: String| OtaRefusal::Answer { command: "READ PUBLIC KEY", detail };
    let point = [0x34, 0x49, 0x86].into_iter().try_fold(data, tlv::find);
    let point = point.map_err(|error: TlvError| malformed(error.to_string()))?;
    let coordinates = point.strip_prefix(&[0x04]).and_then(|xy| xy.try_into().ok());
    coordinates.ok_or_else(|| malformed(format!("a point of {} octets", point.len())))
}

fn generation(data: &[u8]) -> Result<u64, OtaRefusal> {
    let malformed = |detail: String| OtaRefusal::Answer { command: "GET DATA", detail };
    let value = tlv::find(data, KEYS_MADE).map_err(|error| malformed(error.to_string()))?;
    let octets = value.try_into().map_err(|_| malformed(format!("a number of {} octets", value.len())))?;
    Ok(u64::from_be_bytes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ota::{CommandPacket, Key, Response};

    const PUBLIC: [u8; 64] = [0x5a; 64];

    fn iccid(last: u32) -> Iccid {
        "8988211000000000011".parse::<Iccid>().unwrap().plus(last).unwrap()
    }

    fn keys(first: u8) -> KeySet {
        KeySet::new(1, Key::Aes128([first; 16]), Key::Aes128([first ^ 0xff; 16]), 8).unwrap()
    }

    fn server() -> OtaServer {
        let mut server = OtaServer::default();
        server.provision(iccid(0), keys(1), Counter::new(4).unwrap());
        server.provision(iccid(1), keys(2), Counter::default());
        server
    }

    /// What a card with these keys finds in an ENVELOPE.
    fn received(envelope: &[u8], keys: &KeySet) -> Result<Command, OtaError> {
        let data = crate::wire::Command::parse(envelope).unwrap().data;
        let deliver = Deliver::parse(&SmsPpDownload::parse(data).unwrap().tpdu).unwrap();
        assert!(deliver.is_for_card() && !deliver.more);
        let packet = Part::parse(&deliver.user_data).unwrap().payload;
        CommandPacket::read(&packet).unwrap().open(Some(keys))
    }

    /// The report of a card that has done the script.
    fn report(command: &Command, keys: &KeySet, status: Status, answers: Vec<Answered>) -> Vec<u8> {
        let executed = answers.len() as u8;
        let data = ExpandedAnswer { executed, answers, ..ExpandedAnswer::default() }.encode();
        let Command { header, counter, .. } = command;
        let response = Response { tar: header.tar, counter: *counter, status, data };
        Part::whole(Kind::Response, response.seal(header, Some(keys)).unwrap()).encode()
    }

    fn answers() -> Vec<Answered> {
        let key = [&[0x34, 0x45, 0x49, 0x43, 0x86, 0x41, 0x04][..], &PUBLIC].concat();
        let count = [&[0xdf, 0x20, 0x08][..], &3u64.to_be_bytes()].concat();
        [key, count].map(|data| Answered { data, status: StatusWord::OK }).into()
    }

    #[test]
    fn the_key_is_what_the_card_says_under_its_keys() {
        let mut server = server();
        let (sent, envelopes) = server.ask_for_key(&iccid(0), 0).unwrap();
        let [envelope] = &envelopes[..] else { panic!("{envelopes:?}") };
        let command = received(envelope, &keys(1)).unwrap();
        assert_eq!((command.counter.value(), command.header.spi), (5, Spi::PROTECTED));
        assert_eq!(hex::encode(&command.data), "aa16220980cd00000385010100220980cbdf200384010100");
        let report = report(&command, &keys(1), Status::OK, answers());
        assert!(report.len() <= 128, "it fits into one report of delivery: {}", report.len());
        let told = server.told_key(&iccid(0), &sent, &[vec![], report]);
        assert_eq!(told, Ok(ToldKey { public: PUBLIC, generation: 3 }));
    }

    #[test]
    fn nothing_else_is_a_proof() {
        let mut server = server();
        let (sent, envelopes) = server.ask_for_key(&iccid(0), 0).unwrap();
        let command = received(&envelopes[0], &keys(1)).unwrap();
        let good = report(&command, &keys(1), Status::OK, answers());
        let reason = |server: &OtaServer, sent: &Sent, reports: &[Vec<u8>]| {
            server.told_key(&iccid(0), sent, reports).unwrap_err().problem().reason
        };
        // Another card does not take the packet, and what it says is not what this one would.
        assert!(received(&envelopes[0], &keys(2)).is_err());
        let foreign = report(&command, &keys(2), Status::OK, answers());
        assert_eq!(reason(&server, &sent, &[foreign]), Reason::CardProofWrong);
        assert_eq!(reason(&server, &sent, &[]), Reason::CardProofMissing);
        assert_eq!(reason(&server, &sent, &[vec![]]), Reason::CardProofMissing);
        assert_eq!(reason(&server, &sent, &[vec![7]]), Reason::CardProofWrong);
        let mut bent = good.clone();
        *bent.last_mut().unwrap() ^= 1;
        assert_eq!(reason(&server, &sent, &[bent]), Reason::CardProofWrong);
        // An answer to an earlier question.
        let (later, _) = server.ask_for_key(&iccid(0), 0).unwrap();
        assert_eq!(reason(&server, &later, &[good]), Reason::CardProofWrong);
        // What anybody may write in clear.
        let Command { header, counter, .. } = command;
        let clear = Response { tar: header.tar, counter, status: Status::OK, data: vec![] };
        let clear = Part::whole(Kind::Response, clear.seal_clear().unwrap()).encode();
        assert_eq!(reason(&server, &sent, &[clear]), Reason::CardProofWrong);
    }

    #[test]
    fn what_the_card_reports_is_told() {
        let mut server = server();
        let (sent, envelopes) = server.ask_for_key(&iccid(0), 0).unwrap();
        let command = received(&envelopes[0], &keys(1)).unwrap();
        let low = report(&command, &keys(1), Status::COUNTER_LOW, vec![]);
        let told = |reports| server.told_key(&iccid(0), &sent, &[reports]);
        assert_eq!(told(low), Err(OtaRefusal::Status(Status::COUNTER_LOW)));
        // A proof that comes by SEND SHORT MESSAGE is not asked for, and no device carries it: it is refused by its name.
        let by_submit = told(report(&command, &keys(1), Status::BY_SUBMIT, vec![])).unwrap_err().problem();
        assert_eq!(by_submit.reason, Reason::CardReportsError);
        assert!(
            by_submit.detail.contains("the answer comes in a message of its own"),
            "{}",
            by_submit.detail
        );
        let empty = Answered { data: vec![], status: StatusWord::CONDITIONS_NOT_SATISFIED };
        let refused = told(report(&command, &keys(1), Status::OK, vec![empty])).unwrap_err();
        assert_eq!(refused.problem().reason, Reason::CardReportsError);
        let half = told(report(&command, &keys(1), Status::OK, answers()[..1].to_vec())).unwrap_err();
        assert!(half.to_string().contains("ended before it"), "{half}");
    }

    #[test]
    fn no_counter_comes_twice_and_the_last_one_is_never_sent() {
        let mut server = server();
        let counters: Vec<u64> =
            (0..3).map(|_| server.ask_for_key(&iccid(0), 0).unwrap().0.counter.value()).collect();
        assert_eq!(counters, [5, 6, 7]);
        assert_eq!(server.ask_for_key(&iccid(1), 0).unwrap().0.counter.value(), 1);
        assert_eq!(server.ask_for_key(&iccid(2), 0), Err(OtaRefusal::NoKeys));
        let last = Counter::new(Counter::BLOCKED.value() - 1).unwrap();
        server.provision(iccid(3), keys(3), last);
        assert_eq!(server.ask_for_key(&iccid(3), 0), Err(OtaRefusal::CounterUsedUp));
    }
}
