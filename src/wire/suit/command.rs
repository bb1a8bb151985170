//! Commands of a manifest, and the parameters that they work on (draft-ietf-suit-manifest-37 clause 8.4.8).

use super::super::cbor::Value;
use super::{SuitError, digest, form, item, read_digest, shown, wrapped};

/// How deep sequences may stand in each other: a manifest for two slots needs one.
pub(super) const DEPTH_MAX: usize = 4;
/// The reporting bits that there are (clause 8.4.7).
const REPORTING_MAX: u64 = 0b1111;

/// Commands in their order.
pub type Sequence = Vec<Command>;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Something that must be so.
    Condition {
        /// What.
        what: Condition,
        /// When the result is to be reported, as bits (clause 8.4.7).
        reporting: u8,
    },
    /// Something to be done.
    Directive(Directive),
}

/// Something that must be so (clause 8.4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The vendor of the component is the one of the parameter.
    VendorIdentifier = 1,
    /// Its class is the one of the parameter.
    ClassIdentifier = 2,
    /// What is in the component has the digest of the parameter.
    ImageMatch = 3,
    /// The slot that is written to is the one of the parameter.
    ComponentSlot = 5,
    /// What is in the component is the content of the parameter.
    CheckContent = 6,
    /// Nothing: it always fails.
    Abort = 14,
    /// The device is the one of the parameter.
    DeviceIdentifier = 24,
}

impl Condition {
    const ALL: [Self; 7] = [
        Self::VendorIdentifier,
        Self::ClassIdentifier,
        Self::ImageMatch,
        Self::ComponentSlot,
        Self::CheckContent,
        Self::Abort,
        Self::DeviceIdentifier,
    ];
}

/// Something to be done (clause 8.4.10). Those with a number as their field have reporting bits as their argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// What follows is about this component.
    SetComponentIndex(Index),
    /// The first of these that does not fail; where `may_fail` it does not matter whether one does.
    TryEach {
        /// At least two.
        sequences: Vec<Sequence>,
        /// Whether nil stands behind them.
        may_fail: bool,
    },
    /// The content of the parameter is written into the component.
    Write(u8),
    /// Parameters get these values.
    OverrideParameters(Vec<Parameter>),
    /// What the URI leads to is written into the component.
    Fetch(u8),
    /// The source component is copied into this one.
    Copy(u8),
    /// The component is started.
    Invoke(u8),
    /// The source component and this one change places.
    Swap(u8),
    /// These commands.
    RunSequence(Sequence),
}

/// Which components a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// The one of this number, from 0.
    One(u64),
    /// Each of them, one after the other.
    All,
}

/// A parameter with its value (clause 8.4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A UUID.
    VendorIdentifier([u8; 16]),
    /// A UUID.
    ClassIdentifier([u8; 16]),
    /// SHA-256 of the image.
    ImageDigest([u8; 32]),
    /// Number of the slot.
    ComponentSlot(u64),
    /// Whether commands have to be done in their order.
    StrictOrder(bool),
    /// Whether a condition that fails ends its sequence alone.
    SoftFailure(bool),
    /// Size of the image, in bytes.
    ImageSize(u64),
    /// An image that is small enough to stand here.
    Content(Vec<u8>),
    /// Where the image is.
    Uri(String),
    /// Index of the component that is copied.
    SourceComponent(u64),
    /// What the image is given when it is started.
    InvokeArguments(Vec<u8>),
    /// A UUID.
    DeviceIdentifier([u8; 16]),
    /// What whoever fetches is given.
    FetchArguments(Vec<u8>),
}

impl Parameter {
    fn pair(&self) -> (Value, Value) {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let (key, value) = match self {
            Self::VendorIdentifier(id) => (1, bytes(id)),
            Self::ClassIdentifier(id) => (2, bytes(id)),
            Self::ImageDigest(octets) => (3, wrapped(&digest(octets))),
            Self::ComponentSlot(slot) => (5, Value::Unsigned(*slot)),
            Self::StrictOrder(is) => (12, Value::Bool(*is)),
            Self::SoftFailure(is) => (13, Value::Bool(*is)),
            Self::ImageSize(size) => (14, Value::Unsigned(*size)),
            Self::Content(content) => (18, bytes(content)),
            Self::Uri(uri) => (21, Value::text(uri)),
            Self::SourceComponent(index) => (22, Value::Unsigned(*index)),
            Self::InvokeArguments(arguments) => (23, bytes(arguments)),
            Self::DeviceIdentifier(id) => (24, bytes(id)),
            Self::FetchArguments(arguments) => (25, bytes(arguments)),
        };
        (Value::int(key), value)
    }

    fn read(place: &'static str, key: &Value, value: &Value) -> Result<Self, SuitError> {
        let uuid = || match value {
            Value::Bytes(octets) => {
                octets.as_slice().try_into().map_err(|_| form(place, "a UUID of 16 bytes"))
            }
            _ => Err(form(place, "a UUID of 16 bytes")),
        };
        let unsigned = || value.as_unsigned().ok_or_else(|| form(place, "a number"));
        let bytes = || value.as_bytes().map(<[u8]>::to_vec).ok_or_else(|| form(place, "a byte string"));
        let boolean = || match value {
            Value::Bool(is) => Ok(*is),
            _ => Err(form(place, "true or false")),
        };
        Ok(match key {
            Value::Unsigned(1) => Self::VendorIdentifier(uuid()?),
            Value::Unsigned(2) => Self::ClassIdentifier(uuid()?),
            Value::Unsigned(3) => Self::ImageDigest(read_digest(place, &item(place, &bytes()?)?)?),
            Value::Unsigned(5) => Self::ComponentSlot(unsigned()?),
            Value::Unsigned(12) => Self::StrictOrder(boolean()?),
            Value::Unsigned(13) => Self::SoftFailure(boolean()?),
            Value::Unsigned(14) => Self::ImageSize(unsigned()?),
            Value::Unsigned(18) => Self::Content(bytes()?),
            Value::Unsigned(21) => Self::Uri(value.as_text().ok_or_else(|| form(place, "a URI"))?.to_owned()),
            Value::Unsigned(22) => Self::SourceComponent(unsigned()?),
            Value::Unsigned(23) => Self::InvokeArguments(bytes()?),
            Value::Unsigned(24) => Self::DeviceIdentifier(uuid()?),
            Value::Unsigned(25) => Self::FetchArguments(bytes()?),
            other => return Err(SuitError::Key { place: "parameters", key: shown(other) }),
        })
    }
}

impl Command {
    /// A condition whose result is reported in any case, as the examples of the draft have it.
    pub fn condition(what: Condition) -> Self {
        Self::Condition { what, reporting: REPORTING_MAX as u8 }
    }

    fn pair(&self) -> [Value; 2] {
        let reporting = |bits: &u8| Value::Unsigned((*bits).into());
        let (number, argument) = match self {
            Self::Condition { what, reporting: bits } => (*what as i64, reporting(bits)),
            Self::Directive(directive) => match directive {
                Directive::SetComponentIndex(Index::One(index)) => (12, Value::Unsigned(*index)),
                Directive::SetComponentIndex(Index::All) => (12, Value::Bool(true)),
                Directive::TryEach { sequences, may_fail } => {
                    let sequences = sequences.iter().map(|sequence| wrapped(&encode(sequence)));
                    let nil = may_fail.then_some(Value::Null);
                    (15, Value::Array(sequences.chain(nil).collect()))
                }
                Directive::Write(bits) => (18, reporting(bits)),
                Directive::OverrideParameters(parameters) => {
                    (20, Value::Map(parameters.iter().map(Parameter::pair).collect()))
                }
                Directive::Fetch(bits) => (21, reporting(bits)),
                Directive::Copy(bits) => (22, reporting(bits)),
                Directive::Invoke(bits) => (23, reporting(bits)),
                Directive::Swap(bits) => (31, reporting(bits)),
                Directive::RunSequence(sequence) => (32, wrapped(&encode(sequence))),
            },
        };
        [Value::int(number), argument]
    }
}

/// A sequence as the draft writes it: each command, and its argument behind it.
pub(super) fn encode(sequence: &[Command]) -> Value {
    Value::Array(sequence.iter().flat_map(Command::pair).collect())
}

/// Which commands may stand in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The shared sequence, which prepares the others: conditions, and what chooses or sets parameters.
    Shared,
    /// A section.
    Section,
}

/// Reads a sequence in its byte string.
pub(super) fn read(
    place: &'static str,
    kind: Kind,
    bytes: &[u8],
    depth: usize,
) -> Result<Sequence, SuitError> {
    if depth > DEPTH_MAX {
        return Err(SuitError::Depth { place });
    }
    let value = item(place, bytes)?;
    let items = value.as_array().ok_or_else(|| form(place, "an array of commands"))?;
    let pairs = items.chunks_exact(2);
    if items.is_empty() || !pairs.remainder().is_empty() {
        return Err(SuitError::Pairs { place });
    }
    pairs.map(|pair| command(place, kind, &pair[0], &pair[1], depth)).collect()
}

fn command(
    place: &'static str,
    kind: Kind,
    number: &Value,
    argument: &Value,
    depth: usize,
) -> Result<Command, SuitError> {
    let unknown = || SuitError::Command { place, number: shown(number) };
    let Some(number) = number.as_unsigned().and_then(|number| i64::try_from(number).ok()) else {
        return Err(unknown());
    };
    let reporting = || match argument {
        Value::Unsigned(bits @ 0..=REPORTING_MAX) => Ok(*bits as u8),
        _ => Err(form(place, "reporting bits, 0 to 15")),
    };
    if let Some(what) = Condition::ALL.into_iter().find(|known| *known as i64 == number) {
        return Ok(Command::Condition { what, reporting: reporting()? });
    }
    if kind == Kind::Shared && matches!(number, 18 | 21 | 22 | 23 | 31) {
        return Err(SuitError::Shared { place, number });
    }
    let nested = |value: &Value| {
        let bytes = value.as_bytes().ok_or_else(|| form(place, "a sequence in a byte string"))?;
        read(place, kind, bytes, depth + 1)
    };
    Ok(Command::Directive(match number {
        12 => Directive::SetComponentIndex(match argument {
            Value::Unsigned(index) => Index::One(*index),
            Value::Bool(true) => Index::All,
            _ => return Err(form(place, "the index of one component, or true for all of them")),
        }),
        15 => {
            let items = argument.as_array().ok_or_else(|| form(place, "an array of sequences"))?;
            let (sequences, may_fail) = match items {
                [sequences @ .., Value::Null] => (sequences, true),
                sequences => (sequences, false),
            };
            if sequences.len() < 2 {
                return Err(form(place, "at least two sequences to try"));
            }
            Directive::TryEach {
                sequences: sequences.iter().map(nested).collect::<Result<_, _>>()?,
                may_fail,
            }
        }
        18 => Directive::Write(reporting()?),
        20 => match argument {
            Value::Map(pairs) if !pairs.is_empty() => {
                let parameters = pairs.iter().map(|(key, value)| Parameter::read(place, key, value));
                Directive::OverrideParameters(parameters.collect::<Result<_, _>>()?)
            }
            _ => return Err(form(place, "a map with at least one parameter")),
        },
        21 => Directive::Fetch(reporting()?),
        22 => Directive::Copy(reporting()?),
        23 => Directive::Invoke(reporting()?),
        31 => Directive::Swap(reporting()?),
        32 => Directive::RunSequence(nested(argument)?),
        _ => return Err(unknown()),
    }))
}
