//! The profile header and the header that every other profile element begins with.

use super::der::{
    Fault, Fields, OCTETS, OID, Object, Oid, Raw, SEQUENCE, Within, Writer, constructed, context,
};
pub use super::services::Services;

/// Head of a profile element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeHeader {
    /// A card that cannot process the element has to refuse the profile.
    pub mandated: bool,
    /// Names the element in the answer of the card.
    pub identification: u16,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl PeHeader {
    /// Of an element that a card has to support.
    pub fn mandated(identification: u16) -> Self {
        Self { mandated: true, identification, extra: Vec::new() }
    }

    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            mandated: fields.optional(context(0), "mandated", |o| o.null())?.is_some(),
            identification: fields.required(context(1), "identification", |o| o.integer(0x7fff))? as u16,
            extra: fields.rest()?,
        })
    }

    /// Reads the head of an element, which is its first field.
    pub(super) fn first(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        fields.required(constructed(0), "header", Self::read)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.group(constructed(0), |w| {
            w.maybe(context(0), self.mandated.then_some(&[]));
            w.integer(context(1), u32::from(self.identification));
            w.raw(&self.extra);
        });
    }
}

/// The first element of every package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `major-version`, tag `80`, of the specification that the package follows.
    pub major_version: u8,
    /// `minor-version`, tag `81`.
    pub minor_version: u8,
    /// What kind of profile this is, in words of the issuer.
    pub profile_type: Option<String>,
    /// Digits in the order in which they are read, filled up with `F`: not swapped as in EF.ICCID.
    pub iccid: [u8; 10],
    /// Policy rules.
    pub pol: Option<Vec<u8>>,
    /// `eUICC-Mandatory-services`, tag `A5`.
    pub mandatory_services: Services,
    /// Templates that the card has to know.
    pub mandatory_templates: Vec<Oid>,
    /// `connectivityParameters`, tag `87`: bearer and servers for remote management, as GSMA SGP.02 codes them.
    pub connectivity: Option<Vec<u8>>,
    /// Executable code that the card has to hold: AID and version.
    pub mandatory_aids: Option<Vec<(Vec<u8>, [u8; 2])>>,
    /// Present in a minimal profile for IoT only: the PIX of the USIM.
    pub iot_pix: Option<Vec<u8>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl Header {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            major_version: fields.required(context(0), "major-version", |o| o.integer(255))? as u8,
            minor_version: fields.required(context(1), "minor-version", |o| o.integer(255))? as u8,
            profile_type: fields.optional(context(2), "profileType", |o| {
                let bytes = o.octets(1, 400)?;
                String::from_utf8(bytes).map_err(|_| o.bad("no UTF-8 text"))
            })?,
            iccid: fields.required(context(3), "iccid", |o| o.array())?,
            pol: fields.optional(context(4), "pol", |o| o.octets(0, usize::MAX))?,
            mandatory_services: fields.required(
                constructed(5),
                "eUICC-Mandatory-services",
                Services::read,
            )?,
            mandatory_templates: fields
                .required(constructed(6), "eUICC-Mandatory-GFSTEList", |o| o.list(OID, Object::oid))?,
            connectivity: fields
                .optional(context(7), "connectivityParameters", |o| o.octets(0, usize::MAX))?,
            mandatory_aids: fields.optional(constructed(8), "eUICC-Mandatory-AIDs", |o| {
                o.list(SEQUENCE, |o| {
                    let mut fields = o.fields()?;
                    let aid = fields.required(context(0), "aid", |o| o.aid())?;
                    let version = fields.required(context(1), "version", |o| o.array())?;
                    no_more(fields)?;
                    Ok((aid, version))
                })
            })?,
            iot_pix: fields.optional(constructed(9), "iotOptions", |o| {
                let mut fields = o.fields()?;
                let pix = fields.required(context(0), "pix", |o| o.octets(7, 11))?;
                no_more(fields)?;
                Ok(pix)
            })?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.integer(context(0), u32::from(self.major_version));
        w.integer(context(1), u32::from(self.minor_version));
        w.maybe(context(2), self.profile_type.as_deref().map(str::as_bytes));
        w.put(context(3), &self.iccid);
        w.maybe(context(4), self.pol.as_deref());
        w.group(constructed(5), |w| self.mandatory_services.write(w));
        w.group(constructed(6), |w| {
            for template in &self.mandatory_templates {
                w.put(OID, template.body());
            }
        });
        w.maybe(context(7), self.connectivity.as_deref());
        if let Some(aids) = &self.mandatory_aids {
            w.group(constructed(8), |w| {
                for (aid, version) in aids {
                    w.group(SEQUENCE, |w| {
                        w.put(context(0), aid);
                        w.put(context(1), version);
                    });
                }
            });
        }
        if let Some(pix) = &self.iot_pix {
            w.group(constructed(9), |w| w.put(context(0), pix));
        }
        w.raw(&self.extra);
    }
}

/// Fields of a structure that no version has extended.
pub(super) fn no_more(fields: Fields<'_>) -> Result<(), Fault> {
    match fields.rest()?.first() {
        None => Ok(()),
        Some(raw) => Err(Fault::new(
            super::PeStatusCode::INVALID_REQUEST_FORMAT,
            format!("tag {:02X} is not known here", raw.tag),
        )),
    }
}

/// A SEQUENCE OF OCTET STRING.
pub(super) fn octet_strings(object: Object<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    object.list(OCTETS, |o| Ok(o.value.to_vec())).within("list")
}
