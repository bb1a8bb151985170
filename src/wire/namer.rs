//! Names for card commands, as transcripts and ladders print them.
//!
//! IoT SAFE gives its own meaning to instruction bytes of ISO/IEC 7816-4 (`B0` is READ BINARY to a file
//! system and READ FILE to the applet), so a command has a name only together with the application that is
//! selected on its logical channel. A [`Namer`] follows one conversation and remembers that. No key, RES, CK,
//! IK, PIN or file content ever reaches a label.

use super::{Command, StatusWord, namer_es10, namer_ota, tlv};
use crate::wire::{Label, Proto};

/// What is selected on one logical channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Application {
    /// The file system, with or without an application of files.
    #[default]
    Files,
    IotSafe,
    IsdR,
}

#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    application: Application,
    /// The identifier of the selected file; `None` where it is not known.
    file: Option<u16>,
}

/// What GET RESPONSE will fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fetch {
    #[default]
    Other,
    Authentication,
    /// The response of a function of ES10.
    Es10,
}

/// Names the commands and responses of one card, in the order in which they went through.
#[derive(Debug, Clone, Default)]
pub struct Namer {
    channels: [Channel; 20],
    /// The SIM session of class A0.
    sim: Channel,
    fetch: Fetch,
}

/// The class byte of a SIM (TS 51.011).
const SIM_CLASS: u8 = 0xa0;

/// File identifiers of TS 102 221 clause 13 and TS 31.102 clause 4, ascending.
const FILES: &[(u16, &str)] = &[
    (0x2f00, "EF.DIR"),
    (0x2f05, "EF.PL"),
    (0x2f06, "EF.ARR"),
    (0x2f08, "EF.UMPC"),
    (0x2fe2, "EF.ICCID"),
    (0x3f00, "MF"),
    (0x4f01, "EF.5GS3GPPLOCI"),
    (0x4f02, "EF.5GSN3GPPLOCI"),
    (0x4f03, "EF.5GS3GPPNSC"),
    (0x4f04, "EF.5GSN3GPPNSC"),
    (0x4f05, "EF.5GAUTHKEYS"),
    (0x4f06, "EF.UAC_AIC"),
    (0x4f07, "EF.SUCI_Calc_Info"),
    (0x4f08, "EF.OPL5G"),
    (0x4f0a, "EF.Routing_Indicator"),
    (0x5fc0, "DF.5GS"),
    (0x6f02, "EF.IMPI"),
    (0x6f03, "EF.DOMAIN"),
    (0x6f04, "EF.IMPU"),
    (0x6f05, "EF.LI"),
    (0x6f06, "EF.ARR"),
    (0x6f07, "EF.IMSI"),
    (0x6f08, "EF.Keys"),
    (0x6f09, "EF.KeysPS"),
    (0x6f20, "EF.Kc"),
    (0x6f30, "EF.PLMNsel"),
    (0x6f31, "EF.HPPLMN"),
    (0x6f37, "EF.ACMmax"),
    (0x6f38, "EF.UST"),
    (0x6f39, "EF.ACM"),
    (0x6f3a, "EF.ADN"),
    (0x6f3b, "EF.FDN"),
    (0x6f3c, "EF.SMS"),
    (0x6f3e, "EF.GID1"),
    (0x6f3f, "EF.GID2"),
    (0x6f40, "EF.MSISDN"),
    (0x6f41, "EF.PUCT"),
    (0x6f42, "EF.SMSP"),
    (0x6f43, "EF.SMSS"),
    (0x6f45, "EF.CBMI"),
    (0x6f46, "EF.SPN"),
    (0x6f48, "EF.CBMID"),
    (0x6f50, "EF.CBMIR"),
    (0x6f56, "EF.EST"),
    (0x6f5b, "EF.START-HFN"),
    (0x6f5c, "EF.THRESHOLD"),
    (0x6f60, "EF.PLMNwAcT"),
    (0x6f61, "EF.OPLMNwAcT"),
    (0x6f62, "EF.HPLMNwAcT"),
    (0x6f73, "EF.PSLOCI"),
    (0x6f78, "EF.ACC"),
    (0x6f7b, "EF.FPLMN"),
    (0x6f7e, "EF.LOCI"),
    (0x6fad, "EF.AD"),
    (0x6fae, "EF.Phase"),
    (0x6fb7, "EF.ECC"),
    (0x6fc4, "EF.NETPAR"),
    (0x6fc5, "EF.PNN"),
    (0x6fc6, "EF.OPL"),
    (0x6fd9, "EF.EHPLMN"),
    (0x6fdb, "EF.EHPLMNPI"),
    (0x6fe3, "EF.EPSLOCI"),
    (0x6fe4, "EF.EPSNSC"),
    (0x6fe8, "EF.NASCONFIG"),
    (0x7f10, "DF.TELECOM"),
    (0x7f20, "DF.GSM"),
    (0x7fff, "ADF"),
];

/// SGP.22 clause 2.4.4: it differs from the ISD-R in its last bytes only.
const ECASD: [u8; 16] =
    [0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x02, 0x00];

/// Application identifiers, by their shortest telling prefix.
const APPLICATIONS: &[(&[u8], &str, Application)] = &[
    (&[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02], "ADF.USIM", Application::Files),
    (&[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x04], "ADF.ISIM", Application::Files),
    (&[0xa0, 0x00, 0x00, 0x05, 0x59, 0x00, 0x10], "IoT-SAFE", Application::IotSafe),
    (&[0xa0, 0x00, 0x00, 0x00, 0x30, 0x53, 0xf1, 0x24, 0x01, 0x77, 0x01], "IoT-SAFE", Application::IotSafe),
    (&[0xa0, 0x00, 0x00, 0x02, 0x48, 0x04, 0x00], "IoT-SAFE", Application::IotSafe),
    (&ECASD, "ECASD", Application::Files),
    (&[0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10], "ISD-R", Application::IsdR),
];

fn application(aid: &[u8]) -> Option<(&'static str, Application)> {
    APPLICATIONS
        .iter()
        .find(|(prefix, ..)| !aid.is_empty() && (aid.starts_with(prefix) || prefix.starts_with(aid)))
        .map(|(_, name, application)| (*name, *application))
}

fn file_name(file: u16) -> String {
    match FILES.binary_search_by_key(&file, |(id, _)| *id) {
        Ok(at) => FILES[at].1.to_owned(),
        Err(_) => format!("{file:04X}"),
    }
}

fn apdu(name: &'static str) -> Label {
    Label::new(Proto::Apdu, name)
}

/// The names of one exchange seen alone. Where a conversation is at hand, [`Namer`] knows more: it remembers
/// which application and which file are selected.
pub fn describe(command: &[u8], response: &[u8]) -> (Label, Label) {
    Namer::default().describe(command, response)
}

impl Namer {
    /// Names one exchange: the command and its response.
    pub fn describe(&mut self, command: &[u8], response: &[u8]) -> (Label, Label) {
        let status = StatusWord::split(response);
        let answer = match status {
            Some((_, sw)) => Label::new(Proto::Apdu, sw.to_string()),
            None => apdu("no status word"),
        };
        let Ok(command) = Command::parse(command) else {
            return (apdu("malformed command"), answer);
        };
        if command.class == SIM_CLASS {
            return (self.sim(&command, status.map_or(StatusWord::TECHNICAL_PROBLEM, |(_, sw)| sw)), answer);
        }
        let channel = Command::channel(command.class).map_or(0, |(channel, _)| usize::from(channel));
        let (data, sw) = status.unwrap_or((&[], StatusWord::TECHNICAL_PROBLEM));
        let label = match (command.instruction, self.channels[channel].application) {
            (0xa4, _) => self.select(channel, &command, sw),
            (0x70, _) => return self.manage_channel(&command, data, sw, answer),
            (0xc0, _) => apdu("GET RESPONSE"),
            (_, Application::IotSafe) => iot_safe(&command),
            (0xe2, Application::IsdR) => namer_es10::command(&command),
            (_, Application::Files | Application::IsdR) => file_system(self.channels[channel], &command),
        };
        let fetched = std::mem::take(&mut self.fetch);
        if command.instruction == 0x88 && self.channels[channel].application == Application::Files {
            self.fetch = Fetch::Authentication;
        }
        if (command.instruction, self.channels[channel].application) == (0xe2, Application::IsdR) {
            self.fetch = Fetch::Es10;
        }
        if command.instruction == 0xc0 && fetched == Fetch::Authentication {
            return (label, authentication_result(answer, data));
        }
        if command.instruction == 0xc0 && fetched == Fetch::Es10 {
            return (label, namer_es10::response(answer, data));
        }
        (label, answer)
    }

    /// Names a command of class A0 (TS 51.011 clause 9.2).
    fn sim(&mut self, command: &Command<'_>, sw: StatusWord) -> Label {
        self.fetch = Fetch::Other;
        let chv = |name, first: u8| {
            let label = apdu(name);
            match command.p2 {
                p2 if p2 == first => label.with("pin", "CHV1"),
                0x02 => label.with("pin", "CHV2"),
                p2 => label.with("pin", pin_name(p2)),
            }
        };
        match command.instruction {
            0xa4 => {
                let file = command.data.try_into().ok().map(u16::from_be_bytes);
                if sw.0 >> 8 == 0x9f {
                    self.sim.file = file;
                }
                apdu("SELECT").with("file", file.map_or_else(|| "none".to_owned(), file_name))
            }
            0xc0 => apdu("GET RESPONSE"),
            0x88 => apdu("RUN GSM ALGORITHM"),
            0xa2 => apdu("SEEK"),
            0xfa => apdu("SLEEP"),
            0x04 => apdu("INVALIDATE"),
            0x44 => apdu("REHABILITATE"),
            0x20 => chv("VERIFY CHV", 0x01),
            0x24 => chv("CHANGE CHV", 0x01),
            0x26 => chv("DISABLE CHV", 0x01),
            0x28 => chv("ENABLE CHV", 0x01),
            0x2c => chv("UNBLOCK CHV", 0x00),
            _ => file_system(self.sim, command),
        }
    }

    fn select(&mut self, channel: usize, command: &Command<'_>, sw: StatusWord) -> Label {
        let label = apdu("SELECT");
        let by_name = command.p1 == 0x04;
        let found = by_name.then(|| application(command.data)).flatten();
        let file = command.data.last_chunk::<2>().map(|id| u16::from_be_bytes(*id)).filter(|_| !by_name);
        let accepted = sw == StatusWord::OK || sw.0 >> 8 == 0x61;
        if accepted {
            self.channels[channel] = match (by_name, found) {
                (true, Some((_, application))) => Channel { application, file: None },
                (true, None) => Channel::default(),
                (false, _) => Channel { application: Application::Files, file },
            };
        }
        match (by_name, found, file) {
            (true, Some((name, _)), _) => label.with("file", name),
            (true, None, _) => label.with("aid", hex::encode_upper(command.data)),
            (false, _, Some(file)) => label.with("file", file_name(file)),
            (false, _, None) => label.with("file", "MF"),
        }
    }

    fn manage_channel(
        &mut self,
        command: &Command<'_>,
        data: &[u8],
        sw: StatusWord,
        answer: Label,
    ) -> (Label, Label) {
        let label = apdu("MANAGE CHANNEL");
        let opens = command.p1 & 0x80 == 0;
        let number = if opens && command.p2 == 0 { data.first().copied() } else { Some(command.p2) };
        if let (StatusWord::OK, Some(number)) = (sw, number)
            && let Some(channel) = self.channels.get_mut(usize::from(number))
        {
            *channel = Channel::default();
        }
        match (opens, number) {
            (true, Some(number)) => (label.with("operation", "open"), answer.with("channel", number)),
            (true, None) => (label.with("operation", "open"), answer),
            (false, _) => (label.with("operation", "close").with("channel", command.p2), answer),
        }
    }
}

fn file_system(channel: Channel, command: &Command<'_>) -> Label {
    let Command { p1, p2, .. } = *command;
    let of = |label: Label, sfi: Option<u8>| match (sfi, channel.file) {
        (Some(sfi), _) => label.with("sfi", format!("{sfi:02X}")),
        (None, Some(file)) => label.with("file", file_name(file)),
        (None, None) => label,
    };
    let binary = |name| of(apdu(name), (p1 & 0x80 != 0).then_some(p1 & 0x1f));
    let record = |name| of(apdu(name), (p2 >> 3 != 0).then_some(p2 >> 3)).with("record", p1);
    let pin = |name| apdu(name).with("pin", pin_name(p2));
    match command.instruction {
        0xb0 => binary("READ BINARY"),
        0xd6 => binary("UPDATE BINARY"),
        0xb2 => record("READ RECORD"),
        0xdc => record("UPDATE RECORD"),
        0xa2 => record("SEARCH RECORD"),
        0x32 => of(apdu("INCREASE"), (p1 & 0x80 != 0).then_some(p1 & 0x1f)),
        0xf2 => apdu("STATUS"),
        0x20 => pin("VERIFY PIN"),
        0x24 => pin("CHANGE PIN"),
        0x26 => pin("DISABLE PIN"),
        0x28 => pin("ENABLE PIN"),
        0x2c => pin("UNBLOCK PIN"),
        0x88 | 0x89 => apdu("AUTHENTICATE").with("ctx", authentication_context(p2)),
        0x84 => apdu("GET CHALLENGE"),
        0x78 => apdu("GET IDENTITY"),
        0x10 => apdu("TERMINAL PROFILE"),
        0x12 => apdu("FETCH"),
        0x14 => apdu("TERMINAL RESPONSE"),
        0xc2 => namer_ota::envelope(command.data),
        0xaa => apdu("TERMINAL CAPABILITY"),
        0xe2 => apdu("STORE DATA"),
        other => unknown(other),
    }
}

fn unknown(instruction: u8) -> Label {
    Label::new(Proto::Apdu, format!("INS {instruction:02X}"))
}

fn pin_name(reference: u8) -> String {
    match reference {
        0x01 => "PIN1".to_owned(),
        0x81 => "PIN2".to_owned(),
        0x0a => "ADM1".to_owned(),
        other => format!("{other:02X}"),
    }
}

/// The authentication context of P2 (TS 31.102 clause 7.1.2.1). EPS uses the 3G context.
fn authentication_context(p2: u8) -> &'static str {
    match p2 & 0x07 {
        0x00 => "gsm",
        0x01 => "3g",
        0x02 => "vgcs",
        0x04 => "gba",
        _ => "rfu",
    }
}

/// Says which of its two forms the result of AUTHENTICATE has, and nothing of what it holds.
fn authentication_result(answer: Label, data: &[u8]) -> Label {
    match data.first() {
        Some(0xdb) => answer.with("result", "res"),
        Some(0xdc) => answer.with("result", "auts"),
        _ => answer,
    }
}

/// Commands of the IoT SAFE applet (GSMA IoT.05 clause 3).
fn iot_safe(command: &Command<'_>) -> Label {
    let Command { p1, p2, .. } = *command;
    let id = |label: Label, field, tag| match tlv::find(command.data, tag) {
        Ok(id) => label.with(field, hex::encode_upper(id)),
        Err(_) => label,
    };
    let private = |name| id(apdu(name), "key", 0x84);
    let public = |name| id(apdu(name), "key", 0x85);
    let file = |name| id(apdu(name), "file", 0x83).with("offset", u16::from_be_bytes([p1, p2]));
    let step = |label: Label| if p1 & 0x80 != 0 { label.with("last", "yes") } else { label };
    let session = |label: Label| if p1 == 0x01 { label.with("session", "close") } else { label };
    let mode = |label: Label| match tlv::find(command.data, 0xa1) {
        Ok([0x01]) => label.with("mode", "full-text"),
        Ok([0x02]) => label.with("mode", "last-block"),
        Ok([0x03]) => label.with("mode", "hash"),
        _ => label,
    };
    match command.instruction {
        0x84 => apdu("GET RANDOM").with("bytes", command.expected.unwrap_or(0)),
        0xb9 => private("GENERATE KEY PAIR"),
        0xcd => public("READ PUBLIC KEY"),
        0x24 => session(public("PUT PUBLIC KEY INIT")),
        0xd8 => step(apdu("PUT PUBLIC KEY UPDATE")),
        0x46 => private("COMPUTE DH"),
        0x48 => apdu("COMPUTE PRF"),
        0x4a => apdu("COMPUTE HKDF"),
        0x2a => mode(session(private("COMPUTE SIGNATURE INIT"))),
        0x2b => step(apdu("COMPUTE SIGNATURE UPDATE")),
        0x2c => mode(session(public("VERIFY SIGNATURE INIT"))),
        0x2d => step(apdu("VERIFY SIGNATURE UPDATE")),
        0xcb => apdu("GET DATA").with("of", data_object(p1)),
        0xb0 => file("READ FILE"),
        0xd6 => file("UPDATE FILE"),
        other => unknown(other),
    }
}

fn data_object(p1: u8) -> String {
    match p1 {
        0x00 => "application".to_owned(),
        0x01 => "object-list".to_owned(),
        0xc1 => "private-key".to_owned(),
        0xc2 => "public-key".to_owned(),
        0xdf => "keys-made".to_owned(),
        0xc3 => "file".to_owned(),
        0xc4 => "secret".to_owned(),
        other => format!("{other:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(label: &Label) -> String {
        let fields: String = label.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{}{fields}", label.name)
    }

    fn conversation(exchanges: &[(&str, &str)]) -> Vec<String> {
        let mut namer = Namer::default();
        exchanges
            .iter()
            .map(|(command, response)| {
                let (command, response) =
                    namer.describe(&hex::decode(command).unwrap(), &hex::decode(response).unwrap());
                format!("{} -> {}", text(&command), text(&response))
            })
            .collect()
    }

    #[test]
    fn the_selected_application_tells_equal_instructions_apart() {
        let lines = conversation(&[
            ("00a4040407a0000000871002", "6132"),
            ("00a40004026f07", "6121"),
            ("00b0000009", "0809101000000000109000"),
            ("0070000001", "019000"),
            ("01a4040007a0000005590010", "9000"),
            ("81b0010203830101f0", "9000"),
            ("812a00000b840101a101039102000192", "6a80"),
            ("00b0000001", "9000"),
        ]);
        assert_eq!(
            lines,
            [
                "SELECT file=ADF.USIM -> 6132",
                "SELECT file=EF.IMSI -> 6121",
                "READ BINARY file=EF.IMSI -> 9000",
                "MANAGE CHANNEL operation=open -> 9000 channel=1",
                "SELECT file=IoT-SAFE -> 9000",
                "READ FILE file=01 offset=258 -> 9000",
                "COMPUTE SIGNATURE INIT key=01 mode=hash -> 6A80",
                "READ BINARY file=EF.IMSI -> 9000",
            ]
        );
    }

    #[test]
    fn functions_of_the_isd_r_are_named_by_their_first_block() {
        let lines = conversation(&[
            ("01a4040010a0000005591010ffffffff8900000100", "6121"),
            ("81e2910003bf2e00", "6115"),
            ("81c0000015", &format!("bf2e128010{}9000", "ab".repeat(16))),
            ("81e2110005bf38820300", "9000"),
            ("81e2910102abcd", "610c"),
            ("81c000000c", "bf3809a107800101020106 9000".replace(' ', "").as_str()),
            ("81e291000586820001 00".replace(' ', "").as_str(), "9000"),
            ("81e2910003bf3100", "6106"),
            ("81c0000006", "bf31038001059000"),
            ("81e2910003bf7f00", "6a88"),
            ("01a4040010a0000005591010ffffffff8900000200", "6118"),
        ]);
        assert_eq!(
            lines,
            [
                "SELECT file=ISD-R -> 6121",
                "ES10b GetEUICCChallenge -> 6115",
                "GET RESPONSE -> 9000",
                "ES10b AuthenticateServer -> 9000",
                "STORE DATA more block=1 -> 610C",
                "GET RESPONSE -> 9000 error=6",
                "ES10b LoadBoundProfilePackage piece=segment -> 9000",
                "ES10c EnableProfile -> 6106",
                "GET RESPONSE -> 9000 result=5",
                "STORE DATA tag=BF7F -> 6A88",
                "SELECT file=ECASD -> 6118",
            ]
        );
    }

    #[test]
    fn authentication_is_named_and_nothing_of_it_shown() {
        let command = format!("008800812210{}10{}", "11".repeat(16), "22".repeat(16));
        let lines = conversation(&[
            (&command, "612c"),
            ("00c000002c", &format!("db08{}9000", "ab".repeat(42))),
            (&command, "6110"),
            ("00c0000010", &format!("dc0e{}9000", "cd".repeat(14))),
            ("0020000108 3132333435363738".replace(' ', "").as_str(), "63c2"),
        ]);
        assert_eq!(
            lines,
            [
                "AUTHENTICATE ctx=3g -> 612C",
                "GET RESPONSE -> 9000 result=res",
                "AUTHENTICATE ctx=3g -> 6110",
                "GET RESPONSE -> 9000 result=auts",
                "VERIFY PIN pin=PIN1 -> 63C2",
            ]
        );
    }

    #[test]
    fn a_sim_has_names_of_its_own_and_its_own_selection() {
        let run = format!("a088000010{}", "23".repeat(16));
        let lines = conversation(&[
            ("00a4040007a0000005590010", "9000"),
            ("a0a40000027f20", "9f16"),
            ("a0c0000016", "9000"),
            ("a0a40000026f07", "9f0f"),
            ("a0a40000026fff", "9404"),
            ("a0b0000009", "0809101000000000109000"),
            (&run, "9f0c"),
            ("a02c00001031323334353637383131313131313131", "9804"),
            ("a02000020830303030ffffffff", "9000"),
            ("00b00000028301", "6a80"),
        ]);
        assert_eq!(
            lines,
            [
                "SELECT file=IoT-SAFE -> 9000",
                "SELECT file=DF.GSM -> 9F16",
                "GET RESPONSE -> 9000",
                "SELECT file=EF.IMSI -> 9F0F",
                "SELECT file=6FFF -> 9404",
                "READ BINARY file=EF.IMSI -> 9000",
                "RUN GSM ALGORITHM -> 9F0C",
                "UNBLOCK CHV pin=CHV1 -> 9804",
                "VERIFY CHV pin=CHV2 -> 9000",
                "READ FILE offset=0 -> 6A80",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_get_a_name(
            exchanges in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..24), proptest::collection::vec(any::<u8>(), 0..8)),
                0..20),
        ) {
            let (mut namer, mut other) = (Namer::default(), Namer::default());
            for (command, response) in exchanges {
                let (named, answered) = namer.describe(&command, &response);
                prop_assert!(!named.name.is_empty());
                prop_assert_eq!(named.name == "malformed command", Command::parse(&command).is_err());
                let status = response.len().checked_sub(2).map(|at| hex::encode_upper(&response[at..]));
                prop_assert_eq!(&answered.name, &status.unwrap_or_else(|| "no status word".to_owned()));
                // What is said of some bytes is not much longer than they are.
                let words = |label: &Label| label.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
                let length = command.len() + response.len();
                prop_assert!(words(&named) + words(&answered) <= 8 * length + 100, "{named:?} {answered:?}");
                prop_assert_eq!(other.describe(&command, &response), (named, answered));
            }
        }
    }
}
