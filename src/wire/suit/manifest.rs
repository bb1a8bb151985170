//! The manifest inside an envelope (draft-ietf-suit-manifest-37 clause 8.4).

use std::collections::BTreeMap;

use super::super::cbor::Value;
use super::command::{self, Kind, Sequence};
use super::{SuitError, digest, digest_of, form, item, read_digest, shown, wrapped};

/// The most components that a manifest may name.
const COMPONENTS_MAX: usize = 16;
/// The key of the text, an element for people.
pub(super) const TEXT: i64 = 23;

/// The name of a component: a path of byte strings.
pub type ComponentId = Vec<Vec<u8>>;

/// A sequence of commands by when it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Whether what is installed is as it should be; at each start.
    Validate = 7,
    /// What is to be done before it is started.
    Load = 8,
    /// Starting it.
    Invoke = 9,
    /// Fetching what is to be installed.
    PayloadFetch = 16,
    /// Installing it.
    Install = 20,
}

impl Section {
    const ALL: [Self; 5] = [Self::Validate, Self::Load, Self::Invoke, Self::PayloadFetch, Self::Install];

    /// How it is called in the draft.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Load => "load",
            Self::Invoke => "invoke",
            Self::PayloadFetch => "payload-fetch",
            Self::Install => "install",
        }
    }

    /// Whether it may stand beside the manifest, with its digest in the manifest.
    pub fn is_severable(self) -> bool {
        matches!(self, Self::PayloadFetch | Self::Install)
    }

    fn of(key: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|section| *section as i64 == key)
    }
}

/// An element that stands in the manifest or beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Severable<T> {
    /// It stands in the manifest.
    Inside(T),
    /// It stands beside the manifest, which has its digest.
    Beside(T),
    /// It was cut off; the digest is all that is left.
    CutOff([u8; 32]),
}

impl<T> Severable<T> {
    /// What it says, unless it was cut off.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Inside(element) | Self::Beside(element) => Some(element),
            Self::CutOff(_) => None,
        }
    }
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The higher number is the newer manifest.
    pub sequence: u64,
    /// What it is about, by index.
    pub components: Vec<ComponentId>,
    /// What comes before each section.
    pub shared: Sequence,
    /// Where the whole of the manifest is, where parts of it were cut off.
    pub reference_uri: Option<String>,
    /// What is to be done, by when.
    pub sections: BTreeMap<Section, Severable<Sequence>>,
    /// What it says to people, a map by language.
    pub text: Option<Severable<Value>>,
}

impl Manifest {
    /// The commands of `section`.
    pub fn section(&self, section: Section) -> Option<&Severable<Sequence>> {
        self.sections.get(&section)
    }

    /// The manifest alone, without what stands beside it.
    pub fn encode(&self) -> Vec<u8> {
        let components = self
            .components
            .iter()
            .map(|id| Value::Array(id.iter().map(|part| Value::Bytes(part.clone())).collect()));
        let mut common = vec![(Value::int(2), Value::Array(components.collect()))];
        if !self.shared.is_empty() {
            common.push((Value::int(4), wrapped(&command::encode(&self.shared))));
        }
        let mut pairs = vec![
            (Value::int(1), Value::int(1)),
            (Value::int(2), Value::Unsigned(self.sequence)),
            (Value::int(3), wrapped(&Value::Map(common))),
        ];
        if let Some(uri) = &self.reference_uri {
            pairs.push((Value::int(4), Value::text(uri)));
        }
        for (section, severable) in &self.sections {
            pairs.push((
                Value::int(*section as i64),
                severed(severable, |commands| command::encode(commands)),
            ));
        }
        if let Some(text) = &self.text {
            pairs.push((Value::int(TEXT), severed(text, Value::clone)));
        }
        Value::Map(pairs).encode()
    }

    /// What stands beside it, by key.
    pub(super) fn beside(&self) -> BTreeMap<i64, Vec<u8>> {
        let sections = self.sections.iter().filter_map(|(section, severable)| match severable {
            Severable::Beside(commands) => Some((*section as i64, command::encode(commands).encode())),
            _ => None,
        });
        let text = match &self.text {
            Some(Severable::Beside(text)) => Some((TEXT, text.encode())),
            _ => None,
        };
        sections.chain(text).collect()
    }

    /// Reads a manifest with what stands `beside` it.
    pub(super) fn decode(bytes: &[u8], beside: &BTreeMap<i64, Vec<u8>>) -> Result<Self, SuitError> {
        const PLACE: &str = "manifest";
        let Value::Map(pairs) = item(PLACE, bytes)? else { return Err(form(PLACE, "a map")) };
        let (mut version, mut sequence, mut common, mut reference_uri) = (None, None, None, None);
        let (mut sections, mut text) = (BTreeMap::new(), None);
        let mut referenced = Vec::new();
        for (key, value) in &pairs {
            let number = key.as_unsigned().and_then(|key| i64::try_from(key).ok());
            match number {
                Some(1) => version = Some(value.as_unsigned().ok_or_else(|| form(PLACE, "a version"))?),
                Some(2) => {
                    sequence = Some(value.as_unsigned().ok_or_else(|| form(PLACE, "a sequence number"))?);
                }
                Some(3) => common = Some(read_common(value)?),
                Some(4) => {
                    let uri = value.as_text().ok_or_else(|| form(PLACE, "a reference URI"))?;
                    reference_uri = Some(uri.to_owned());
                }
                Some(TEXT) => {
                    let read = |bytes: &[u8]| match item("text", bytes)? {
                        map @ Value::Map(_) => Ok(map),
                        _ => Err(form("text", "a map by language")),
                    };
                    text = Some(severable("text", TEXT, value, beside, &mut referenced, read)?);
                }
                _ => {
                    let Some((number, section)) = number.and_then(|key| Some((key, Section::of(key)?)))
                    else {
                        return Err(SuitError::Key { place: PLACE, key: shown(key) });
                    };
                    let place = section.name();
                    let read = |bytes: &[u8]| command::read(place, Kind::Section, bytes, 0);
                    let one = match (section.is_severable(), value) {
                        (true, _) => severable(place, number, value, beside, &mut referenced, read)?,
                        (false, Value::Bytes(bytes)) => Severable::Inside(read(bytes)?),
                        (false, _) => return Err(form(place, "a sequence in a byte string")),
                    };
                    sections.insert(section, one);
                }
            }
        }
        match version {
            Some(1) => {}
            Some(found) => return Err(SuitError::Version { found }),
            None => return Err(form(PLACE, "a version")),
        }
        if let Some(key) = beside.keys().find(|key| !referenced.contains(key)) {
            let place = Section::of(*key).map_or("text", Section::name);
            return Err(SuitError::Unreferenced { place });
        }
        let sequence = sequence.ok_or_else(|| form(PLACE, "a sequence number"))?;
        let (components, shared) = common.ok_or_else(|| form(PLACE, "the common part"))?;
        Ok(Self { sequence, components, shared, reference_uri, sections, text })
    }
}

fn severed<T>(element: &Severable<T>, encode: impl Fn(&T) -> Value) -> Value {
    match element {
        Severable::Inside(element) => wrapped(&encode(element)),
        Severable::Beside(element) => digest(&digest_of(&encode(element).encode())),
        Severable::CutOff(octets) => digest(octets),
    }
}

/// An element that stands in the manifest, or whose digest does.
fn severable<T>(
    place: &'static str,
    key: i64,
    value: &Value,
    beside: &BTreeMap<i64, Vec<u8>>,
    referenced: &mut Vec<i64>,
    read: impl Fn(&[u8]) -> Result<T, SuitError>,
) -> Result<Severable<T>, SuitError> {
    if let Value::Bytes(bytes) = value {
        return Ok(Severable::Inside(read(bytes)?));
    }
    let octets = read_digest(place, value)?;
    referenced.push(key);
    match beside.get(&key) {
        None => Ok(Severable::CutOff(octets)),
        Some(bytes) if digest_of(bytes) == octets => Ok(Severable::Beside(read(bytes)?)),
        Some(_) => Err(SuitError::Severed { place }),
    }
}

fn read_common(value: &Value) -> Result<(Vec<ComponentId>, Sequence), SuitError> {
    const PLACE: &str = "common";
    let bytes = value.as_bytes().ok_or_else(|| form(PLACE, "a map in a byte string"))?;
    let Value::Map(pairs) = item(PLACE, bytes)? else { return Err(form(PLACE, "a map")) };
    let (mut components, mut shared) = (Vec::new(), Sequence::new());
    for (key, value) in &pairs {
        match key {
            Value::Unsigned(2) => components = read_components(value)?,
            Value::Unsigned(4) => {
                let bytes = value.as_bytes().ok_or_else(|| form("shared", "a sequence in a byte string"))?;
                shared = command::read("shared", Kind::Shared, bytes, 0)?;
            }
            other => return Err(SuitError::Key { place: PLACE, key: shown(other) }),
        }
    }
    if components.is_empty() {
        return Err(form(PLACE, "at least one component"));
    }
    Ok((components, shared))
}

fn read_components(value: &Value) -> Result<Vec<ComponentId>, SuitError> {
    let wrong = || form("components", "1 to 16 paths of byte strings");
    let ids = value.as_array().filter(|ids| (1..=COMPONENTS_MAX).contains(&ids.len())).ok_or_else(wrong)?;
    let part = |part: &Value| part.as_bytes().map(<[u8]>::to_vec).ok_or_else(wrong);
    let id = |id: &Value| id.as_array().ok_or_else(wrong)?.iter().map(part).collect();
    ids.iter().map(id).collect()
}
