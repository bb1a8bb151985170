//! The device's side of IoT SAFE (GSMA IoT.05): what the application above the modem asks of the applet, over
//! a logical channel of its own, so that the modem's selections on the basic channel stay as they are.

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::card::iot_safe as store;
use crate::card::{CardSlot, PortError};
use crate::kernel::Blame;
use crate::wire::tlv::{self, TlvError};
use crate::wire::{ApduError, Command, StatusWord};

/// The key pair that is the device's identity.
pub const KEY_ID: u8 = store::DEVICE_KEY;
/// The file that the device's certificate goes into, DER.
pub const CERTIFICATE_FILE: u8 = store::CERTIFICATE_FILE;
/// The file with the certificate authority that the device was delivered with, DER.
pub const TRUST_ANCHOR_FILE: u8 = store::TRUST_ANCHOR_FILE;

/// Bytes of a file that go through in one short APDU, with room for the tags beside them.
const CHUNK: usize = 240;

/// Why the applet did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum IotSafeError {
    #[error("{command}: {source}")]
    Port { command: &'static str, source: PortError },
    #[error("{command}: the card refused with status word {status}{}", meaning(*status))]
    Refused { command: &'static str, status: StatusWord },
    #[error("{command}: the card answered with something else than IoT.05 says: {detail}")]
    Answer { command: &'static str, detail: String },
    #[error("{command}: not sent: {source}")]
    Command { command: &'static str, source: ApduError },
    #[error("a file of {bytes} bytes does not fit into 65,535")]
    TooLong { bytes: usize },
}

impl IotSafeError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Port { source, .. } => source.blame(),
            Self::Refused { .. } => Blame::PeerRefused,
            Self::Answer { .. } => Blame::PeerBrokeProtocol,
            Self::Command { .. } | Self::TooLong { .. } => Blame::Ours,
        }
    }
}

/// What the status words of IoT.05 mean, for the message.
fn meaning(status: StatusWord) -> &'static str {
    match status {
        StatusWord::CONDITIONS_NOT_SATISFIED => {
            " (conditions of use not satisfied: the object is empty or its access conditions forbid this)"
        }
        StatusWord::NOT_FOUND => " (there is no such application or object)",
        StatusWord::INSUFFICIENT_MEMORY => " (the object is too small)",
        StatusWord::INCORRECT_DATA => " (incorrect data)",
        StatusWord::FUNCTION_NOT_SUPPORTED => " (function not supported, or no logical channel is free)",
        StatusWord::INSTRUCTION_NOT_SUPPORTED => " (instruction not supported)",
        _ => "",
    }
}

/// How an application speaks to the applet. IoT.05 leaves open what clients of different makers do differently; an applet
/// has to take all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dialect {
    /// By which AID the applet is selected.
    pub aid: AppletAid,
    /// The class of its commands (ISO/IEC 7816-4 clause 5.4.1).
    pub class: CommandClass,
    /// What the card gets to sign (IoT.05, mode of operation).
    pub signs: SignedInput,
}

/// An AID of IoT SAFE applets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppletAid {
    /// That of the GSMA, `A0000005590010`.
    #[default]
    Gsma,
    /// That of Thales, `A00000003053F12401770101495341`.
    Thales,
    /// That of CIRA, `A0000002480400`.
    Cira,
}

/// The class byte of commands to the applet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommandClass {
    /// `8X`: the length of a signature comes in two bytes then.
    #[default]
    Proprietary,
    /// `0X`: the length of a signature comes in one byte then.
    Interindustry,
}

/// What the card gets to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignedInput {
    /// The full text, of which the card computes the hash.
    #[default]
    FullText,
    /// The hash, which the device has computed.
    Hash,
}

impl Dialect {
    fn aid(self) -> &'static [u8] {
        match self.aid {
            AppletAid::Gsma => &store::AID_GSMA,
            AppletAid::Thales => &store::AID_THALES,
            AppletAid::Cira => &store::AID_CIRA,
        }
    }
}

/// The applet, selected on a logical channel. It stays selected until the card is reset or
/// [`close`](Self::close) is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IotSafe {
    channel: u8,
    dialect: Dialect,
}

impl IotSafe {
    /// Opens a logical channel and selects the applet on it.
    pub fn select(slot: &mut CardSlot, dialect: Dialect) -> Result<Self, IotSafeError> {
        let opened = send(slot, "MANAGE CHANNEL", Command::new(0x00, 0x70, 0x00, 0x00).with_expected(1))?;
        let &[channel @ 1..=3] = &opened[..] else {
            return Err(answer("MANAGE CHANNEL", format!("channel {}", hex::encode(opened))));
        };
        send(slot, "SELECT", Command::new(channel, 0xa4, 0x04, 0x00).with_data(dialect.aid()))?;
        Ok(Self { channel, dialect })
    }

    /// Closes the logical channel.
    pub fn close(self, slot: &mut CardSlot) -> Result<(), IotSafeError> {
        send(slot, "MANAGE CHANNEL", Command::new(0x00, 0x70, 0x80, self.channel)).map(drop)
    }

    /// Makes a new key pair in container `key_id` and returns its public key, X || Y.
    pub fn generate_key_pair(&self, slot: &mut CardSlot, key_id: u8) -> Result<[u8; 64], IotSafeError> {
        const NAME: &str = "GENERATE KEY PAIR";
        let data = self.call(slot, NAME, 0xb9, (0, 0), &[0x84, 1, key_id])?;
        public_key(NAME, &data)
    }

    /// The public key of container `key_id`, X || Y.
    pub fn read_public_key(&self, slot: &mut CardSlot, key_id: u8) -> Result<[u8; 64], IotSafeError> {
        const NAME: &str = "READ PUBLIC KEY";
        let data = self.call(slot, NAME, 0xcd, (0, 0), &[0x85, 1, key_id])?;
        public_key(NAME, &data)
    }

    /// How many keys the card has made in container `key_id`. A command of ours: GET DATA with the tag of the answer in
    /// P1 and P2, as ISO/IEC 7816-4 clause 7.4.3 has it.
    pub fn generation(&self, slot: &mut CardSlot, key_id: u8) -> Result<u64, IotSafeError> {
        const NAME: &str = "GET DATA";
        let [p1, p2] = store::KEYS_MADE.to_be_bytes();
        let data = self.call(slot, NAME, 0xcb, (p1, p2), &[0x84, 1, key_id])?;
        let octets = tlv::find(&data, store::KEYS_MADE).map_err(|error| malformed(NAME, &error))?;
        let octets = octets.try_into();
        octets
            .map(u64::from_be_bytes)
            .map_err(|_| answer(NAME, "a count that has not eight bytes".to_owned()))
    }

    /// The public key where there may be none: `None` for a container in which no key was made.
    pub fn public_key_if_made(
        &self,
        slot: &mut CardSlot,
        key_id: u8,
    ) -> Result<Option<[u8; 64]>, IotSafeError> {
        match self.read_public_key(slot, key_id) {
            Ok(key) => Ok(Some(key)),
            // The second is what other applets say.
            Err(IotSafeError::Refused {
                status: StatusWord::CONDITIONS_NOT_SATISFIED | StatusWord::REFERENCED_DATA_NOT_FOUND,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Signs `message` with ECDSA and SHA-256, r || s; the dialect says who computes the hash.
    pub fn sign(&self, slot: &mut CardSlot, key_id: u8, message: &[u8]) -> Result<[u8; 64], IotSafeError> {
        if message.len() > 0xffff {
            return Err(IotSafeError::TooLong { bytes: message.len() });
        }
        if self.dialect.signs == SignedInput::Hash {
            return self.sign_digest(slot, key_id, &Sha256::digest(message).into());
        }
        let mut text = Vec::with_capacity(message.len() + 4);
        tlv::push(&mut text, 0x9b, message);
        self.signature(slot, key_id, 0x01, &text)
    }

    /// Signs a SHA-256 hash with ECDSA, r || s.
    pub fn sign_digest(
        &self,
        slot: &mut CardSlot,
        key_id: u8,
        digest: &[u8; 32],
    ) -> Result<[u8; 64], IotSafeError> {
        self.signature(slot, key_id, 0x03, &[&[0x9e, 0x20][..], digest].concat())
    }

    /// `n` random bytes, 1 to 256.
    pub fn random(&self, slot: &mut CardSlot, n: u16) -> Result<Vec<u8>, IotSafeError> {
        const NAME: &str = "GET RANDOM";
        let data = send(slot, NAME, Command::new(self.class(), 0x84, 0, 0).with_expected(n))?;
        if data.len() != usize::from(n) {
            return Err(answer(NAME, format!("{} bytes instead of {n}", data.len())));
        }
        Ok(data)
    }

    /// The content of a file; nothing for one that was never written.
    pub fn read_file(&self, slot: &mut CardSlot, file_id: u8) -> Result<Vec<u8>, IotSafeError> {
        let size = self.file_size(slot, file_id)?;
        let mut content = Vec::with_capacity(size);
        while content.len() < size {
            let at = (content.len() as u16).to_be_bytes();
            let part = Command::new(self.class(), 0xb0, at[0], at[1])
                .with_data(&[0x83, 1, file_id])
                .with_expected((size - content.len()).min(CHUNK) as u16)
                .encode();
            let part = transmit(slot, "READ FILE", part)?;
            if part.is_empty() {
                return Err(answer("READ FILE", format!("nothing at offset {} of {size}", content.len())));
            }
            content.extend_from_slice(&part);
        }
        Ok(content)
    }

    /// Writes a whole file.
    pub fn write_file(&self, slot: &mut CardSlot, file_id: u8, content: &[u8]) -> Result<(), IotSafeError> {
        if content.len() > 0xffff {
            return Err(IotSafeError::TooLong { bytes: content.len() });
        }
        let mut offset = 0;
        // An empty content is one write too: it empties the file.
        loop {
            let part = &content[offset..content.len().min(offset + CHUNK)];
            let mut data = vec![0x83, 1, file_id];
            tlv::push(&mut data, 0x53, part);
            let at = (offset as u16).to_be_bytes();
            send(slot, "UPDATE FILE", Command::new(self.class(), 0xd6, at[0], at[1]).with_data(&data))?;
            offset += part.len();
            if offset == content.len() {
                return Ok(());
            }
        }
    }

    fn file_size(&self, slot: &mut CardSlot, file_id: u8) -> Result<usize, IotSafeError> {
        const NAME: &str = "GET DATA";
        let data = self.call(slot, NAME, 0xcb, (0xc3, 0x00), &[0x83, 1, file_id])?;
        // Some cards answer with the template C3, some with what is inside.
        let inside = tlv::find(&data, 0xc3).unwrap_or(&data);
        match tlv::find(inside, 0x20) {
            Ok(&[a, b]) => Ok(usize::from(u16::from_be_bytes([a, b]))),
            Ok(size) => Err(answer(NAME, format!("a file size of {} bytes", size.len()))),
            Err(error) => Err(malformed(NAME, &error)),
        }
    }

    /// Session 0: INIT with the mode of operation, then `data` in as many UPDATEs as it takes.
    fn signature(
        &self,
        slot: &mut CardSlot,
        key_id: u8,
        mode: u8,
        data: &[u8],
    ) -> Result<[u8; 64], IotSafeError> {
        const INIT: &str = "COMPUTE SIGNATURE INIT";
        const UPDATE: &str = "COMPUTE SIGNATURE UPDATE";
        // SHA-256 and ECDSA.
        let parameters = [0x84, 1, key_id, 0xa1, 1, mode, 0x91, 2, 0x00, 0x01, 0x92, 1, 0x04];
        send(slot, INIT, Command::new(self.class(), 0x2a, 0, 0).with_data(&parameters))?;
        let mut chunks = data.chunks(255).peekable();
        while let Some(chunk) = chunks.next() {
            if chunks.peek().is_some() {
                send(slot, UPDATE, Command::new(self.class(), 0x2b, 0x00, 0).with_data(chunk))?;
                continue;
            }
            let signed = self.call(slot, UPDATE, 0x2b, (0x80, 0), chunk)?;
            // The length of tag 33 takes one byte on some cards and two on others.
            return match &signed[..] {
                [0x33, 0x40, value @ ..] | [0x33, 0x00, 0x40, value @ ..] => value.try_into().ok(),
                _ => None,
            }
            .ok_or_else(|| answer(UPDATE, format!("{} bytes that are no signature", signed.len())));
        }
        Err(answer(UPDATE, "there was nothing to sign".to_owned()))
    }

    fn class(&self) -> u8 {
        match self.dialect.class {
            CommandClass::Proprietary => 0x80 | self.channel,
            CommandClass::Interindustry => self.channel,
        }
    }

    /// A command with data that wants an answer.
    fn call(
        &self,
        slot: &mut CardSlot,
        name: &'static str,
        instruction: u8,
        (p1, p2): (u8, u8),
        data: &[u8],
    ) -> Result<Vec<u8>, IotSafeError> {
        let class = self.class();
        send(slot, name, Command { class, instruction, p1, p2, data, expected: Some(256) })
    }
}

/// Hands an ENVELOPE of the operator to the card, and returns what the card gives in answer: nothing where it takes no
/// such messages or this one is not for it, which is for the operator to judge.
pub fn carry(slot: &mut CardSlot, envelope: &[u8]) -> Result<Vec<u8>, IotSafeError> {
    let response =
        slot.exchange(envelope).map_err(|source| IotSafeError::Port { command: "ENVELOPE", source })?;
    Ok(StatusWord::split(&response).map(|(data, _)| data.to_vec()).unwrap_or_default())
}

fn send(slot: &mut CardSlot, name: &'static str, command: Command<'_>) -> Result<Vec<u8>, IotSafeError> {
    transmit(slot, name, command.encode())
}

fn transmit(
    slot: &mut CardSlot,
    command: &'static str,
    encoded: Result<Vec<u8>, ApduError>,
) -> Result<Vec<u8>, IotSafeError> {
    let bytes = encoded.map_err(|source| IotSafeError::Command { command, source })?;
    let response = slot.exchange(&bytes).map_err(|source| IotSafeError::Port { command, source })?;
    match StatusWord::split(&response) {
        Some((data, StatusWord::OK | StatusWord::REMOTE_SESSION)) => Ok(data.to_vec()),
        Some((_, status)) => Err(IotSafeError::Refused { command, status }),
        None => Err(answer(command, "no status word".to_owned())),
    }
}

/// X || Y out of public key data, `34 .. 49 .. 86 41 04 X Y`.
fn public_key(command: &'static str, data: &[u8]) -> Result<[u8; 64], IotSafeError> {
    let point = tlv::find(data, 0x34)
        .and_then(|key| tlv::find(key, 0x49))
        .and_then(|key| tlv::find(key, 0x86))
        .map_err(|error| malformed(command, &error))?;
    let coordinates = point.strip_prefix(&[0x04]).and_then(|xy| xy.try_into().ok());
    coordinates.ok_or_else(|| answer(command, format!("a point of {} bytes", point.len())))
}

fn answer(command: &'static str, detail: String) -> IotSafeError {
    IotSafeError::Answer { command, detail }
}

fn malformed(command: &'static str, error: &TlvError) -> IotSafeError {
    answer(command, error.to_string())
}
