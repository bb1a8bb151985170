//! What an eUICC knows of an eIM, and how it is told: AddInitialEim, GetEimConfigurationData and
//! ConfigureImmediateProfileEnabling of ES10b (SGP.32 clauses 2.11.1.1.1, 5.9.4, 5.9.17 and 5.9.18).

use super::super::RspError;
use super::super::fields::{Fields, bits, int, optional_text, signed_int, tlv};
use super::{eim_id, flag, optional_bytes, retagged};

/// What an `eimId` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EimIdType {
    /// `eimIdTypeOid`: an object identifier in dotted form.
    Oid = 1,
    /// `eimIdTypeFqdn`: a domain name.
    Fqdn = 2,
    /// `eimIdTypeProprietary`: anything else that its owner keeps unique.
    Proprietary = 3,
}

impl EimIdType {
    pub(super) fn read(f: &mut Fields<'_>, tag: u16) -> Result<Option<Self>, RspError> {
        match f.optional_integer(tag, "eimIdType")? {
            None => Ok(None),
            Some(1) => Ok(Some(Self::Oid)),
            Some(2) => Ok(Some(Self::Fqdn)),
            Some(3) => Ok(Some(Self::Proprietary)),
            Some(_) => Err(f.wrong("eimIdType", "it is an OID (1), an FQDN (2) or proprietary (3)")),
        }
    }
}

/// A public key, bare or in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EimKey {
    /// SubjectPublicKeyInfo, DER.
    PublicKey(Vec<u8>),
    /// DER.
    Certificate(Vec<u8>),
}

impl EimKey {
    fn read(f: &mut Fields<'_>, tag: u16, field: &'static str) -> Result<Option<Self>, RspError> {
        if f.peek() != Some(tag) {
            return Ok(None);
        }
        let mut f = f.nested(tag, field)?;
        Ok(Some(match f.peek() {
            Some(0xa1) => Self::Certificate(tlv(0x30, &[f.take(0xa1, field)?])),
            _ => Self::PublicKey(tlv(0x30, &[f.take(0xa0, field)?])),
        }))
    }

    fn to_bytes(&self, tag: u16) -> Vec<u8> {
        match self {
            Self::PublicKey(spki) => tlv(tag, &[&retagged(0xa0, spki)]),
            Self::Certificate(der) => tlv(tag, &[&retagged(0xa1, der)]),
        }
    }
}

/// EimConfigurationData.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EimConfigurationData {
    /// 1 to 128 bytes.
    pub eim_id: String,
    /// FQDN of the eIM, or of the server in between.
    pub fqdn: Option<String>,
    /// `eimIdType`, tag `82`.
    pub id_type: Option<EimIdType>,
    /// The highest value that counts as used.
    pub counter: Option<u64>,
    /// Set by the eUICC. In a request [`EimConfigurationData::CALCULATE_TOKEN`] asks for one, and nothing else is right
    /// (clause 5.9.4).
    pub association_token: Option<i64>,
    /// With which eUICC packages are verified.
    pub key: Option<EimKey>,
    /// What TLS is to trust.
    pub tls: Option<EimKey>,
    /// Bits of `EimSupportedProtocol`: HTTPS retrieval is the first.
    pub protocols: Option<u8>,
    /// Subject key identifier of the CI under which the eUICC shall sign.
    pub ci_key_id: Option<Vec<u8>>,
    /// `indirectProfileDownload`, tag `89`, a NULL: the eIM fetches profiles for the IPA.
    pub indirect_download: bool,
}

impl EimConfigurationData {
    /// The bit of `protocols` that says: the IPA fetches over HTTPS.
    pub const RETRIEVE_HTTPS: u8 = 0x80;
    /// The bit of `protocols` that says: by a protocol that is not of the standard (`eimProprietary`).
    pub const PROPRIETARY: u8 = 0x08;
    /// The `associationToken` of a request that has the eUICC calculate one (SGP.32 clause 5.9.4).
    pub const CALCULATE_TOKEN: i64 = -1;

    /// The association token that the eUICC has given, where it has.
    pub fn token(&self) -> Option<u64> {
        u64::try_from(self.association_token?).ok()
    }

    /// One configuration on its own, `30`.
    ///
    /// # Errors
    /// Where the bytes are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        Self::read(Fields::open("EimConfigurationData", 0x30, bytes)?)
    }

    pub(super) fn read(mut f: Fields<'_>) -> Result<Self, RspError> {
        let protocols = |f: &mut Fields<'_>| match f.optional(0x87, "eimSupportedProtocol")? {
            Some(value) => f.first_bits(value, "eimSupportedProtocol").map(Some),
            None => Ok(None),
        };
        Ok(Self {
            eim_id: eim_id(&mut f)?,
            fqdn: f.optional_text(0x81, "eimFqdn")?,
            id_type: EimIdType::read(&mut f, 0x82)?,
            counter: f.optional_integer(0x83, "counterValue")?,
            association_token: f.optional_signed(0x84, "associationToken")?,
            key: EimKey::read(&mut f, 0xa5, "eimPublicKeyData")?,
            tls: EimKey::read(&mut f, 0xa6, "trustedPublicKeyDataTls")?,
            protocols: protocols(&mut f)?,
            ci_key_id: f.optional(0x88, "euiccCiPKId")?.map(<[u8]>::to_vec),
            indirect_download: f.optional(0x89, "indirectProfileDownload")?.is_some(),
        })
    }

    /// The fields under `tag`: `30` in a list.
    pub fn to_bytes(&self, tag: u16) -> Vec<u8> {
        let number = |tag, number: Option<u64>| number.map(|number| int(tag, number)).unwrap_or_default();
        tlv(
            tag,
            &[
                &tlv(0x80, &[self.eim_id.as_bytes()]),
                &optional_text(0x81, self.fqdn.as_deref()),
                &number(0x82, self.id_type.map(|kind| kind as u64)),
                &number(0x83, self.counter),
                &self.association_token.map(|token| signed_int(0x84, token)).unwrap_or_default(),
                &self.key.as_ref().map(|key| key.to_bytes(0xa5)).unwrap_or_default(),
                &self.tls.as_ref().map(|key| key.to_bytes(0xa6)).unwrap_or_default(),
                &self.protocols.map(|protocols| bits(0x87, protocols)).unwrap_or_default(),
                &optional_bytes(0x88, self.ci_key_id.as_deref()),
                &flag(0x89, self.indirect_download),
            ],
        )
    }
}

fn read_list(f: &mut Fields<'_>) -> Result<Vec<EimConfigurationData>, RspError> {
    let mut list = f.nested(0xa0, "eimConfigurationDataList")?;
    let mut out = Vec::new();
    while !list.is_empty() {
        out.push(EimConfigurationData::read(list.nested(0x30, "EimConfigurationData")?)?);
    }
    Ok(out)
}

fn push_list(tag: u16, list: &[EimConfigurationData]) -> Vec<u8> {
    let list: Vec<u8> = list.iter().flat_map(|eim| eim.to_bytes(0x30)).collect();
    tlv(tag, &[&tlv(0xa0, &[&list])])
}

/// ES10b.AddInitialEim, `BF57`: the first eIMs of an eUICC that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddInitialEim(pub Vec<EimConfigurationData>);

impl AddInitialEim {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        read_list(&mut Fields::open("AddInitialEimRequest", 0xbf57, bytes)?).map(Self)
    }

    /// The request, `BF57`.
    pub fn to_bytes(&self) -> Vec<u8> {
        push_list(0xbf57, &self.0)
    }
}

/// That one eIM was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// With the token that every signature from now on covers.
    Token(u64),
    /// `addOk`, tag `05`: nobody has asked for an association token.
    Plain,
}

/// The response of ES10b.AddInitialEim, `BF57`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddInitialEimResponse {
    /// `addInitialEimOk`, tag `A0`: one entry for each eIM of the request, in its order.
    Ok(Vec<Added>),
    /// insufficientMemory (1), associatedEimAlreadyExists (2), ciPKUnknown (3), invalidAssociationToken (5),
    /// counterValueOutOfRange (6), commandError (7), undefinedError (127).
    Error(u64),
}

impl AddInitialEimResponse {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("AddInitialEimResponse", 0xbf57, bytes)?;
        if f.peek() == Some(0x81) {
            return f.integer(0x81, "addInitialEimError").map(Self::Error);
        }
        let mut list = f.nested(0xa0, "addInitialEimOk")?;
        let mut out = Vec::new();
        while !list.is_empty() {
            out.push(match list.peek() {
                Some(0x84) => Added::Token(list.integer(0x84, "associationToken")?),
                _ => list.take(0x05, "addOk").map(|_| Added::Plain)?,
            });
        }
        Ok(Self::Ok(out))
    }

    /// The whole response, `BF57`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let one = |added: &Added| match added {
            Added::Token(token) => int(0x84, *token),
            Added::Plain => tlv(0x05, &[]),
        };
        match self {
            Self::Ok(list) => tlv(0xbf57, &[&tlv(0xa0, &[&list.iter().flat_map(one).collect::<Vec<u8>>()])]),
            Self::Error(code) => tlv(0xbf57, &[&int(0x81, *code)]),
        }
    }
}

/// ES10b.GetEimConfigurationData, `BF55`, of all eIMs or of one.
pub fn configuration_request(eim_id: Option<&str>) -> Vec<u8> {
    let one = eim_id.map(|id| tlv(0xa0, &[&tlv(0x80, &[id.as_bytes()])])).unwrap_or_default();
    tlv(0xbf55, &[&one])
}

/// The eIM that ES10b.GetEimConfigurationData asks for; all where it names none.
///
/// # Errors
/// Where the bytes are no such message.
pub fn parse_configuration_request(bytes: &[u8]) -> Result<Option<String>, RspError> {
    let mut f = Fields::open("GetEimConfigurationDataRequest", 0xbf55, bytes)?;
    if f.is_empty() { Ok(None) } else { eim_id(&mut f.nested(0xa0, "searchCriteria")?).map(Some) }
}

/// The response of ES10b.GetEimConfigurationData.
pub fn configuration_response(list: &[EimConfigurationData]) -> Vec<u8> {
    push_list(0xbf55, list)
}

/// The eIMs in the response of ES10b.GetEimConfigurationData.
///
/// # Errors
/// Where it is none.
pub fn parse_configuration_response(bytes: &[u8]) -> Result<Vec<EimConfigurationData>, RspError> {
    read_list(&mut Fields::open("GetEimConfigurationDataResponse", 0xbf55, bytes)?)
}

/// Whether a profile may be enabled right after its download from one SM-DP+, with no package of an eIM:
/// ES10b.ConfigureImmediateProfileEnabling, `BF59`, and the PSMO of that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImmediateEnableConfiguration {
    /// `immediateEnableFlag`, tag `80`, a NULL that is there or not.
    pub enabled: bool,
    /// OID of the SM-DP+, the content of the OBJECT IDENTIFIER.
    pub smdp_oid: Option<Vec<u8>>,
    /// FQDN.
    pub smdp_address: Option<String>,
}

impl ImmediateEnableConfiguration {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        Self::read(Fields::open("ConfigureImmediateProfileEnablingRequest", 0xbf59, bytes)?)
    }

    pub(super) fn read(mut f: Fields<'_>) -> Result<Self, RspError> {
        Ok(Self {
            enabled: f.optional(0x80, "immediateEnableFlag")?.is_some(),
            smdp_oid: f.optional(0x81, "defaultSmdpOid")?.map(<[u8]>::to_vec),
            smdp_address: f.optional_text(0x82, "defaultSmdpAddress")?,
        })
    }

    /// The fields under `tag`: `BF59` for ES10b. Its response is a result code under `80`: ok (0),
    /// insufficientMemory (1), associatedEimAlreadyExists (2), undefinedError (127).
    pub fn to_bytes(&self, tag: u16) -> Vec<u8> {
        let oid = optional_bytes(0x81, self.smdp_oid.as_deref());
        tlv(tag, &[&flag(0x80, self.enabled), &oid, &optional_text(0x82, self.smdp_address.as_deref())])
    }
}
