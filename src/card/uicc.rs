//! The virtual UICC: class bytes, logical channels, selection and the transport behaviour of protocol T=0
//! (ETSI TS 102 221 clauses 7.3.1, 8.5 to 8.8, 10.1 and 11.1).

use std::cell::Cell;

use rand_chacha::ChaCha20Rng;

use super::fs::{Directory, FileSystem, ISIM_AID, Position, USIM_AID};
use super::gsm::{self, Sim};
use super::iot_safe::{self, Applet};
use super::pin::{PIN1, Pins};
use super::state::{ICCID, Stored, Writer};
use super::suci::Concealer;
use super::toolkit::{Refresh, Toolkit};
use super::usim::Usim;
use super::{CardError, CardPort, OnOp, Personalisation, PortError, Reply};
use crate::id::Iccid;
use crate::sim::RngTree;
use crate::wire::{Command, StatusWord, tlv};

/// Basic channel 0, standard channels to 3 and extended channels to 19.
const CHANNELS: usize = 20;

/// The stream that ephemeral keys of concealed identities come from.
const SUCI_STREAM: &str = "usim/suci";

/// Answer To Reset (ISO/IEC 7816-3 clause 8.2; TS 102 221 clause 6.3): T=0 with Fi/Di 512/16, clock stop,
/// voltage classes A to C. The historical bytes offer selection by full and partial AID and eight
/// logical channels or more (`73 FE 21 1F`) and carry a name.
const ATR: [u8; 22] = with_check_byte([
    0x3b, 0x9f, 0x95, 0x80, 0x1f, 0xc7, 0x80, 0x31, 0xe0, 0x73, 0xfe, 0x21, 0x1f, 0x57, b'c', b'e', b'l',
    b'l', b'b', b'e', b'd',
]);

/// An application that can be selected by AID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Application {
    Usim,
    Isim,
    IotSafe,
}

impl Application {
    /// The directory of an application that has files.
    fn directory(self) -> Option<Directory> {
        match self {
            Self::Usim => Some(Directory::Usim),
            Self::Isim => Some(Directory::Isim),
            Self::IotSafe => None,
        }
    }

    fn aid(self) -> &'static [u8] {
        match self {
            Self::Usim => &USIM_AID,
            Self::Isim => &ISIM_AID,
            Self::IotSafe => &iot_safe::AID_GSMA,
        }
    }
}

/// The applications. The applet answers to the AIDs that clients in the field know it by.
const APPLICATIONS: &[(&[u8], Application)] = &[
    (&USIM_AID, Application::Usim),
    (&ISIM_AID, Application::Isim),
    (&iot_safe::AID_GSMA, Application::IotSafe),
    (&iot_safe::AID_THALES, Application::IotSafe),
    (&iot_safe::AID_CIRA, Application::IotSafe),
];

#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    application: Option<Application>,
    position: Position,
}

/// An instruction of the file system and the USIM.
struct Instruction {
    code: u8,
    /// Class bytes without channel: `00` (ISO/IEC 7816-4) or `80` (TS 102 221).
    class: u8,
    run: fn(&mut Uicc, usize, &Command<'_>) -> Reply,
}

const fn iso(code: u8, run: fn(&mut Uicc, usize, &Command<'_>) -> Reply) -> Instruction {
    Instruction { code, class: 0x00, run }
}

const fn etsi(code: u8, run: fn(&mut Uicc, usize, &Command<'_>) -> Reply) -> Instruction {
    Instruction { code, class: 0x80, run }
}

/// What the card can do outside IoT SAFE. SELECT, MANAGE CHANNEL and GET RESPONSE work everywhere.
static INSTRUCTIONS: &[Instruction] = &[
    iso(0xb0, |card, n, c| card.read(n, c, FileSystem::read_binary)),
    iso(0xd6, |card, n, c| card.update(n, c, FileSystem::update_binary)),
    iso(0xb2, |card, n, c| card.read(n, c, FileSystem::read_record)),
    iso(0xdc, |card, n, c| card.update(n, c, FileSystem::update_record)),
    iso(0xa2, |card, n, c| card.read(n, c, FileSystem::search_record)),
    etsi(0x32, |card, n, c| card.update(n, c, FileSystem::increase)),
    etsi(0xf2, Uicc::status),
    iso(0x20, |card, _, c| card.pins.verify(c)),
    iso(0x24, |card, _, c| card.pins.change(c)),
    iso(0x26, |card, _, c| card.pins.disable(c)),
    iso(0x28, |card, _, c| card.pins.enable(c)),
    iso(0x2c, |card, _, c| card.pins.unblock(c)),
    iso(0x88, Uicc::authenticate),
    etsi(0x78, Uicc::get_identity),
    etsi(0x10, |card, _, c| card.toolkit.terminal_profile(c)),
    etsi(0x12, |card, _, c| card.toolkit.fetch(c)),
    etsi(0x14, |card, _, c| card.toolkit.terminal_response(c)),
    etsi(0xaa, terminal_capability),
];

/// Response data that waits for GET RESPONSE.
struct Pending {
    channel: usize,
    data: Vec<u8>,
}

/// A virtual UICC with a USIM and the IoT SAFE applet.
pub struct Uicc {
    files: FileSystem,
    pins: Pins,
    usim: Usim,
    concealer: Option<Concealer>,
    suci_stream: Box<ChaCha20Rng>,
    /// How many identities were concealed.
    identities: u64,
    toolkit: Toolkit,
    applet: Applet,
    sim: Sim,
    channels: [Option<Channel>; CHANNELS],
    pending: Option<Pending>,
    iccid: Iccid,
    /// The [generation](Uicc::generation) that was last saved or restored.
    kept: Cell<u64>,
}

impl Uicc {
    /// Makes the card of `p`. Its keys and random numbers come from `rng`, which is this card's alone;
    /// `trust_anchor` is the DER certificate that the applet is delivered with.
    pub fn new(p: &Personalisation, rng: RngTree, trust_anchor: &[u8]) -> Result<Self, CardError> {
        Ok(Self {
            files: FileSystem::new(p),
            pins: Pins::new(&p.pin),
            usim: Usim::new(p)?,
            concealer: Concealer::new(p),
            suci_stream: Box::new(rng.stream(SUCI_STREAM)),
            identities: 0,
            toolkit: Toolkit::default(),
            applet: Applet::new(&rng, trust_anchor, p.pre_shared_key)?,
            sim: Sim::default(),
            channels: only_the_basic_channel(),
            pending: None,
            iccid: p.iccid.clone(),
            kept: Cell::new(0),
        })
    }

    /// The same card, which tells `on_op` of each public key operation.
    pub fn with_tally(mut self, on_op: OnOp) -> Self {
        self.applet.set_tally(on_op);
        self
    }

    /// Writes down what the card keeps without power: PIN codes with their counters, sequence numbers, files that
    /// were written, keys and files of the applet, and how far its random numbers were drawn. Private keys are in
    /// it.
    ///
    /// The card of a server that writes this down before each answer that made the card [dirty](Self::dirty)
    /// leaves its terminal survives a kill at any moment.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.put(ICCID, self.iccid.as_str().as_bytes());
        self.pins.save(&mut out);
        self.usim.sqn().save(&mut out);
        self.files.save(&mut out);
        self.applet.save(&mut out);
        out.put_stream(SUCI_STREAM, &self.suci_stream);
        self.kept.set(self.generation());
        out.finish()
    }

    /// Makes this card, new and of the same personalisation, what another was when it was saved; then resets it.
    /// A state that is damaged or of another card is refused and changes nothing. Random numbers go on behind
    /// those that either card has drawn.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), CardError> {
        let stored = Stored::open(state)?;
        let found = stored.all(ICCID).next().unwrap_or_default();
        if found != self.iccid.as_str().as_bytes() {
            let found = String::from_utf8_lossy(found).into_owned();
            return Err(CardError::StateForeign { found, card: self.iccid.to_string() });
        }
        let pins = self.pins.restored(stored)?;
        let sqn = self.usim.sqn().restored(stored)?;
        let files = self.files.restored(stored)?;
        let applet = self.applet.restored(stored)?;
        let mut suci_stream = self.suci_stream.clone();
        stored.forward(SUCI_STREAM, &mut suci_stream)?;
        self.suci_stream = suci_stream;
        (self.pins, self.files) = (pins, files);
        self.usim.set_sqn(sqn);
        self.applet.assume(applet);
        self.power_up();
        self.kept.set(self.generation());
        Ok(())
    }

    /// Counts the changes of what [`save`](Self::save) writes down.
    pub fn generation(&self) -> u64 {
        let parts =
            [self.pins.changes(), self.usim.sqn().changes(), self.files.changes(), self.applet.changes()];
        parts.iter().sum::<u64>() + self.identities
    }

    /// Whether something has changed since the card was made, saved or restored.
    pub fn dirty(&self) -> bool {
        self.generation() != self.kept.get()
    }

    fn power_up(&mut self) {
        self.channels = only_the_basic_channel();
        self.sim = Sim::default();
        self.toolkit.reset();
        self.pending = None;
        self.pins.reset();
        self.applet.reset();
    }

    /// The private scalars that the applet holds, for tests that look for them in what the card says.
    #[cfg(any(test, fuzzing))]
    pub fn private_scalars(&self) -> Vec<Vec<u8>> {
        self.applet.private_scalars()
    }

    /// Answers one command APDU. Any bytes get an answer.
    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(command) = Command::parse(bytes) else {
            return StatusWord::WRONG_LENGTH.to_bytes().to_vec();
        };
        let waiting = self.pending.take();
        match self.run(&command, waiting) {
            Ok(response) => self.with_announcement(response),
            Err(refusal) => refusal.to_bytes().to_vec(),
        }
    }

    fn run(&mut self, c: &Command<'_>, waiting: Option<Pending>) -> Result<Vec<u8>, StatusWord> {
        if c.class == gsm::CLASS {
            let (files, pins) = (&mut self.files, &mut self.pins);
            let shared = gsm::Shared { files, pins, usim: &mut self.usim, toolkit: &mut self.toolkit };
            return self.sim.handle(c, shared);
        }
        self.sim.forget();
        let (number, class) = channel_of(c.class)?;
        match c.instruction {
            0xc0 => return self.get_response(number, c, waiting),
            0xa4 if class == 0x00 => {
                let data = self.select(number, c)?;
                return Ok(self.announce(number, data));
            }
            0x70 if class == 0x00 => {
                self.channel(number)?;
                let data = self.manage_channel(number, c)?;
                return self.deliver(number, c, data);
            }
            _ => {}
        }
        if self.channel(number)?.application == Some(Application::IotSafe) {
            let data = self.applet.handle(number, c)?;
            return Ok(self.deliver_at_once(number, c, data));
        }
        let known = || INSTRUCTIONS.iter().filter(|i| i.code == c.instruction);
        let instruction = known().find(|i| i.class == class);
        let data = match (instruction, known().next()) {
            (Some(instruction), _) => (instruction.run)(self, number, c)?,
            (None, Some(_)) => return Err(StatusWord::CLASS_NOT_SUPPORTED),
            (None, None) => return Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        };
        self.deliver(number, c, data)
    }

    /// `91xx` in the place of `9000` where a proactive command waits for the terminal.
    fn with_announcement(&self, mut response: Vec<u8>) -> Vec<u8> {
        if let Some(bytes) = self.toolkit.announces()
            && response.ends_with(&StatusWord::OK.to_bytes())
        {
            response.truncate(response.len() - 2);
            response.extend_from_slice(&StatusWord::proactive(bytes).to_bytes());
        }
        response
    }

    /// Asks the terminal to read the card again, as soon as it has sent its profile and done a command.
    pub fn request_refresh(&mut self, refresh: Refresh) {
        self.toolkit.request(refresh);
    }

    fn channel(&self, number: usize) -> Result<Channel, StatusWord> {
        self.channels[number].ok_or(StatusWord::CHANNEL_NOT_SUPPORTED)
    }

    /// Keeps `data` for GET RESPONSE.
    fn announce(&mut self, channel: usize, data: Vec<u8>) -> Vec<u8> {
        if data.is_empty() {
            return StatusWord::OK.to_bytes().to_vec();
        }
        let announced = StatusWord::more(data.len());
        self.pending = Some(Pending { channel, data });
        announced.to_bytes().to_vec()
    }

    /// Answers as T=0 does: what came with command data is announced (`61xx`), what came without must have
    /// been asked for with its exact length (`6Cxx`).
    fn deliver(&mut self, channel: usize, c: &Command<'_>, data: Vec<u8>) -> Result<Vec<u8>, StatusWord> {
        match c.expected {
            Some(expected) if c.data.is_empty() && !data.is_empty() => {
                if usize::from(expected) != data.len() {
                    return Err(StatusWord::wrong_le(data.len()));
                }
                Ok(complete(data, StatusWord::OK))
            }
            _ => Ok(self.announce(channel, data)),
        }
    }

    /// Answers as applets do: a command with Le gets its data at once, as far as Le goes.
    fn deliver_at_once(&mut self, channel: usize, c: &Command<'_>, mut data: Vec<u8>) -> Vec<u8> {
        let Some(expected) = c.expected.map(usize::from) else { return self.announce(channel, data) };
        if data.len() <= expected {
            return complete(data, StatusWord::OK);
        }
        let rest = data.split_off(expected);
        let more = StatusWord::more(rest.len());
        self.pending = Some(Pending { channel, data: rest });
        complete(data, more)
    }

    fn get_response(
        &mut self,
        channel: usize,
        c: &Command<'_>,
        waiting: Option<Pending>,
    ) -> Result<Vec<u8>, StatusWord> {
        let Some(mut waiting) = waiting.filter(|w| w.channel == channel) else {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        if (c.p1, c.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let expected = usize::from(c.expected.unwrap_or(256));
        if expected > waiting.data.len() {
            let right = StatusWord::wrong_le(waiting.data.len());
            self.pending = Some(waiting);
            return Err(right);
        }
        let rest = waiting.data.split_off(expected);
        let status = if rest.is_empty() { StatusWord::OK } else { StatusWord::more(rest.len()) };
        self.pending = (!rest.is_empty()).then_some(Pending { channel, data: rest });
        Ok(complete(waiting.data, status))
    }

    /// SELECT. A channel other than the basic one may be opened by selecting an application on it: modems do
    /// that without MANAGE CHANNEL.
    fn select(&mut self, number: usize, c: &Command<'_>) -> Reply {
        let selected = if c.p1 == 0x04 {
            select_application(c)?
        } else {
            let from = self.channel(number)?;
            let application = from.application.filter(|a| a.directory().is_some());
            let active = application.and_then(Application::directory);
            let position = self.files.find(from.position, c.p1, c.data, active)?;
            Channel { application, position }
        };
        let wants_data = match c.p2 & 0x0c {
            0x00 | 0x04 => true,
            0x0c => false,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        self.applet.end_sessions(number);
        self.channels[number] = Some(selected);
        match selected.application {
            Some(Application::IotSafe) => Ok(Vec::new()),
            _ if wants_data => Ok(self.files.fcp(selected.position, &self.pins)),
            _ => Ok(Vec::new()),
        }
    }

    /// MANAGE CHANNEL (TS 102 221 clause 11.1.17).
    fn manage_channel(&mut self, from: usize, c: &Command<'_>) -> Reply {
        match (c.p1, usize::from(c.p2)) {
            (0x00, 0) => {
                if c.expected.is_some_and(|expected| expected != 1) {
                    return Err(StatusWord::wrong_le(1));
                }
                let free = self.channels.iter().position(Option::is_none);
                let number = free.ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
                self.open(from, number);
                Ok(vec![number as u8])
            }
            (0x00, number @ 1..CHANNELS) => {
                if self.channels[number].is_some() {
                    return Err(StatusWord::CHANNEL_NOT_SUPPORTED);
                }
                self.open(from, number);
                Ok(Vec::new())
            }
            (0x80, number @ 1..CHANNELS) => {
                self.channel(number)?;
                self.channels[number] = None;
                self.applet.end_sessions(number);
                Ok(Vec::new())
            }
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// A channel opened from the basic one starts at the MF, from another where that one stands.
    fn open(&mut self, from: usize, number: usize) {
        let origin = self.channels[from].filter(|_| from != 0).unwrap_or_default();
        self.channels[number] = Some(origin);
    }

    /// STATUS (TS 102 221 clause 11.1.2): the FCP of the current directory, the AID of the application, or
    /// nothing.
    fn status(&mut self, number: usize, c: &Command<'_>) -> Reply {
        let channel = self.channel(number)?;
        match (c.p1, c.p2) {
            (0x00..=0x02, 0x00) => Ok(self.files.directory_fcp(channel.position, &self.pins)),
            (0x00..=0x02, 0x01) => {
                let application = channel.application.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
                let aid = application.aid();
                Ok([&[0x84, aid.len() as u8][..], aid].concat())
            }
            (0x00..=0x02, 0x0c) => Ok(Vec::new()),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    fn authenticate(&mut self, number: usize, c: &Command<'_>) -> Reply {
        let application = self.channel(number)?.application;
        if application.and_then(Application::directory).is_none() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if !self.pins.granted(PIN1) {
            return Err(StatusWord::SECURITY_STATUS);
        }
        match application {
            Some(Application::Isim) => self.usim.authenticate_ims(c),
            _ => self.usim.authenticate(c),
        }
    }

    /// GET IDENTITY in the SUCI context (TS 31.102 clause 7.5), where the profile leaves the SUCI to the card.
    fn get_identity(&mut self, number: usize, c: &Command<'_>) -> Reply {
        if self.channel(number)?.application != Some(Application::Usim) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if (c.p1, c.p2) != (0x00, 0x01) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if !self.pins.granted(PIN1) {
            return Err(StatusWord::SECURITY_STATUS);
        }
        let concealer = self.concealer.as_ref().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let suci = concealer.suci(&mut self.suci_stream).ok_or(StatusWord::TECHNICAL_PROBLEM)?;
        self.identities += 1;
        let mut out = Vec::with_capacity(suci.len() + 2);
        tlv::push(&mut out, 0xa1, &suci);
        Ok(out)
    }

    fn read(
        &mut self,
        number: usize,
        c: &Command<'_>,
        run: fn(&FileSystem, &mut Position, &Pins, &Command<'_>) -> Reply,
    ) -> Reply {
        let mut channel = self.channel(number)?;
        let reply = run(&self.files, &mut channel.position, &self.pins, c);
        self.channels[number] = Some(channel);
        reply
    }

    fn update(
        &mut self,
        number: usize,
        c: &Command<'_>,
        run: fn(&mut FileSystem, &mut Position, &Pins, &Command<'_>) -> Reply,
    ) -> Reply {
        let mut channel = self.channel(number)?;
        let reply = run(&mut self.files, &mut channel.position, &self.pins, c);
        self.channels[number] = Some(channel);
        reply
    }
}

impl CardPort for Uicc {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        Ok(self.answer(command))
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.power_up();
        Ok(ATR.to_vec())
    }
}

/// The channel of a class byte, and the class without it.
fn channel_of(class: u8) -> Result<(usize, u8), StatusWord> {
    let (channel, class) = Command::channel(class).ok_or(StatusWord::CHANNEL_NOT_SUPPORTED)?;
    match class {
        0x00 | 0x80 => Ok((usize::from(channel), class)),
        0x10 | 0x90 => Err(StatusWord::CHAINING_NOT_SUPPORTED),
        0x04 | 0x08 | 0x0c | 0x84 | 0x88 | 0x8c => Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED),
        _ => Err(StatusWord::CLASS_NOT_SUPPORTED),
    }
}

/// SELECT by AID, whole or its beginning (ISO/IEC 7816-4 clause 7.1.1).
fn select_application(c: &Command<'_>) -> Result<Channel, StatusWord> {
    let matching = APPLICATIONS.iter().filter(|(aid, _)| !c.data.is_empty() && aid.starts_with(c.data));
    // "Next" and "previous" occurrence find nothing beside the first.
    let first = if c.p2 & 0x03 == 0 { matching.map(|(_, application)| *application).next() } else { None };
    let application = first.ok_or(StatusWord::NOT_FOUND)?;
    let position = application.directory().map_or_else(Position::default, Position::within);
    Ok(Channel { application: Some(application), position })
}

/// The channels as after a reset.
fn only_the_basic_channel() -> [Option<Channel>; CHANNELS] {
    let mut channels = [None; CHANNELS];
    channels[0] = Some(Channel::default());
    channels
}

/// TERMINAL CAPABILITY (TS 102 221 clause 11.1.19): a template A9. What the terminal can do makes no difference
/// here.
fn terminal_capability(_: &mut Uicc, _: usize, c: &Command<'_>) -> Reply {
    if (c.p1, c.p2) != (0, 0) {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    tlv::find(c.data, 0xa9).map(|_| Vec::new()).map_err(|_| StatusWord::INCORRECT_DATA)
}

fn complete(mut data: Vec<u8>, status: StatusWord) -> Vec<u8> {
    data.extend_from_slice(&status.to_bytes());
    data
}

/// Appends TCK, which makes the exclusive-or over all bytes behind TS zero.
const fn with_check_byte<const N: usize, const M: usize>(bytes: [u8; N]) -> [u8; M] {
    let mut out = [0; M];
    let mut i = 0;
    while i < N {
        out[i] = bytes[i];
        if i > 0 {
            out[M - 1] ^= bytes[i];
        }
        i += 1;
    }
    out
}
