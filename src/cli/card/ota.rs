//! `cellbed card ota`: a secured packet to a card, and what its answer says.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use rustix::termios::{self, LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::{CardToolError, Done, Inserted, insert, profile};
use crate::cli::args::{CardOtaArgs, OtaAlgorithm};
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::io::files;
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::ota::{Carried, carry};
use crate::reader::{Holds, Terminal, holds};
use crate::wire::digits;
use crate::wire::ota::{
    Command, CompactAnswer, Counter, Expanded, ExpandedAnswer, Key, KeyError, KeySet, OtaError, Response,
    ResponsePacket, Spi, Status, Tar, is_expanded,
};
use crate::wire::tlv::{self, Reader};

/// References of a personalised card and of the test profiles of GSMA TS.48.
const APPLICATIONS: Tar = [0, 0, 0];
const UICC_FILES: Tar = [0xb0, 0x01, 0x20];
const USIM_FILES: Tar = [0xb0, 0x01, 0x40];

/// GET STATUS of the issuer's domain, of keys GET DATA, of applications GET STATUS, and further ones.
const LIST: [&[u8]; 4] = [
    &[0x80, 0xf2, 0x80, 0x02, 0x02, 0x4f, 0x00, 0x00],
    &[0x80, 0xca, 0x00, 0xe0, 0x00],
    &[0x80, 0xf2, 0x40, 0x02, 0x02, 0x4f, 0x00, 0x00],
    &[0x80, 0xf2, 0x40, 0x03, 0x02, 0x4f, 0x00, 0x00],
];

/// Sends the packet and prints the answer.
pub(super) fn main(args: &CardOtaArgs) -> Done {
    let keys = keys(args)?;
    let (tar, script) = script(args);
    let counter = Counter::new(args.counter).ok_or(CardToolError::OtaCounter)?;
    let command = Command { header: keys.header(Spi(args.spi.0), tar), counter, data: script };
    let packet = command.seal(Some(&keys)).map_err(CardToolError::OtaPacket)?;
    let Inserted { mut slot, .. } = insert(&args.card)?;
    let [.., reference] = counter.to_bytes();
    let carried = carry(&mut Terminal::new(&mut slot), &packet, reference)?;
    let (text, done) = told(&command, &keys, packet.len(), &carried, withheld(args));
    terminal::page(&text);
    Ok(if done { Exit::Pass } else { Exit::Failed })
}

/// Which option the content of the file that is read takes to be printed, where it is not given.
fn withheld(args: &CardOtaArgs) -> Option<&'static str> {
    match holds(u16::from_be_bytes(args.read_file.as_ref()?.0)) {
        Holds::Identifiers if !args.show_identifiers => Some("--show-identifiers"),
        Holds::Keys if !args.show_keys => Some("--show-keys"),
        _ => None,
    }
}

fn script(args: &CardOtaArgs) -> (Tar, Vec<u8>) {
    let (tar, script) = match (&args.script, args.read_file) {
        (Some(script), _) => (APPLICATIONS, script.0.clone()),
        (None, Some(file)) => {
            let select = [&[0x00, 0xa4, 0x00, 0x0c, 0x02][..], &file.0, &[0x00, 0xb0, 0x00, 0x00, 0x00]];
            (if file.0[0] == 0x2f { UICC_FILES } else { USIM_FILES }, select.concat())
        }
        (None, None) => (APPLICATIONS, Expanded::of(LIST).encode()),
    };
    (args.tar.map_or(tar, |tar| tar.0), script)
}

/// The keys of a profile, of files, or from who is asked for them.
fn keys(args: &CardOtaArgs) -> Result<KeySet, CardToolError> {
    let own = args.card.profile.as_ref().filter(|_| args.kic.is_none() && args.kid.is_none());
    if let Some(path) = args.keys_of.as_ref().or(own) {
        let keys = profile(path)?.ota.ok_or_else(|| CardToolError::NoOtaKeys { path: path.clone() })?;
        return Ok(keys.set);
    }
    let key = |name, file: &Option<_>| -> Result<Key, CardToolError> {
        let octets = octets(name, file.as_deref())?;
        let from = place(file.as_deref());
        let made = match args.algorithm {
            OtaAlgorithm::Aes => Key::aes(&octets),
            OtaAlgorithm::TripleDes => Key::triple_des(&octets),
        };
        made.map_err(|cause: KeyError| CardToolError::OtaKey { name, from, cause: cause.to_string() })
    };
    let (kic, kid) = (key("KIc", &args.kic)?, key("KID", &args.kid)?);
    let set = KeySet::new(args.key_version, kic, kid, args.checksum_bytes);
    let from = place(args.kic.as_deref());
    set.map_err(|cause| CardToolError::OtaKey { name: "KIc", from, cause: cause.to_string() })
}

fn octets(name: &'static str, file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, CardToolError> {
    let wrong = |cause: String| CardToolError::OtaKey { name, from: place(file), cause };
    let text = Zeroizing::new(match file {
        Some(path) => files::read_text(path)?,
        None => asked_for(name).map_err(|cause| wrong(files::told(&cause)))?,
    });
    digits::octets(&text).map_err(|cause| wrong(cause.to_string()))
}

/// Where a key comes from, in words.
fn place(file: Option<&Path>) -> String {
    file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
}

/// A line of standard input; a terminal does not show it.
fn asked_for(name: &str) -> io::Result<String> {
    let stdin = io::stdin();
    let shown = if stdin.is_terminal() { Some(termios::tcgetattr(&stdin)?) } else { None };
    if let Some(shown) = &shown {
        terminal::ask(format_args!("{name}: "));
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        termios::tcsetattr(&stdin, OptionalActions::Flush, shown)?;
        terminal::note("");
    }
    read.map(|_| line)
}

/// What is printed, and whether all was done. Data that are `withheld` are printed with the option of this name only.
fn told(
    command: &Command,
    keys: &KeySet,
    octets: usize,
    carried: &Carried,
    withheld: Option<&str>,
) -> (Page, bool) {
    let Command { header, counter, .. } = command;
    let mut text = row!(
        "packet        for {}, SPI {}, keys of version {}, counter {}: {octets} bytes in {} {}",
        hex::encode_upper(header.tar),
        hex::encode_upper(header.spi.0),
        keys.version(),
        counter.value(),
        carried.messages,
        if carried.messages == 1 { "message" } else { "messages" },
    );
    let answers = [("in the report", &carried.report), ("in a message", &carried.sent)];
    let mut done = false;
    for (how, packet) in answers.iter().filter_map(|(how, packet)| Some((how, packet.as_ref()?))) {
        let opened = ResponsePacket::read(packet).and_then(|p| p.open(header, *counter, Some(keys)));
        match opened {
            Ok(response) => {
                text += row!("answer        {}, {how}", response.status);
                let (lines, ended_well) = of_script(command, &response, withheld);
                text += lines;
                done = response.status == Status::OK && ended_well;
            }
            Err(error) => text += unproved(packet, how, &error),
        }
    }
    if carried.report.is_none() && carried.sent.is_none() {
        text += row!("answer        none; ENVELOPE ended with {}", carried.status);
        text += row!(
            "              a card may be silent where it does not know the application, the keys or the protection"
        );
    }
    (text, done)
}

/// An answer that does not prove where it comes from.
fn unproved(packet: &[u8], how: &str, error: &OtaError) -> Page {
    let said = ResponsePacket::read(packet).ok().and_then(|packet| packet.unproved());
    let said = said.map(|response| format!("; in clear it says {}", response.status)).unwrap_or_default();
    row!("answer        not proved, {how}: {error}{said}")
}

fn of_script(command: &Command, response: &Response, withheld: Option<&str>) -> (Page, bool) {
    if response.data.is_empty() {
        return (Page::new(), true);
    }
    let shown = |data: &[u8]| match withheld {
        Some(option) => row!("data          not shown without {option}"),
        None => row!("data          {}", hex::encode(data)),
    };
    let unreadable = || (shown(&response.data), false);
    let good = |status: u16| matches!(status >> 8, 0x90 | 0x91 | 0x61 | 0x9f);
    if !is_expanded(&command.data) {
        let Ok(answer) = CompactAnswer::parse(&response.data) else { return unreadable() };
        let text = row!("commands      {} executed, the last one: {}", answer.executed, answer.status);
        let data = if answer.data.is_empty() { Page::new() } else { shown(&answer.data) };
        return (text + data, good(answer.status.0));
    }
    let Ok(answer) = ExpandedAnswer::parse(&response.data) else { return unreadable() };
    let mut text = row!("commands      {} executed", answer.answers.len());
    for (number, answered) in (1..).zip(&answer.answers) {
        text += row!("{number:>4}  {}  {}", answered.status, hex::encode(&answered.data));
        text += listed(&answered.data);
    }
    if let Some(trouble) = answer.trouble {
        text += row!("trouble       {trouble:?}");
    }
    // The list of further applications ends where there are none.
    let listing = command.data == Expanded::of(LIST).encode();
    let good = answer.trouble.is_none() && answer.answers.iter().all(|answered| good(answered.status.0));
    (text, good || listing && answer.answers.len() == LIST.len())
}

/// Entries of the registry, and of the key information template.
fn listed(data: &[u8]) -> Page {
    let mut text = Page::new();
    for object in Reader::new(data).map_while(Result::ok) {
        match object.tag {
            0xe3 => {
                let aid = tlv::find(object.value, 0x4f).map(hex::encode_upper).unwrap_or_default();
                let state = tlv::find(object.value, 0x9f70).map(hex::encode_upper).unwrap_or_default();
                text += row!("      application {aid}, life cycle state {state}");
            }
            0xe0 => {
                for key in Reader::new(object.value).map_while(Result::ok) {
                    if let &[identifier, version, kind, octets] = key.value {
                        let kind = if kind == 0x88 { "AES" } else { "triple DES" };
                        text += row!(
                            "      key {identifier} of version {version}: {kind}, {} bits",
                            u32::from(octets) * 8
                        );
                    }
                }
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{CardArgs, CardVerb, Cli, Verb};
    use crate::cli::card::{test_card, virtual_profile};

    fn printed(tar: Tar, spi: [u8; 2], script: &[u8], withheld: Option<&str>) -> (Page, bool) {
        let keys = virtual_profile(Path::new("sim-profiles/lte-test.toml")).unwrap().ota.unwrap().set;
        let counter = Counter::new(1).unwrap();
        let command = Command { header: keys.header(Spi(spi), tar), counter, data: script.to_vec() };
        let packet = command.seal(Some(&keys)).unwrap();
        let mut slot = test_card(|_| ());
        let carried = carry(&mut Terminal::new(&mut slot), &packet, 1).unwrap();
        told(&command, &keys, packet.len(), &carried, withheld)
    }

    #[test]
    fn a_file_is_read() {
        let (text, done) =
            printed(UICC_FILES, [0x16, 0x19], &hex::decode("00a4000c022fe200b0000000").unwrap(), None);
        assert!(done);
        insta::assert_snapshot!(text, @r"
        packet        for B00120, SPI 1619, keys of version 1, counter 1: 42 bytes in 1 message
        answer        00 (done), in the report
        commands      2 executed, the last one: 9000
        data          988812010000000010f1
        ");
    }

    #[test]
    fn who_the_subscriber_is_and_keys_are_not_printed_unasked() {
        let reads = |file: &str, more: &[&str]| {
            let fixed = ["cellbed", "card", "ota", "--counter", "1", "--read-file", file];
            let asked = Cli::try_parse_from([&fixed[..], more].concat()).unwrap();
            let Verb::Card(CardArgs { verb: CardVerb::Ota(args) }) = asked.verb else {
                panic!("another verb")
            };
            withheld(&args)
        };
        assert_eq!(reads("2fe2", &[]), Some("--show-identifiers"));
        assert_eq!(reads("6f07", &["--show-keys"]), Some("--show-identifiers"));
        assert_eq!(reads("6f08", &["--show-identifiers"]), Some("--show-keys"));
        assert_eq!(reads("2fe2", &["--show-identifiers"]), None);
        assert_eq!(reads("2f05", &[]), None);
        let script = hex::decode("00a4000c022fe200b0000000").unwrap();
        let (text, done) = printed(UICC_FILES, [0x16, 0x19], &script, reads("2fe2", &[]));
        assert!(done && text.ends_with("data          not shown without --show-identifiers\n"), "{text}");
    }

    #[test]
    fn applications_are_listed_in_a_message() {
        let (text, done) = printed(APPLICATIONS, [0x16, 0x39], &Expanded::of(LIST).encode(), None);
        assert!(done, "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_card_that_says_nothing_is_a_finding() {
        let (text, done) = printed([1, 2, 3], [0x16, 0x19], &[0; 5], None);
        assert!(!done && text.contains("answer        none; ENVELOPE ended with 9000"), "{text}");
    }
}
