//! Keys of network access applications: AKA of USIM and ISIM, and what CSIM has.

use std::fmt;

use super::der::{Fault, OCTETS, Object, Raw, Within, Writer, constructed, context};
use super::file::byte;
use super::header::PeHeader;

/// Rotation constants of Milenage unless a package says otherwise, in bits (3GPP TS 35.206 clause 4.1).
pub const ROTATION: [u8; 5] = [64, 0, 32, 64, 96];
/// How far SEQ may jump, and how old it may be, unless a package says otherwise: 2^28.
pub const SQN_LIMIT: [u8; 6] = [0, 0, 0x10, 0, 0, 0];

/// Constants c1 to c5 of Milenage unless a package says otherwise (3GPP TS 35.206 clause 4.1).
pub const XORING: [u8; 80] = {
    let mut constants = [0; 80];
    (constants[31], constants[47], constants[63], constants[79]) = (1, 2, 4, 8);
    constants
};

/// Algorithm identifiers of the specification.
pub const MILENAGE: u32 = 1;
/// `algorithmID` of TUAK (TS 35.231).
pub const TUAK: u32 = 2;
/// `algorithmID` of the test algorithm of USIMs (TS 34.108 clause 8.1.2).
pub const USIM_TEST: u32 = 3;

/// Algorithm and keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Algorithm {
    /// `algorithmID`, tag `80`: [`MILENAGE`], [`TUAK`] or [`USIM_TEST`].
    pub id: u32,
    /// Bits 3 to 1: length of RES; `01` 64 bits, `02` 128 bits.
    pub options: u8,
    /// `key`, tag `82`: K of 16 bytes, or 32 for TUAK with a long key.
    pub key: Vec<u8>,
    /// `opc`, tag `83`: OPc of 16 bytes, or TOPc of 32.
    pub opc: Vec<u8>,
    /// [`ROTATION`] if absent.
    pub rotation: Option<[u8; 5]>,
    /// [`XORING`] if absent.
    pub xoring: Option<[u8; 80]>,
    /// `authCounterMax`, tag `86`: how many authentications are answered, big-endian; no limit if absent.
    pub counter_max: Option<[u8; 3]>,
    /// Once if absent.
    pub keccak: Option<u8>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Algorithm").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Algorithm {
    fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            id: fields.required(context(0), "algorithmID", |o| o.integer(u32::MAX))?,
            options: fields.required(context(1), "algorithmOptions", |o| o.byte())?,
            key: fields.required(context(2), "key", |o| o.octets(0, 64))?,
            opc: fields.required(context(3), "opc", |o| o.octets(0, 64))?,
            rotation: fields.optional(context(4), "rotationConstants", |o| o.array())?,
            xoring: fields.optional(context(5), "xoringConstants", |o| o.array())?,
            counter_max: fields.optional(context(6), "authCounterMax", |o| o.array())?,
            keccak: fields.optional(context(7), "numberOfKeccak", |o| o.integer(255))?.map(|n| n as u8),
            extra: fields.rest()?,
        })
    }

    fn write(&self, w: &mut Writer) {
        w.integer(context(0), self.id);
        w.put(context(1), &[self.options]);
        w.put(context(2), &self.key);
        w.put(context(3), &self.opc);
        w.maybe(context(4), self.rotation.as_ref().map(|r| &r[..]));
        w.maybe(context(5), self.xoring.as_ref().map(|x| &x[..]));
        w.maybe(context(6), self.counter_max.as_ref().map(|c| &c[..]));
        if let Some(keccak) = self.keccak {
            w.integer(context(7), u32::from(keccak));
        }
        w.raw(&self.extra);
    }
}

/// Where algorithm and keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AkaSource {
    /// From the application with this AID.
    Mapped {
        /// `mappingOptions`, tag `80`: what of the source is shared; here it is all, whatever they say.
        options: u8,
        /// `mappingSource`, tag `81`: AID of the application that has them.
        source: Vec<u8>,
        /// Fields behind the known ones, as they came.
        extra: Vec<Raw>,
    },
    /// `algoParameter`, tag `A1`.
    Own(Algorithm),
}

/// `akaParameter`: the keys of the USIM or ISIM that an element before it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AkaParameter {
    /// `aka-header`, tag `A0`.
    pub header: PeHeader,
    /// `algoConfiguration`, tag `A1`.
    pub source: AkaSource,
    /// `02` if absent.
    pub sqn_options: Option<u8>,
    /// [`SQN_LIMIT`] if absent.
    pub sqn_delta: Option<[u8; 6]>,
    /// [`SQN_LIMIT`] if absent.
    pub sqn_age_limit: Option<[u8; 6]>,
    /// The highest accepted SEQ of each IND, 32 of them; zero if absent.
    pub sqn_initial: Option<Vec<[u8; 6]>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl AkaParameter {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            source: fields.required(constructed(1), "algoConfiguration", |o| match o.objects()?[..] {
                [o] if o.tag == constructed(0) => mapped(o).within("mappingParameter"),
                [o] if o.tag == constructed(1) => {
                    Ok(AkaSource::Own(Algorithm::read(o).within("algoParameter")?))
                }
                _ => Err(o.wrong("neither keys nor the AID of an application that has them")),
            })?,
            sqn_options: fields.optional(context(2), "sqnOptions", |o| o.byte())?,
            sqn_delta: fields.optional(context(3), "sqnDelta", |o| o.array())?,
            sqn_age_limit: fields.optional(context(4), "sqnAgeLimit", |o| o.array())?,
            sqn_initial: fields.optional(constructed(5), "sqnInit", |o| {
                let list = o.list(OCTETS, Object::array)?;
                match list.len() {
                    32 => Ok(list),
                    n => Err(o.bad(format!("{n} sequence numbers; 32 belong here"))),
                }
            })?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.group(constructed(1), |w| match &self.source {
            AkaSource::Mapped { options, source, extra } => w.group(constructed(0), |w| {
                w.put(context(0), &[*options]);
                w.put(context(1), source);
                w.raw(extra);
            }),
            AkaSource::Own(algorithm) => w.group(constructed(1), |w| algorithm.write(w)),
        });
        w.maybe(context(2), byte(&self.sqn_options));
        w.maybe(context(3), self.sqn_delta.as_ref().map(|d| &d[..]));
        w.maybe(context(4), self.sqn_age_limit.as_ref().map(|a| &a[..]));
        if let Some(initial) = &self.sqn_initial {
            w.group(constructed(5), |w| initial.iter().for_each(|sqn| w.put(OCTETS, sqn)));
        }
        w.raw(&self.extra);
    }
}

fn mapped(object: Object<'_>) -> Result<AkaSource, Fault> {
    let mut fields = object.fields()?;
    Ok(AkaSource::Mapped {
        options: fields.required(context(0), "mappingOptions", |o| o.byte())?,
        source: fields.required(context(1), "mappingSource", |o| o.aid())?,
        extra: fields.rest()?,
    })
}

/// `cdmaParameter`: the keys of the CSIM that an element before it made.
#[derive(Clone, PartialEq, Eq)]
pub struct CdmaParameter {
    /// `cdma-header`, tag `A0`.
    pub header: PeHeader,
    /// A-key of CAVE.
    pub key: [u8; 8],
    /// Shared secret data A and B.
    pub ssd: Option<[u8; 16]>,
    /// `hrpdAccessAuthenticationData`, tag `83`: 2 to 32 bytes.
    pub hrpd: Option<Vec<u8>>,
    /// `simpleIPAuthenticationData`, tag `84`: 3 to 483 bytes.
    pub simple_ip: Option<Vec<u8>>,
    /// `mobileIPAuthenticationData`, tag `85`: 5 to 957 bytes.
    pub mobile_ip: Option<Vec<u8>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl fmt::Debug for CdmaParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CdmaParameter").field("header", &self.header).finish_non_exhaustive()
    }
}

impl CdmaParameter {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            key: fields.required(context(1), "authenticationKey", |o| o.array())?,
            ssd: fields.optional(context(2), "ssd", |o| o.array())?,
            hrpd: fields.optional(context(3), "hrpdAccessAuthenticationData", |o| o.octets(2, 32))?,
            simple_ip: fields.optional(context(4), "simpleIPAuthenticationData", |o| o.octets(3, 483))?,
            mobile_ip: fields.optional(context(5), "mobileIPAuthenticationData", |o| o.octets(5, 957))?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.put(context(1), &self.key);
        w.maybe(context(2), self.ssd.as_ref().map(|s| &s[..]));
        for (number, value) in [(3, &self.hrpd), (4, &self.simple_ip), (5, &self.mobile_ip)] {
            w.maybe(context(number), value.as_deref());
        }
        w.raw(&self.extra);
    }
}
