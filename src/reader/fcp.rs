//! File control parameters, as a terminal reads them (ETSI TS 102 221 clause 11.1.1.3).

use std::fmt;

use crate::wire::tlv;

/// The shape of a file (file descriptor byte, clause 11.1.1.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Structure {
    /// MF, DF or ADF.
    Directory,
    /// A row of bytes.
    Transparent,
    /// Records of `record` bytes each, `count` of them.
    LinearFixed { record: u8, count: u8 },
    /// The same, of which the oldest is overwritten.
    Cyclic { record: u8, count: u8 },
    /// Data objects.
    BerTlv,
    /// The descriptor is missing or has a value of none of these.
    Unknown,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::Transparent => f.write_str("transparent"),
            Self::LinearFixed { record, count } => write!(f, "linear fixed {count} x {record}"),
            Self::Cyclic { record, count } => write!(f, "cyclic {count} x {record}"),
            Self::BerTlv => f.write_str("BER-TLV"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Where the access conditions of a file stand (clause 11.1.1.4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum AccessRule {
    /// In a record of an EF.ARR.
    Referenced { arr: u16, record: u8 },
    /// In the file control parameters themselves, compact (tag 8C) or expanded (tag AB).
    Inside,
    /// Nowhere.
    None,
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Referenced { arr, record } => write!(f, "{arr:04X}#{record}"),
            Self::Inside => f.write_str("own"),
            Self::None => f.write_str("-"),
        }
    }
}

/// Whether a PIN has to be verified (clause 9.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinStatus {
    /// Key reference (table 9.3).
    pub reference: u8,
    /// Whether it has to be verified.
    pub enabled: bool,
}

/// What SELECT tells of a file. A parameter that cannot be read counts as missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fcp {
    /// What kind of file it is.
    pub structure: Structure,
    /// File identifier.
    pub id: Option<u16>,
    /// AID of an ADF.
    pub aid: Option<Vec<u8>>,
    /// Bytes of content of an EF.
    pub size: usize,
    /// Short file identifier, 1 to 30.
    pub sfi: Option<u8>,
    /// Where its access rule is.
    pub access: AccessRule,
    /// Whether the file is deactivated or terminated.
    pub usable: bool,
    /// The PINs of a directory.
    pub pins: Vec<PinStatus>,
}

impl Fcp {
    /// Reads the template of tag 62, as far as it can be read.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut fcp = Self {
            structure: Structure::Unknown,
            id: None,
            aid: None,
            size: 0,
            sfi: None,
            access: AccessRule::None,
            usable: true,
            pins: Vec::new(),
        };
        // A template that is cut off still begins with objects that are whole.
        let body = match tlv::header(bytes) {
            Ok((0x62, length, body)) => &body[..length.min(body.len())],
            _ => &[],
        };
        let mut short_id = None;
        for object in tlv::Reader::new(body).map_while(Result::ok) {
            match (object.tag, object.value) {
                (0x82, descriptor) => fcp.structure = structure(descriptor),
                (0x83, &[a, b]) => fcp.id = Some(u16::from_be_bytes([a, b])),
                (0x84, aid) => fcp.aid = Some(aid.to_vec()),
                (0x80, &[.., a, b]) => fcp.size = usize::from(u16::from_be_bytes([a, b])),
                (0x80, &[size]) => fcp.size = usize::from(size),
                (0x88, value) => short_id = Some(value.first().map(|sfi| sfi >> 3)),
                (0x8a, &[state]) => fcp.usable = !matches!(state, 0x04 | 0x06 | 0x0c..=0x0f),
                (0x8b, &[a, b, record]) => {
                    fcp.access = AccessRule::Referenced { arr: u16::from_be_bytes([a, b]), record };
                }
                // Several security environments: the first one's rule.
                (0x8b, &[a, b, _, record, ..]) => {
                    fcp.access = AccessRule::Referenced { arr: u16::from_be_bytes([a, b]), record };
                }
                (0x8c | 0xab, _) => fcp.access = AccessRule::Inside,
                (0xc6, template) => fcp.pins = pins(template),
                _ => {}
            }
        }
        // Without tag 88 the short identifier is the low five bits of the file identifier.
        let sfi = short_id.unwrap_or_else(|| fcp.id.map(|id| (id & 0x1f) as u8));
        fcp.sfi = sfi.filter(|sfi| (1..=30).contains(sfi) && fcp.structure != Structure::Directory);
        fcp
    }
}

fn structure(descriptor: &[u8]) -> Structure {
    let Some(&byte) = descriptor.first() else { return Structure::Unknown };
    let records = match *descriptor {
        [_, _, 0, record, count, ..] if record > 0 => Some((record, count)),
        _ => None,
    };
    match (byte & 0xbf, records) {
        (0x38, _) => Structure::Directory,
        (0x39, _) => Structure::BerTlv,
        (kind, records) if kind & 0x30 == 0 => match (kind & 0x07, records) {
            (0x01, _) => Structure::Transparent,
            (0x02, Some((record, count))) => Structure::LinearFixed { record, count },
            (0x06, Some((record, count))) => Structure::Cyclic { record, count },
            _ => Structure::Unknown,
        },
        _ => Structure::Unknown,
    }
}

/// PIN status template: a bit per key reference, the most significant first.
fn pins(template: &[u8]) -> Vec<PinStatus> {
    let mut enabled: &[u8] = &[];
    let mut pins = Vec::new();
    for object in tlv::Reader::new(template).map_while(Result::ok) {
        match (object.tag, object.value) {
            (0x90, bits) => enabled = bits,
            (0x83, &[reference]) => {
                let n = pins.len();
                let on = enabled.get(n / 8).is_some_and(|byte| byte << (n % 8) & 0x80 != 0);
                pins.push(PinStatus { reference, enabled: on });
            }
            _ => {}
        }
    }
    pins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn fcp(hex: &str) -> Fcp {
        Fcp::parse(&hex::decode(hex).unwrap())
    }

    #[test]
    fn a_linear_fixed_file() {
        let fcp = fcp("621a8205422100200283022f008a01058b032f06028002004088 01f0".replace(' ', "").as_str());
        assert_eq!(fcp.structure, Structure::LinearFixed { record: 32, count: 2 });
        assert_eq!((fcp.id, fcp.size, fcp.sfi), (Some(0x2f00), 64, Some(30)));
        assert_eq!(fcp.access, AccessRule::Referenced { arr: 0x2f06, record: 2 });
    }

    #[test]
    fn pins_of_a_directory() {
        let fcp = fcp("6217820278218302 3f008a0105c609900140830101 83010a".replace(' ', "").as_str());
        assert_eq!(fcp.structure, Structure::Directory);
        let enabled = fcp.pins.iter().map(|p| (p.reference, p.enabled)).collect::<Vec<_>>();
        assert_eq!(enabled, [(1, false), (0x0a, true)]);
    }

    #[test]
    fn a_template_that_is_cut_off_tells_what_is_there() {
        let fcp = fcp("621a8205422100200283022f008a");
        assert_eq!(fcp.structure, Structure::LinearFixed { record: 32, count: 2 });
        assert_eq!(fcp.id, Some(0x2f00));
        assert_eq!(super::Fcp::parse(&[]).structure, Structure::Unknown);
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_a_template_stands_in_it(
            bytes in prop_oneof![
                bent(hex::decode("621a8205422100200283022f008a01058b036f0601800200408801f0").unwrap()),
                bent(hex::decode("62178202782183023f008a0105c60990014083010183010a").unwrap()),
            ],
            behind: Vec<u8>,
        ) {
            let fcp = Fcp::parse(&bytes);
            let within = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            prop_assert!(fcp.id.is_none_or(|id| within(&id.to_be_bytes())));
            prop_assert!(fcp.aid.as_deref().is_none_or(|aid| aid.is_empty() || within(aid)));
            prop_assert!(fcp.sfi.is_none_or(|sfi| (1..=30).contains(&sfi)), "{:?}", fcp.sfi);
            prop_assert!(fcp.pins.iter().all(|pin| within(&[pin.reference])) && fcp.pins.len() <= bytes.len());
            if let AccessRule::Referenced { arr, record } = fcp.access {
                prop_assert!(within(&arr.to_be_bytes()) && within(&[record]));
            }
            // What stands behind the template is not its business.
            if matches!(tlv::header(&bytes), Ok((0x62, length, body)) if length <= body.len()) {
                prop_assert_eq!(Fcp::parse(&[&bytes[..], &behind].concat()), fcp);
            }
        }
    }
}
