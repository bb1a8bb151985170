//! The IoT SAFE applet (GSMA IoT.04, IoT.05): P-256 keys that never leave the card, ECDSA signatures with
//! RFC 6979 nonces, random numbers, and files for certificates.
//!
//! IoT.05 leaves the writing of files to remote administration. A device that enrols itself has to store its
//! certificate, so this applet has one command more, **UPDATE FILE**: INS `D6`, offset in P1-P2 and data
//! `83 LV(file) 53 LV(bytes)`, the mirror image of READ FILE (`B0`). The parts of a certificate are kept aside until it
//! is whole; the file holds what it held until then, and takes no certificate but one of the key of this applet.

mod agreement;
mod compress;
mod derivation;
mod file;
mod objects;
mod remote;
mod signature;

use std::collections::BTreeMap;

use p256::ecdsa::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

#[cfg(test)]
pub(super) use self::compress::tests::state_behind;

use self::agreement::Import;
use self::file::Incoming;
use self::objects::{File, Key, STORE, Secret, Store};
use self::signature::Sessions;
use super::state::{APPLET_FILE, APPLET_KEY, GENERATION, Stored, Writer, damaged, exactly};
use super::{CardError, CardOp, OnOp, Reply};
use crate::kernel::RngTree;
use crate::wire::{Command, StatusWord, tlv};

pub use self::objects::{
    CERTIFICATE_FILE, DEVICE_KEY, EPHEMERAL_KEY, PEER_KEY, PRE_SHARED_KEY, TRUST_ANCHOR_FILE,
};

/// Application identifier that GSMA IoT.05 gives the applet.
pub const AID_GSMA: [u8; 7] = [0xa0, 0x00, 0x00, 0x05, 0x59, 0x00, 0x10];
/// Application identifier that the Thales middleware selects.
pub const AID_THALES: [u8; 15] =
    [0xa0, 0, 0, 0, 0x30, 0x53, 0xf1, 0x24, 0x01, 0x77, 0x01, 0x01, 0x49, 0x53, 0x41];
/// Application identifier that the CIRA middleware selects.
pub const AID_CIRA: [u8; 7] = [0xa0, 0x00, 0x00, 0x02, 0x48, 0x04, 0x00];

/// The data object that tells how many keys were made in a container, eight bytes: ours, in the range that ISO/IEC 7816-4
/// leaves to applications. It is what GET DATA with this tag in P1 and P2 gives, as clause 7.4.3 there has it; what IoT.05
/// defines is not touched.
pub const KEYS_MADE: u16 = 0xdf20;

/// The streams of randomness that the applet draws from.
const KEY_STREAM: &str = "iot-safe/keys";
const RANDOM_STREAM: &str = "iot-safe/random";

/// What a key container holds.
#[derive(Default)]
struct Content {
    private: Option<Box<SigningKey>>,
    /// X and Y.
    public: Option<Box<[u8; 64]>>,
    /// How often the card has made a key here. It only rises.
    generation: u64,
}

/// The applet with its store.
pub(super) struct Applet {
    store: &'static Store,
    keys: Vec<Content>,
    files: Vec<Vec<u8>>,
    /// As personalised; no command reads or writes them.
    secrets: Vec<Option<Box<[u8; 32]>>>,
    sessions: Sessions,
    /// Public keys on their way in, by channel.
    imports: BTreeMap<usize, Import>,
    /// Certificates on their way in, by channel.
    incoming: BTreeMap<usize, Incoming>,
    key_stream: Box<ChaCha20Rng>,
    random_stream: Box<ChaCha20Rng>,
    on_op: Option<OnOp>,
    /// How often something has changed that outlives the power.
    changes: u64,
    /// Whether a script over the air has changed something of which the device has not been told.
    remotely_changed: bool,
}

impl Applet {
    /// The applet as delivered: no key pairs, an empty certificate file, the trust anchor, and the pre-shared
    /// key if there is one.
    pub(super) fn new(
        rng: &RngTree,
        trust_anchor: &[u8],
        pre_shared_key: Option<[u8; 32]>,
    ) -> Result<Self, CardError> {
        let mut applet = Self::with_store(rng, &STORE);
        for (spec, secret) in STORE.secrets.iter().zip(&mut applet.secrets) {
            if spec.id == PRE_SHARED_KEY {
                *secret = pre_shared_key.map(Box::new);
            }
        }
        for (spec, content) in STORE.files.iter().zip(&mut applet.files) {
            if spec.id == TRUST_ANCHOR_FILE {
                if trust_anchor.len() > spec.capacity {
                    return Err(CardError::TrustAnchor { bytes: trust_anchor.len(), max: spec.capacity });
                }
                *content = trust_anchor.to_vec();
            }
        }
        Ok(applet)
    }

    fn with_store(rng: &RngTree, store: &'static Store) -> Self {
        Self {
            store,
            keys: store.keys.iter().map(|_| Content::default()).collect(),
            files: vec![Vec::new(); store.files.len()],
            secrets: vec![None; store.secrets.len()],
            sessions: Sessions::default(),
            imports: BTreeMap::new(),
            incoming: BTreeMap::new(),
            key_stream: Box::new(rng.stream(KEY_STREAM)),
            random_stream: Box::new(rng.stream(RANDOM_STREAM)),
            on_op: None,
            changes: 0,
            remotely_changed: false,
        }
    }

    pub(super) fn set_tally(&mut self, on_op: OnOp) {
        self.on_op = Some(on_op);
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn private_scalars(&self) -> Vec<Vec<u8>> {
        let scalars = self.keys.iter().filter_map(|k| k.private.as_ref()).map(|k| k.to_bytes().to_vec());
        scalars.chain(self.secrets.iter().flatten().map(|secret| secret.to_vec())).collect()
    }

    fn tally(&self, op: CardOp) {
        if let Some(on_op) = &self.on_op {
            on_op(op);
        }
    }

    /// Ends what was begun on `channel`.
    pub(super) fn end_sessions(&mut self, channel: usize) {
        self.sessions.end_all_of(channel);
        self.imports.remove(&channel);
        self.incoming.remove(&channel);
    }

    /// Forgets sessions and volatile keys.
    pub(super) fn reset(&mut self) {
        self.sessions = Sessions::default();
        self.imports.clear();
        self.incoming.clear();
        self.remotely_changed = false;
        for (spec, content) in self.store.keys.iter().zip(&mut self.keys) {
            if spec.volatile {
                (content.private, content.public) = (None, None);
            }
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Writes down all but volatile keys and sessions.
    pub(super) fn save(&self, out: &mut Writer) {
        for (spec, content) in self.store.keys.iter().zip(&self.keys).filter(|(_, key)| key.generation > 0) {
            out.put_parts(GENERATION, &[&[spec.id], &content.generation.to_be_bytes()]);
        }
        for (spec, content) in self.store.keys.iter().zip(&self.keys).filter(|(spec, _)| !spec.volatile) {
            let private = content.private.as_ref().map(|key| key.to_bytes());
            let private = private.as_ref().map_or(&[][..], |scalar| &scalar[..]);
            let public = content.public.as_ref().map_or(&[][..], |public| &public[..]);
            if !public.is_empty() {
                out.put_parts(APPLET_KEY, &[&[spec.id], private, public]);
            }
        }
        for (spec, content) in self.store.files.iter().zip(&self.files) {
            out.put_parts(APPLET_FILE, &[&[spec.id], content]);
        }
        out.put_stream(KEY_STREAM, &self.key_stream);
        out.put_stream(RANDOM_STREAM, &self.random_stream);
    }

    /// What the applet holds according to `stored`, for [`assume`](Self::assume).
    pub(super) fn restored(&self, stored: Stored<'_>) -> Result<Restored, CardError> {
        let keys = self.store.keys.iter().map(|_| Content::default()).collect();
        let streams = (self.key_stream.clone(), self.random_stream.clone());
        let mut restored = Restored { keys, files: self.files.clone(), streams };
        for parts in stored.all_parts::<3>(APPLET_KEY) {
            let [id, private, public] = parts?;
            let at = self.store.keys.iter().position(|key| id == [key.id] && !key.volatile);
            let at = at.ok_or(damaged("it has a key that this applet does not know"))?;
            restored.keys[at] = stored_key(private, public, self.store.keys[at].private)?;
        }
        for parts in stored.all_parts::<2>(GENERATION) {
            let [id, generation] = parts?;
            let at = self.store.keys.iter().position(|key| id == [key.id] && key.private);
            let at = at.ok_or(damaged("it counts the keys of a container that this applet does not know"))?;
            restored.keys[at].generation = u64::from_be_bytes(exactly(generation)?);
        }
        for (key, now) in restored.keys.iter_mut().zip(&self.keys) {
            // A key without a count is of a state that knew none; and no older state takes the count back.
            let made = u64::from(key.private.is_some());
            key.generation = key.generation.max(made).max(now.generation);
        }
        for parts in stored.all_parts::<2>(APPLET_FILE) {
            let [id, content] = parts?;
            let at = self.store.files.iter().position(|file| id == [file.id]);
            let at = at.filter(|at| content.len() <= self.store.files[*at].capacity);
            let at = at.ok_or(damaged("it has a file that this applet cannot hold"))?;
            restored.files[at] = content.to_vec();
        }
        stored.forward(KEY_STREAM, &mut restored.streams.0)?;
        stored.forward(RANDOM_STREAM, &mut restored.streams.1)?;
        Ok(restored)
    }

    /// Holds what was restored, as after a reset.
    pub(super) fn assume(&mut self, restored: Restored) {
        self.reset();
        self.keys = restored.keys;
        self.files = restored.files;
        (self.key_stream, self.random_stream) = restored.streams;
    }

    /// Does one command. Class bytes `0x` and `8x` mean the same, but for the form of a signature's length.
    pub(super) fn handle(&mut self, channel: usize, c: &Command<'_>) -> Reply {
        match c.instruction {
            0x84 => self.random(c),
            0xb9 => self.generate_key_pair(c),
            0xcd => self.read_public_key(c),
            0x24 => self.put_public_key_init(channel, c),
            0xd8 => self.put_public_key_update(channel, c),
            0x46 => self.compute_dh(c),
            0x48 => self.compute_prf(c),
            0x4a => self.compute_hkdf(c),
            0x2a => self.signature_init(channel, c, signature::Purpose::Sign),
            0x2b => self.compute_signature_update(channel, c),
            0x2c => self.signature_init(channel, c, signature::Purpose::Verify),
            0x2d => self.verify_signature_update(channel, c),
            0xcb => self.get_data(c),
            0xb0 => self.read_file(c),
            0xd6 => self.update_file(channel, c),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    /// GET RANDOM: as many bytes as Le says.
    fn random(&mut self, c: &Command<'_>) -> Reply {
        no_parameters(c)?;
        let mut out = vec![0; usize::from(c.expected.ok_or(StatusWord::WRONG_LENGTH)?)];
        self.random_stream.fill_bytes(&mut out);
        self.changes += 1;
        Ok(out)
    }

    /// GENERATE KEY PAIR: a new pair where the key's functions permit it; gives both identifiers and the
    /// public key.
    fn generate_key_pair(&mut self, c: &Command<'_>) -> Reply {
        no_parameters(c)?;
        let (at, spec) = self.private_key(c.data)?;
        if spec.functions & objects::KEY_GENERATION == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let generation =
            self.keys[at].generation.checked_add(1).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let private = SigningKey::random(&mut *self.key_stream);
        let point = private.verifying_key().to_encoded_point(false);
        let mut public = [0; 64];
        public.copy_from_slice(&point.as_bytes()[1..]);
        self.tally(CardOp::KeyGen);
        self.changes += 1;
        // A session that was opened with the old key must not go on with the new one.
        self.sessions.end_all_with(at);
        self.keys[at] =
            Content { private: Some(Box::new(private)), public: Some(Box::new(public)), generation };
        let mut out = Vec::with_capacity(77);
        tlv::push(&mut out, 0x84, &[spec.id]);
        tlv::push(&mut out, 0x85, &[spec.id]);
        out.extend_from_slice(&public_key_data(&public));
        Ok(out)
    }

    /// READ PUBLIC KEY.
    fn read_public_key(&mut self, c: &Command<'_>) -> Reply {
        no_parameters(c)?;
        let (at, spec) = self.public_key(c.data)?;
        if spec.public_access & objects::READ == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let public = self.keys[at].public.as_ref().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        Ok(public_key_data(public))
    }

    /// GET DATA: on the application, on all objects, or on one.
    fn get_data(&self, c: &Command<'_>) -> Reply {
        if [c.p1, c.p2] == KEYS_MADE.to_be_bytes() {
            let (at, _) = self.private_key(c.data)?;
            let mut told = Vec::with_capacity(11);
            tlv::push(&mut told, KEYS_MADE, &self.keys[at].generation.to_be_bytes());
            return Ok(told);
        }
        if c.p2 != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        match c.p1 {
            0x00 => Ok(objects::application(self.store)),
            0x01 => Ok(self.object_list()),
            0xc1 => self.private_key(c.data).map(|(at, key)| self.private_information(at, key)),
            0xc2 => self.public_key(c.data).map(|(at, key)| self.public_information(at, key)),
            0xc3 => self.file(c.data).map(|(at, file)| objects::file(file, self.files[at].len())),
            0xc4 => self.secret(c.data).map(|(at, s)| objects::secret(s, self.secrets[at].is_some())),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    fn object_list(&self) -> Vec<u8> {
        let keys = || self.store.keys.iter().enumerate();
        let private = keys().filter(|(_, k)| k.private).map(|(at, key)| self.private_information(at, key));
        let public = keys().map(|(at, key)| self.public_information(at, key));
        let files =
            self.store.files.iter().zip(&self.files).map(|(f, content)| objects::file(f, content.len()));
        let secrets =
            self.store.secrets.iter().zip(&self.secrets).map(|(s, held)| objects::secret(s, held.is_some()));
        private.chain(public).chain(files).chain(secrets).flatten().collect()
    }

    fn private_information(&self, at: usize, key: &Key) -> Vec<u8> {
        objects::private_key(key, self.keys[at].private.is_some())
    }

    fn public_information(&self, at: usize, key: &Key) -> Vec<u8> {
        objects::public_key(key, self.keys[at].public.is_some())
    }

    /// READ FILE from the offset in P1-P2 on: as much as Le and the file allow.
    fn read_file(&self, c: &Command<'_>) -> Reply {
        let (at, spec) = self.file(c.data)?;
        if spec.access & objects::READ == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let rest = self.files[at].get(offset(c)..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(StatusWord::WRONG_OFFSET)?;
        let length = rest.len().min(usize::from(c.expected.unwrap_or(256)));
        Ok(rest[..length].to_vec())
    }

    fn private_key(&self, data: &[u8]) -> Result<(usize, &'static Key), StatusWord> {
        let found = named(data, 0x84, 0x74, self.store.keys, |k| (k.id, k.label))?;
        if found.1.private { Ok(found) } else { Err(StatusWord::NOT_FOUND) }
    }

    fn public_key(&self, data: &[u8]) -> Result<(usize, &'static Key), StatusWord> {
        named(data, 0x85, 0x75, self.store.keys, |k| (k.id, k.label))
    }

    fn secret(&self, data: &[u8]) -> Result<(usize, &'static Secret), StatusWord> {
        named(data, 0x86, 0x76, self.store.secrets, |s| (s.id, s.label))
    }

    fn file(&self, data: &[u8]) -> Result<(usize, &'static File), StatusWord> {
        named(data, 0x83, 0x73, self.store.files, |f| (f.id, f.label))
    }
}

/// What the applet takes over from a stored state.
pub(super) struct Restored {
    keys: Vec<Content>,
    files: Vec<Vec<u8>>,
    /// For keys and for random numbers.
    streams: (Box<ChaCha20Rng>, Box<ChaCha20Rng>),
}

/// The key of a stored state: its halves must belong together.
fn stored_key(private: &[u8], public: &[u8], has_private: bool) -> Result<Content, CardError> {
    let public: [u8; 64] = exactly(public)?;
    if !has_private {
        return Ok(Content { private: None, public: Some(Box::new(public)), generation: 0 });
    }
    let key = SigningKey::from_slice(private).map_err(|_| damaged("a private key is none"))?;
    if key.verifying_key().to_encoded_point(false).as_bytes()[1..] != public {
        return Err(damaged("a private key and its public key do not match"));
    }
    Ok(Content { private: Some(Box::new(key)), public: Some(Box::new(public)), generation: 0 })
}

/// The object that `data` names by identifier or by label: one of both, not both.
fn named<T>(
    data: &[u8],
    id_tag: u16,
    label_tag: u16,
    objects: &'static [T],
    name: impl Fn(&T) -> (u8, &'static str),
) -> Result<(usize, &'static T), StatusWord> {
    let matches: &dyn Fn(u8, &str) -> bool = match (tlv::find(data, id_tag), tlv::find(data, label_tag)) {
        (Ok(wanted), Err(_)) => &move |id, _| wanted == [id],
        (Err(_), Ok(wanted)) => &move |_, label| wanted == label.as_bytes(),
        _ => return Err(StatusWord::INCORRECT_DATA),
    };
    let mut all = objects.iter().enumerate();
    all.find(|(_, object)| {
        let (id, label) = name(object);
        matches(id, label)
    })
    .ok_or(StatusWord::NOT_FOUND)
}

fn no_parameters(c: &Command<'_>) -> Result<(), StatusWord> {
    if (c.p1, c.p2) == (0, 0) { Ok(()) } else { Err(StatusWord::INCORRECT_P1_P2) }
}

fn offset(c: &Command<'_>) -> usize {
    usize::from(u16::from_be_bytes([c.p1, c.p2]))
}

/// Public key data, `34 45 49 43 86 41 04 X Y`.
fn public_key_data(public: &[u8; 64]) -> Vec<u8> {
    [&[0x34, 0x45, 0x49, 0x43, 0x86, 0x41, 0x04][..], public].concat()
}
