//! PINs, administrative codes and PUKs.

use std::fmt;

use super::der::{Fault, Object, Raw, SEQUENCE, Within, Writer, constructed, context};
use super::header::PeHeader;
use super::image::Attempts;

/// Key references that PINs and administrative codes may have.
pub(super) fn is_pin(reference: u32) -> bool {
    matches!(reference, 1..=8 | 10..=14 | 129..=136 | 138..=142)
}

/// Key references that belong to a directory, not to the whole card.
pub(super) fn is_local(reference: u8) -> bool {
    matches!(reference, 129..=136)
}

fn is_puk(reference: u32) -> bool {
    matches!(reference, 1..=8 | 129..=136)
}

/// A PIN or administrative code.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin {
    /// `keyReference`, tag `80` (TS 102 221 clause 9.5.1).
    pub key_reference: u8,
    /// Digits, filled up with `FF`.
    pub value: [u8; 8],
    /// Key reference of the PUK that unblocks it.
    pub puk: Option<u8>,
    /// Bit 1: enabled. Bit 2: may be changed. Bit 3: may be enabled and disabled. All are set if absent.
    pub attributes: Option<u8>,
    /// Maximum in the high nibble, what is left in the low one; three of three if absent.
    pub attempts: Option<u8>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").field("key_reference", &self.key_reference).finish_non_exhaustive()
    }
}

impl Pin {
    /// `pinAttributes`, with the default where it is absent.
    pub fn attributes(&self) -> u8 {
        self.attributes.unwrap_or(7)
    }

    /// `maxNumOfAttemps-retryNumLeft`, with the default where it is absent.
    pub fn attempts(&self) -> Attempts {
        Attempts::from_octet(self.attempts.unwrap_or(0x33))
    }

    fn read(object: &Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            key_reference: fields.required(context(0), "keyReference", |o| reference(o, is_pin))?,
            value: fields.required(context(1), "pinValue", |o| o.array())?,
            puk: fields.optional(context(2), "unblockingPINReference", |o| reference(o, is_puk))?,
            attributes: fields.optional(context(3), "pinAttributes", |o| o.integer(255))?.map(|a| a as u8),
            attempts: fields
                .optional(context(4), "maxNumOfAttemps-retryNumLeft", |o| o.integer(255))?
                .map(|a| a as u8),
            extra: fields.rest()?,
        })
    }

    fn write(&self, w: &mut Writer) {
        w.integer(context(0), u32::from(self.key_reference));
        w.put(context(1), &self.value);
        for (number, value) in [(2, self.puk), (3, self.attributes), (4, self.attempts)] {
            if let Some(value) = value {
                w.integer(context(number), u32::from(value));
            }
        }
        w.raw(&self.extra);
    }
}

fn reference(object: Object<'_>, known: fn(u32) -> bool) -> Result<u8, Fault> {
    let reference = object.integer(255)?;
    if known(reference) {
        return Ok(reference as u8);
    }
    Err(object.bad(format!("{reference} is no key reference that may stand here")))
}

/// Where the codes of an element come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// `pinconfig`, tag `A0`.
    Own(Vec<Pin>),
    /// Those of the directory at this path.
    Shared(Vec<u8>),
}

/// `pinCodes`: the codes of the directory that an element before it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinCodes {
    /// `pin-Header`, tag `A0`.
    pub header: PeHeader,
    /// `pinCodes`, tag `A1`.
    pub pins: PinSource,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl PinCodes {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            pins: fields.required(constructed(1), "pinCodes", |o| match o.objects()?[..] {
                [o] if o.tag == constructed(0) => {
                    Ok(PinSource::Own(o.list(SEQUENCE, Pin::read).within("pinconfig")?))
                }
                [o] if o.tag == context(1) => Ok(PinSource::Shared(o.octets(0, 8).within("filePath")?)),
                _ => Err(o.wrong("neither codes nor the path of a directory that has them")),
            })?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.group(constructed(1), |w| match &self.pins {
            PinSource::Own(pins) => w.group(constructed(0), |w| {
                for pin in pins {
                    w.group(SEQUENCE, |w| pin.write(w));
                }
            }),
            PinSource::Shared(path) => w.put(context(1), path),
        });
        w.raw(&self.extra);
    }
}

/// What unblocks a PIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Puk {
    /// `keyReference`, tag `80`; a PIN names it as its `puk`.
    pub key_reference: u8,
    /// `pukValue`, tag `81`: eight digits in ASCII.
    pub value: [u8; 8],
    /// As of [`Pin::attempts`]; ten of ten if absent.
    pub attempts: Option<u8>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl fmt::Debug for Puk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Puk").field("key_reference", &self.key_reference).finish_non_exhaustive()
    }
}

impl Puk {
    /// `maxNumOfAttemps-retryNumLeft`, with the default where it is absent.
    pub fn attempts(&self) -> Attempts {
        Attempts::from_octet(self.attempts.unwrap_or(0xaa))
    }

    fn read(object: &Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            key_reference: fields.required(context(0), "keyReference", |o| reference(o, is_puk))?,
            value: fields.required(context(1), "pukValue", |o| o.array())?,
            attempts: fields
                .optional(context(2), "maxNumOfAttemps-retryNumLeft", |o| o.integer(255))?
                .map(|a| a as u8),
            extra: fields.rest()?,
        })
    }

    fn write(&self, w: &mut Writer) {
        w.integer(context(0), u32::from(self.key_reference));
        w.put(context(1), &self.value);
        if let Some(attempts) = self.attempts {
            w.integer(context(2), u32::from(attempts));
        }
        w.raw(&self.extra);
    }
}

/// `pukCodes`: all PUKs of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PukCodes {
    /// `puk-Header`, tag `A0`.
    pub header: PeHeader,
    /// `pukCodes`, tag `A1`.
    pub puks: Vec<Puk>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl PukCodes {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            puks: fields.required(constructed(1), "pukCodes", |o| o.list(SEQUENCE, Puk::read))?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.group(constructed(1), |w| {
            for puk in &self.puks {
                w.group(SEQUENCE, |w| puk.write(w));
            }
        });
        w.raw(&self.extra);
    }
}
