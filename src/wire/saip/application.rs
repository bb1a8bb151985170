//! Applications: code, instances, security domains and remote file management.

use std::fmt;

use super::der::{Fault, OCTETS, Object, Oid, Raw, SEQUENCE, Writer, constructed, context};
use super::file::byte;
use super::header::{PeHeader, no_more, octet_strings};

const AID: u16 = 0x4f;
const PARAMETERS: u16 = 0xc9;
const UICC_PARAMETERS: u16 = 0xea;
const SYSTEM_PARAMETERS: u16 = 0xef;
const LOAD_BLOCK: u16 = 0xc4;

/// An instance of a class of a load package, as GlobalPlatform INSTALL [for install] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `applicationLoadPackageAID`, tag `4F`: the package that the class is in.
    pub load_package: Vec<u8>,
    /// `classAID`, tag `4F`: the class to be instantiated.
    pub class: Vec<u8>,
    /// `instanceAID`, tag `4F`: the AID that the instance is selected by.
    pub instance: Vec<u8>,
    /// `extraditeSecurityDomainAID`, tag `4F`: to which security domain it goes; the MNO-SD if absent.
    pub security_domain: Option<Vec<u8>>,
    /// `applicationPrivileges`, tag `82`: one or three bytes (GlobalPlatform Card Specification clause 11.1.2).
    pub privileges: Vec<u8>,
    /// `07`, selectable, if absent.
    pub life_cycle: Option<u8>,
    /// Application specific parameters.
    pub parameters: Vec<u8>,
    /// System specific parameters: the data objects that GlobalPlatform puts into tag `EF`.
    pub system: Option<Vec<Raw>>,
    /// Parameters of ETSI TS 102 226: toolkit, access, administrative access.
    pub uicc: Option<UiccParameters>,
    /// Values for STORE DATA.
    pub data: Option<Vec<Vec<u8>>>,
    /// Control reference template: the application provider.
    pub provider: Option<Vec<u8>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

/// Parameters of an application of a UICC (ETSI TS 102 226 clause 8.2.1.3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UiccParameters {
    /// Toolkit application specific parameters, tag `80`.
    pub toolkit: Option<Vec<u8>>,
    /// Access application specific parameters, tag `81`.
    pub access: Option<Vec<u8>>,
    /// Administrative access application specific parameters, tag `82`.
    pub admin_access: Option<Vec<u8>>,
}

/// Tag of the application provider identifier, number 32 of class application.
const PROVIDER: u16 = 0x5f20;

impl Instance {
    fn read(object: &Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            load_package: fields.required(AID, "applicationLoadPackageAID", |o| o.aid())?,
            class: fields.required(AID, "classAID", |o| o.aid())?,
            instance: fields.required(AID, "instanceAID", |o| o.aid())?,
            security_domain: fields.optional(AID, "extraditeSecurityDomainAID", |o| o.aid())?,
            privileges: fields.required(context(2), "applicationPrivileges", |o| o.octets(1, 3))?,
            life_cycle: fields.optional(context(3), "lifeCycleState", |o| o.byte())?,
            parameters: fields.required(PARAMETERS, "applicationSpecificParametersC9", any)?,
            system: fields.optional(SYSTEM_PARAMETERS, "systemSpecificParameters", |o| {
                Ok(o.objects()?.iter().map(Object::raw).collect())
            })?,
            uicc: fields.optional(UICC_PARAMETERS, "applicationParameters", |o| {
                let mut fields = o.fields()?;
                let parameters = UiccParameters {
                    toolkit: fields.optional(context(0), "toolkit", any)?,
                    access: fields.optional(context(1), "access", any)?,
                    admin_access: fields.optional(context(2), "administrativeAccess", any)?,
                };
                no_more(fields)?;
                Ok(parameters)
            })?,
            data: fields.optional(SEQUENCE, "processData", octet_strings)?,
            provider: fields.optional(constructed(16), "controlReferenceTemplate", |o| {
                let mut fields = o.fields()?;
                let provider = fields.required(PROVIDER, "applicationProviderIdentifier", any)?;
                no_more(fields)?;
                Ok(provider)
            })?,
            extra: fields.rest()?,
        })
    }

    fn write(&self, w: &mut Writer) {
        for aid in [&self.load_package, &self.class, &self.instance] {
            w.put(AID, aid);
        }
        w.maybe(AID, self.security_domain.as_deref());
        w.put(context(2), &self.privileges);
        w.maybe(context(3), byte(&self.life_cycle));
        w.put(PARAMETERS, &self.parameters);
        if let Some(system) = &self.system {
            w.group(SYSTEM_PARAMETERS, |w| w.raw(system));
        }
        if let Some(uicc) = &self.uicc {
            w.group(UICC_PARAMETERS, |w| {
                w.maybe(context(0), uicc.toolkit.as_deref());
                w.maybe(context(1), uicc.access.as_deref());
                w.maybe(context(2), uicc.admin_access.as_deref());
            });
        }
        if let Some(data) = &self.data {
            w.group(SEQUENCE, |w| write_octet_strings(w, data));
        }
        if let Some(provider) = &self.provider {
            w.group(constructed(16), |w| w.put(PROVIDER, provider));
        }
        w.raw(&self.extra);
    }
}

fn any(object: Object<'_>) -> Result<Vec<u8>, Fault> {
    Ok(object.value.to_vec())
}

fn write_octet_strings(w: &mut Writer, values: &[Vec<u8>]) {
    values.iter().for_each(|value| w.put(OCTETS, value));
}

/// Executable code, as GlobalPlatform INSTALL [for load] and LOAD bring it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// `loadPackageAID`, tag `4F`.
    pub aid: Vec<u8>,
    /// `securityDomainAID`, tag `4F`: to which security domain the code belongs; the MNO-SD if absent.
    pub security_domain: Option<Vec<u8>>,
    /// Memory limits: code, volatile data, non-volatile data.
    pub limits: [Option<Vec<u8>>; 3],
    /// `hashValue`, tag `C1`, of the load file data block.
    pub hash: Option<Vec<u8>>,
    /// `loadBlockObject`, tag `C4`: the load file data block.
    pub block: Vec<u8>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

/// `application`: code, instances, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// `app-Header`, tag `A0`.
    pub header: PeHeader,
    /// `loadBlock`, tag `A1`.
    pub code: Option<Code>,
    /// `instanceList`, tag `A2`, in the order in which they are to be made.
    pub instances: Option<Vec<Instance>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl Application {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            code: fields.optional(constructed(1), "loadBlock", |o| {
                let mut fields = o.fields()?;
                Ok(Code {
                    aid: fields.required(AID, "loadPackageAID", |o| o.aid())?,
                    security_domain: fields.optional(AID, "securityDomainAID", |o| o.aid())?,
                    limits: [
                        fields.optional(0xc6, "nonVolatileCodeLimitC6", any)?,
                        fields.optional(0xc7, "volatileDataLimitC7", any)?,
                        fields.optional(0xc8, "nonVolatileDataLimitC8", any)?,
                    ],
                    hash: fields.optional(0xc1, "hashValue", any)?,
                    block: fields.required(LOAD_BLOCK, "loadBlockObject", any)?,
                    extra: fields.rest()?,
                })
            })?,
            instances: fields
                .optional(constructed(2), "instanceList", |o| o.list(SEQUENCE, Instance::read))?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        if let Some(code) = &self.code {
            w.group(constructed(1), |w| {
                w.put(AID, &code.aid);
                w.maybe(AID, code.security_domain.as_deref());
                for (tag, limit) in (0xc6..).zip(&code.limits) {
                    w.maybe(tag, limit.as_deref());
                }
                w.maybe(0xc1, code.hash.as_deref());
                w.put(LOAD_BLOCK, &code.block);
                w.raw(&code.extra);
            });
        }
        if let Some(instances) = &self.instances {
            w.group(constructed(2), |w| {
                instances.iter().for_each(|instance| w.group(SEQUENCE, |w| instance.write(w)));
            });
        }
        w.raw(&self.extra);
    }
}

/// A key of a security domain.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// `keyUsageQualifier`, tag `95`: one or two bytes (GlobalPlatform Card Specification clause 11.1.9).
    pub usage: Vec<u8>,
    /// `00` if absent.
    pub access: Option<u8>,
    /// `keyIdentifier`, tag `82`.
    pub identifier: u8,
    /// `keyVersionNumber`, tag `83`: says what the set is for; `01` to `0F` are SCP80 (TS 102 226).
    pub version: u8,
    /// `keyCounterValue`, tag `85`.
    pub counter: Option<Vec<u8>>,
    /// `keyComponents`: one for a symmetric key.
    pub components: Vec<KeyComponent>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

/// A component of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyComponent {
    /// `keyType`, tag `80` (GlobalPlatform Card Specification clause 11.1.8): `88` is AES.
    pub key_type: Vec<u8>,
    /// `keyData`, tag `86`: the key in the clear.
    pub value: Vec<u8>,
    /// Eight bytes if absent.
    pub mac_length: Option<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("identifier", &self.identifier)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Key {
    fn read(object: &Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            usage: fields.required(context(21), "keyUsageQualifier", |o| o.octets(1, 2))?,
            access: fields.optional(context(22), "keyAccess", |o| o.byte())?,
            identifier: fields.required(context(2), "keyIdentifier", |o| o.byte())?,
            version: fields.required(context(3), "keyVersionNumber", |o| o.byte())?,
            counter: fields.optional(context(5), "keyCounterValue", any)?,
            components: fields.required(SEQUENCE, "keyComponents", |o| {
                o.list(SEQUENCE, |o| {
                    let mut fields = o.fields()?;
                    let component = KeyComponent {
                        key_type: fields.required(context(0), "keyType", any)?,
                        value: fields.required(context(6), "keyData", any)?,
                        mac_length: fields
                            .optional(context(7), "macLength", |o| o.integer(255))?
                            .map(|n| n as u8),
                    };
                    no_more(fields)?;
                    Ok(component)
                })
            })?,
            extra: fields.rest()?,
        })
    }

    fn write(&self, w: &mut Writer) {
        w.put(context(21), &self.usage);
        w.maybe(context(22), byte(&self.access));
        w.put(context(2), &[self.identifier]);
        w.put(context(3), &[self.version]);
        w.maybe(context(5), self.counter.as_deref());
        w.group(SEQUENCE, |w| {
            for component in &self.components {
                w.group(SEQUENCE, |w| {
                    w.put(context(0), &component.key_type);
                    w.put(context(6), &component.value);
                    if let Some(length) = component.mac_length {
                        w.integer(context(7), u32::from(length));
                    }
                });
            }
        });
        w.raw(&self.extra);
    }
}

/// `securityDomain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityDomain {
    /// `sd-Header`, tag `A0`.
    pub header: PeHeader,
    /// `instance`, tag `A1`.
    pub instance: Instance,
    /// `keyList`, tag `A2`.
    pub keys: Option<Vec<Key>>,
    /// Values for STORE DATA.
    pub data: Option<Vec<Vec<u8>>>,
    /// What is set for the open platform environment: data objects as the package has them.
    pub open: Option<Vec<Raw>>,
    /// Largest SDU and PDU of CAT_TP.
    pub cat_tp: Option<(u16, u16)>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl SecurityDomain {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            instance: fields.required(constructed(1), "instance", |o| Instance::read(&o))?,
            keys: fields.optional(constructed(2), "keyList", |o| o.list(SEQUENCE, Key::read))?,
            data: fields.optional(constructed(3), "sdPersoData", octet_strings)?,
            open: fields.optional(constructed(4), "openPersoData", |o| {
                Ok(o.objects()?.iter().map(Object::raw).collect())
            })?,
            cat_tp: fields.optional(constructed(5), "catTpParameters", |o| {
                let mut fields = o.fields()?;
                let sdu = fields.required(context(0), "catTpMaxSduSize", |o| o.integer(0xffff))?;
                let pdu = fields.required(context(1), "catTpMaxPduSize", |o| o.integer(0xffff))?;
                no_more(fields)?;
                Ok((sdu as u16, pdu as u16))
            })?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.group(constructed(1), |w| self.instance.write(w));
        if let Some(keys) = &self.keys {
            w.group(constructed(2), |w| keys.iter().for_each(|key| w.group(SEQUENCE, |w| key.write(w))));
        }
        if let Some(data) = &self.data {
            w.group(constructed(3), |w| write_octet_strings(w, data));
        }
        if let Some(open) = &self.open {
            w.group(constructed(4), |w| w.raw(open));
        }
        if let Some((sdu, pdu)) = self.cat_tp {
            w.group(constructed(5), |w| {
                w.integer(context(0), u32::from(sdu));
                w.integer(context(1), u32::from(pdu));
            });
        }
        w.raw(&self.extra);
    }
}

/// `rfm`: a remote file management application (ETSI TS 102 226 clause 8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rfm {
    /// `rfm-header`, tag `A0`.
    pub header: PeHeader,
    /// `instanceAID`, tag `4F`.
    pub instance: Vec<u8>,
    /// `securityDomainAID`, tag `4F`: whose keys protect its packets; the MNO-SD if absent.
    pub security_domain: Option<Vec<u8>>,
    /// Toolkit application references.
    pub tars: Option<Vec<[u8; 3]>>,
    /// `minimumSecurityLevel`, tag `81`: the first byte of SPI that a packet has to reach (TS 102 225 clause
    /// 5.1.1).
    pub minimum_security_level: u8,
    /// `uiccAccessDomain`: what it may do outside ADFs.
    pub access: Vec<u8>,
    /// `uiccAdminAccessDomain`: the same for administrative commands.
    pub admin_access: Vec<u8>,
    /// The ADF that scripts start in: AID, access domain, administrative access domain.
    pub adf: Option<(Vec<u8>, Vec<u8>, Vec<u8>)>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl Rfm {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            instance: fields.required(AID, "instanceAID", |o| o.aid())?,
            security_domain: fields.optional(AID, "securityDomainAID", |o| o.aid())?,
            tars: fields.optional(constructed(0), "tarList", |o| o.list(OCTETS, Object::array))?,
            minimum_security_level: fields.required(context(1), "minimumSecurityLevel", |o| o.byte())?,
            access: fields.required(OCTETS, "uiccAccessDomain", any)?,
            admin_access: fields.required(OCTETS, "uiccAdminAccessDomain", any)?,
            adf: fields.optional(SEQUENCE, "adfRFMAccess", |o| {
                let mut fields = o.fields()?;
                let adf = (
                    fields.required(context(0), "adfAID", |o| o.aid())?,
                    fields.required(context(1), "adfAccessDomain", any)?,
                    fields.required(context(2), "adfAdminAccessDomain", any)?,
                );
                no_more(fields)?;
                Ok(adf)
            })?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.put(AID, &self.instance);
        w.maybe(AID, self.security_domain.as_deref());
        if let Some(tars) = &self.tars {
            w.group(constructed(0), |w| tars.iter().for_each(|tar| w.put(OCTETS, tar)));
        }
        w.put(context(1), &[self.minimum_security_level]);
        w.put(OCTETS, &self.access);
        w.put(OCTETS, &self.admin_access);
        if let Some((aid, access, admin)) = &self.adf {
            w.group(SEQUENCE, |w| {
                for (number, value) in (0..).zip([aid, access, admin]) {
                    w.put(context(number), value);
                }
            });
        }
        w.raw(&self.extra);
    }
}

/// `nonStandard`: content that only its issuer's cards understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonStandard {
    /// `nonStandard-header`, tag `A0`.
    pub header: PeHeader,
    /// `issuerID`, tag `81`: who has defined the content.
    pub issuer: Oid,
    /// `content`, tag `82`.
    pub content: Vec<u8>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl NonStandard {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            issuer: fields.required(context(1), "issuerID", |o| o.oid())?,
            content: fields.required(context(2), "content", any)?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.put(context(1), self.issuer.body());
        w.put(context(2), &self.content);
        w.raw(&self.extra);
    }
}
