//! Commands to an IoT SAFE applet (GSMA IoT.05 clause 3), as loosely as cards in the field need it.

use super::object::{self, Kind, Object};
use crate::reader::{Answer, ExploreError, Said, Terminal};
use crate::wire::{Command, StatusWord, tlv};

/// Bytes of a file asked for in one command.
const CHUNK: usize = 240;

/// The most bytes that a file is taken to have.
const FILE_MAX: usize = 0x8000;

/// A signature, and how many bytes its length had.
pub(super) struct Signed {
    pub(super) signature: [u8; 64],
    pub(super) length_bytes: usize,
}

/// The selected applet.
pub(super) struct Applet<'t, 's> {
    terminal: &'t mut Terminal<'s>,
    /// Class byte of commands.
    pub(super) class: u8,
}

impl<'t, 's> Applet<'t, 's> {
    pub(super) fn new(terminal: &'t mut Terminal<'s>) -> Self {
        Self { terminal, class: 0x00 }
    }

    /// The class bytes that GET DATA works with; the last one is used from then on.
    pub(super) fn classes(&mut self) -> Result<Vec<u8>, ExploreError> {
        let mut classes = Vec::new();
        for class in [0x00, 0x80] {
            let command = Command::new(class, 0xcb, 0x00, 0x00).with_expected(256);
            if self.terminal.send("GET DATA", command)?.said().is_ok() {
                classes.push(class);
                self.class = class;
            }
        }
        Ok(classes)
    }

    /// Whether a command without Le is answered with `61xx`, or with data at once.
    pub(super) fn announces(&mut self) -> Result<Option<bool>, ExploreError> {
        let answer = self.terminal.send_raw("GET DATA", &[self.class, 0xcb, 0x00, 0x00])?;
        let Answer { data, status } = answer;
        if status.0 >> 8 == 0x61 {
            let get_response = [self.class & 0x03, 0xc0, 0x00, 0x00, status.0 as u8];
            self.terminal.send_raw("GET RESPONSE", &get_response)?;
            return Ok(Some(true));
        }
        Ok((status == StatusWord::OK && !data.is_empty()).then_some(false))
    }

    fn call(
        &mut self,
        name: &'static str,
        instruction: u8,
        (p1, p2): (u8, u8),
        data: &[u8],
    ) -> Result<Said<Vec<u8>>, ExploreError> {
        let command = Command { class: self.class, instruction, p1, p2, data, expected: Some(256) };
        Ok(self.terminal.send(name, command)?.said())
    }

    /// A command that gives no data, sent without Le.
    fn order(
        &mut self,
        name: &'static str,
        instruction: u8,
        (p1, p2): (u8, u8),
        data: &[u8],
    ) -> Result<Said<()>, ExploreError> {
        let command = Command::new(self.class, instruction, p1, p2).with_data(data);
        Ok(self.terminal.send(name, command)?.said().map(drop))
    }

    /// What the applet calls itself: tag 11 of the application information.
    pub(super) fn name(&mut self) -> Result<Option<String>, ExploreError> {
        let said = self.call("GET DATA", 0xcb, (0x00, 0x00), &[])?;
        let Ok(data) = said else { return Ok(None) };
        let name = tlv::find(&data, 0x11).unwrap_or_default();
        let name: String =
            name.iter().filter(|b| (0x20..0x7f).contains(*b)).map(|b| char::from(*b)).collect();
        Ok((!name.is_empty()).then_some(name))
    }

    /// The object list.
    pub(super) fn objects(&mut self) -> Result<Said<Vec<Object>>, ExploreError> {
        Ok(self.call("GET DATA", 0xcb, (0x01, 0x00), &[])?.map(|list| object::read_list(&list)))
    }

    /// GET RANDOM.
    pub(super) fn random(&mut self, n: u16) -> Result<Said<Vec<u8>>, ExploreError> {
        let command = Command::new(self.class, 0x84, 0x00, 0x00).with_expected(n);
        Ok(self.terminal.send("GET RANDOM", command)?.said())
    }

    /// GENERATE KEY PAIR; gives the public key, X || Y, or `None` where the answer has none.
    pub(super) fn generate(&mut self, key: &Object) -> Result<Said<Option<[u8; 64]>>, ExploreError> {
        let said = self.call("GENERATE KEY PAIR", 0xb9, (0, 0), &named(key))?;
        Ok(said.map(|data| public_key(&data)))
    }

    /// READ PUBLIC KEY.
    pub(super) fn public_key(&mut self, key: &Object) -> Result<Said<Option<[u8; 64]>>, ExploreError> {
        let said = self.call("READ PUBLIC KEY", 0xcd, (0, 0), &named(key))?;
        Ok(said.map(|data| public_key(&data)))
    }

    /// Opens and closes signature session `number`; says whether the applet takes it.
    pub(super) fn takes_session(&mut self, key: &Object, number: u8) -> Result<bool, ExploreError> {
        let opened = self.order("COMPUTE SIGNATURE INIT", 0x2a, (0, number), &parameters(key, 0x03))?;
        if opened.is_ok() {
            // IoT.05 has an empty close; what a card says to it does not matter here.
            let _ = self.order("COMPUTE SIGNATURE INIT", 0x2a, (1, number), &[])?;
        }
        Ok(opened.is_ok())
    }

    /// COMPUTE SIGNATURE INIT and UPDATE in session 0. `None` where the answer is no signature.
    pub(super) fn sign(
        &mut self,
        key: &Object,
        mode: u8,
        data: &[u8],
    ) -> Result<Said<Option<Signed>>, ExploreError> {
        let opened = self.order("COMPUTE SIGNATURE INIT", 0x2a, (0, 0), &parameters(key, mode))?;
        if let Err(status) = opened {
            return Ok(Err(status));
        }
        let said = self.call("COMPUTE SIGNATURE UPDATE", 0x2b, (0x80, 0), data)?;
        Ok(said.map(|answer| signed(&answer)))
    }

    /// VERIFY SIGNATURE INIT and UPDATE in session 0, over a hash.
    pub(super) fn verify(
        &mut self,
        key: &Object,
        digest: &[u8],
        signature: &[u8; 64],
    ) -> Result<Said<()>, ExploreError> {
        let opened = self.order("VERIFY SIGNATURE INIT", 0x2c, (0, 0), &parameters(key, 0x03))?;
        if opened.is_err() {
            return Ok(opened);
        }
        let length: &[u8] = if self.class & 0x80 != 0 { &[0x00, 0x40] } else { &[0x40] };
        let data = [&[0x9e, 0x20][..], digest, &[0x33], length, signature].concat();
        self.order("VERIFY SIGNATURE UPDATE", 0x2d, (0x80, 0), &data)
    }

    /// PUT PUBLIC KEY INIT and UPDATE in session 0.
    pub(super) fn put_public_key(
        &mut self,
        container: &Object,
        public: &[u8; 64],
    ) -> Result<Said<()>, ExploreError> {
        let opened = self.order("PUT PUBLIC KEY INIT", 0x24, (0, 0), &named(container))?;
        if opened.is_err() {
            return Ok(opened);
        }
        let data = [&[0x34, 0x45, 0x49, 0x43, 0x86, 0x41, 0x04][..], public].concat();
        self.order("PUT PUBLIC KEY UPDATE", 0xd8, (0x80, 0), &data)
    }

    /// COMPUTE DH: the shared secret.
    pub(super) fn agree(&mut self, own: &Object, peer: &Object) -> Result<Said<Vec<u8>>, ExploreError> {
        self.call("COMPUTE DH", 0x46, (0, 0), &[named(own), named(peer)].concat())
    }

    /// READ FILE, all of it.
    pub(super) fn read_file(&mut self, file: &Object) -> Result<Said<Vec<u8>>, ExploreError> {
        let size = file.size.min(FILE_MAX);
        let mut content = Vec::new();
        while content.len() < size {
            let [p1, p2] = (content.len() as u16).to_be_bytes();
            let expected = (size - content.len()).min(CHUNK) as u16;
            let name = named(file);
            let command = Command::new(self.class, 0xb0, p1, p2).with_data(&name).with_expected(expected);
            match self.terminal.send("READ FILE", command)?.said() {
                Ok(part) if part.is_empty() => break,
                Ok(part) => content.extend_from_slice(&part),
                Err(status) => return Ok(Err(status)),
            }
        }
        Ok(Ok(content))
    }

    /// Whether the applet knows an instruction: it refuses one without data for another reason.
    pub(super) fn knows(&mut self, name: &'static str, instruction: u8) -> Result<bool, ExploreError> {
        let said = self.call(name, instruction, (0, 0), &[])?;
        Ok(said != Err(StatusWord::INSTRUCTION_NOT_SUPPORTED))
    }
}

/// The data object that names `object`: by identifier, or by label where it has none.
fn named(object: &Object) -> Vec<u8> {
    let (id, label) = object::tags(object.kind);
    let mut out = Vec::new();
    match &object.id[..] {
        [] => tlv::push(&mut out, label, &short(object.label.as_bytes())),
        bytes => tlv::push(&mut out, id, &short(bytes)),
    }
    out
}

/// At most 60 bytes: names are shorter, and two of them go into one command.
fn short(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take(60).collect()
}

/// Key, mode of operation, SHA-256 and ECDSA.
fn parameters(key: &Object, mode: u8) -> Vec<u8> {
    [&named(key)[..], &[0xa1, 1, mode, 0x91, 2, 0x00, 0x01, 0x92, 1, 0x04]].concat()
}

/// X || Y out of public key data, `34 .. 49 .. 86 41 04 X Y`, which other objects may precede.
fn public_key(data: &[u8]) -> Option<[u8; 64]> {
    let key = tlv::find(data, 0x34).and_then(|key| tlv::find(key, 0x49));
    let point = key.and_then(|key| tlv::find(key, 0x86)).ok()?;
    point.strip_prefix(&[0x04])?.try_into().ok()
}

/// `33` with a length of one byte or two.
fn signed(answer: &[u8]) -> Option<Signed> {
    let (value, length_bytes) = match answer {
        [0x33, 0x40, value @ ..] => (value, 1),
        [0x33, 0x00, 0x40, value @ ..] => (value, 2),
        _ => return None,
    };
    Some(Signed { signature: value.try_into().ok()?, length_bytes })
}

/// The public half that belongs to a private key: by identifier or by label.
pub(super) fn public_half<'o>(objects: &'o [Object], private: &Object) -> Option<&'o Object> {
    let mut public = objects.iter().filter(|o| o.kind == Kind::PublicKey);
    let same = |o: &&Object| {
        (!o.id.is_empty() && o.id == private.id) || (!o.label.is_empty() && o.label == private.label)
    };
    public.find(same)
}
