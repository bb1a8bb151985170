//! eUICC packages: what an eIM orders an eUICC to do, signed (SGP.32 clause 2.11.1.1).

use super::super::fields::{Fields, int, tlv};
use super::super::{EidBytes, IccidBytes, ProfileFilter, RspError, Signature};
use super::configuration::{EimConfigurationData, ImmediateEnableConfiguration};
use super::{all_raw, eim_id, flag, optional_bytes, optional_id};

/// What a signature of an eIM, and one of an eUICC to an eIM, covers: the signed structure as it stands in the
/// message, and the association token as the data object `84`. Where the eIM has none it is zero.
pub fn with_token(signed: &[u8], association_token: Option<u64>) -> Vec<u8> {
    [signed, &int(0x84, association_token.unwrap_or(0))].concat()
}

/// A profile state management operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Psmo {
    /// `enable`, tag `A3`.
    Enable {
        /// `iccid`, tag `5A`, of the profile to be enabled.
        iccid: IccidBytes,
        /// Whether the IPA may go back to the profile before, where the new one gives no connectivity.
        rollback: bool,
    },
    /// `disable`, tag `A4`: the profile with this ICCID.
    Disable(IccidBytes),
    /// `delete`, tag `A5`: the profile with this ICCID.
    Delete(IccidBytes),
    /// `listProfileInfo`, `BF2D`, as ES10c.GetProfilesInfo.
    ListProfileInfo(ProfileFilter),
    /// `getRAT`, tag `A6`: the rules authorisation table.
    GetRat,
    /// `configureImmediateEnable`, tag `A7`.
    ConfigureImmediateEnable(ImmediateEnableConfiguration),
    /// `setFallbackAttribute`, tag `A8`: the profile with this ICCID is the one to fall back to.
    SetFallbackAttribute(IccidBytes),
    /// `unsetFallbackAttribute`, tag `A9`: no profile is.
    UnsetFallbackAttribute,
    /// FQDN; empty removes it.
    SetDefaultDpAddress(String),
    /// What is not known or damaged, as it was received: the eUICC does what stands before it and stops there.
    Unknown(Vec<u8>),
}

impl Psmo {
    fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::of("Psmo", raw);
        let iccid = |mut f: Fields<'_>| f.array(0x5a, "iccid");
        match f.peek() {
            Some(tag @ 0xa3) => {
                let mut f = f.nested(tag, "Psmo")?;
                let iccid = f.array(0x5a, "iccid")?;
                Ok(Self::Enable { iccid, rollback: f.optional(0x05, "rollbackFlag")?.is_some() })
            }
            Some(tag @ 0xa4) => iccid(f.nested(tag, "Psmo")?).map(Self::Disable),
            Some(tag @ 0xa5) => iccid(f.nested(tag, "Psmo")?).map(Self::Delete),
            Some(0xbf2d) => ProfileFilter::parse(raw).map(Self::ListProfileInfo),
            Some(0xa6) => Ok(Self::GetRat),
            Some(tag @ 0xa7) => {
                ImmediateEnableConfiguration::read(f.nested(tag, "Psmo")?).map(Self::ConfigureImmediateEnable)
            }
            Some(tag @ 0xa8) => iccid(f.nested(tag, "Psmo")?).map(Self::SetFallbackAttribute),
            Some(0xa9) => Ok(Self::UnsetFallbackAttribute),
            Some(tag @ 0xbf65) => {
                f.nested(tag, "Psmo")?.text(0x80, "defaultDpAddress").map(Self::SetDefaultDpAddress)
            }
            _ => Ok(Self::Unknown(raw.to_vec())),
        }
    }

    /// The operation with the tag of its kind.
    pub fn to_bytes(&self) -> Vec<u8> {
        let of_iccid = |tag, iccid: &IccidBytes| tlv(tag, &[&tlv(0x5a, &[iccid])]);
        match self {
            Self::Enable { iccid, rollback } => tlv(0xa3, &[&tlv(0x5a, &[iccid]), &flag(0x05, *rollback)]),
            Self::Disable(iccid) => of_iccid(0xa4, iccid),
            Self::Delete(iccid) => of_iccid(0xa5, iccid),
            Self::ListProfileInfo(filter) => filter.to_bytes(),
            Self::GetRat => tlv(0xa6, &[]),
            Self::ConfigureImmediateEnable(configuration) => configuration.to_bytes(0xa7),
            Self::SetFallbackAttribute(iccid) => of_iccid(0xa8, iccid),
            Self::UnsetFallbackAttribute => tlv(0xa9, &[]),
            Self::SetDefaultDpAddress(address) => tlv(0xbf65, &[&tlv(0x80, &[address.as_bytes()])]),
            Self::Unknown(raw) => raw.clone(),
        }
    }

    /// The name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enable { .. } => "enable",
            Self::Disable(_) => "disable",
            Self::Delete(_) => "delete",
            Self::ListProfileInfo(_) => "listProfileInfo",
            Self::GetRat => "getRAT",
            Self::ConfigureImmediateEnable(_) => "configureImmediateEnable",
            Self::SetFallbackAttribute(_) => "setFallbackAttribute",
            Self::UnsetFallbackAttribute => "unsetFallbackAttribute",
            Self::SetDefaultDpAddress(_) => "setDefaultDpAddress",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// An eIM configuration operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eco {
    /// `addEim`, tag `A8`: one more eIM.
    Add(EimConfigurationData),
    /// The `eimId`.
    Delete(String),
    /// `updateEim`, tag `AA`: other values for the eIM that has this `eimId`.
    Update(EimConfigurationData),
    /// `listEim`, tag `AB`: the `eimId` of each.
    List,
    /// What is not known or damaged, as it was received.
    Unknown(Vec<u8>),
}

impl Eco {
    fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::of("Eco", raw);
        match f.peek() {
            Some(tag @ 0xa8) => EimConfigurationData::read(f.nested(tag, "addEim")?).map(Self::Add),
            Some(tag @ 0xa9) => eim_id(&mut f.nested(tag, "deleteEim")?).map(Self::Delete),
            Some(tag @ 0xaa) => EimConfigurationData::read(f.nested(tag, "updateEim")?).map(Self::Update),
            Some(0xab) => Ok(Self::List),
            _ => Ok(Self::Unknown(raw.to_vec())),
        }
    }

    /// The operation with the tag of its kind.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Add(eim) => eim.to_bytes(0xa8),
            Self::Delete(eim_id) => tlv(0xa9, &[&tlv(0x80, &[eim_id.as_bytes()])]),
            Self::Update(eim) => eim.to_bytes(0xaa),
            Self::List => tlv(0xab, &[]),
            Self::Unknown(raw) => raw.clone(),
        }
    }

    /// The name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "addEim",
            Self::Delete(_) => "deleteEim",
            Self::Update(_) => "updateEim",
            Self::List => "listEim",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EuiccPackage {
    /// `psmoList`, tag `A0`: what is to become of profiles.
    Psmo(Vec<Psmo>),
    /// `ecoList`, tag `A1`: what is to become of eIMs.
    Eco(Vec<Eco>),
}

impl EuiccPackage {
    /// Reads the list alone.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        Self::read(&mut Fields::of("EuiccPackage", bytes))
    }

    fn read(f: &mut Fields<'_>) -> Result<Self, RspError> {
        // One damaged operation does not undo those before it: the eUICC stops there, and says so.
        if f.peek() == Some(0xa1) {
            let list = all_raw(f.nested(0xa1, "ecoList")?, "Eco")?;
            let one = |raw: Vec<u8>| Eco::parse(&raw).unwrap_or(Eco::Unknown(raw));
            return Ok(Self::Eco(list.into_iter().map(one).collect()));
        }
        let list = all_raw(f.nested(0xa0, "psmoList")?, "Psmo")?;
        let one = |raw: Vec<u8>| Psmo::parse(&raw).unwrap_or(Psmo::Unknown(raw));
        Ok(Self::Psmo(list.into_iter().map(one).collect()))
    }

    /// The list with its tag, `A0` or `A1`.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Psmo(list) => tlv(0xa0, &[&list.iter().flat_map(Psmo::to_bytes).collect::<Vec<u8>>()]),
            Self::Eco(list) => tlv(0xa1, &[&list.iter().flat_map(Eco::to_bytes).collect::<Vec<u8>>()]),
        }
    }

    /// The names of the operations, for people.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::Psmo(list) => list.iter().map(Psmo::name).collect(),
            Self::Eco(list) => list.iter().map(Eco::name).collect(),
        }
    }
}

/// What an eIM signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccPackageSigned {
    /// `eimId`, tag `80`, of the signer: 1 to 128 bytes.
    pub eim_id: String,
    /// `eidValue`, tag `5A`: the one eUICC that may do this.
    pub eid: EidBytes,
    /// Greater than that of every package before.
    pub counter: u64,
    /// `eimTransactionId`, tag `82`: 1 to 16 bytes, which the result repeats.
    pub transaction_id: Option<Vec<u8>>,
    /// `euiccPackage`: the operations.
    pub package: EuiccPackage,
}

impl EuiccPackageSigned {
    /// Reads `euiccPackageSigned`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccPackageSigned", 0x30, raw)?;
        Ok(Self {
            eim_id: eim_id(&mut f)?,
            eid: f.array(0x5a, "eidValue")?,
            counter: f.integer(0x81, "counterValue")?,
            transaction_id: optional_id(&mut f, 0x82)?,
            package: EuiccPackage::read(&mut f)?,
        })
    }

    /// `euiccPackageSigned` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(
            0x30,
            &[
                &tlv(0x80, &[self.eim_id.as_bytes()]),
                &tlv(0x5a, &[&self.eid]),
                &int(0x81, self.counter),
                &optional_bytes(0x82, self.transaction_id.as_deref()),
                &self.package.to_bytes(),
            ],
        )
    }
}

/// ES10b.LoadEuiccPackage, `BF51`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccPackageRequest {
    /// [`EuiccPackageSigned`] as it was received.
    pub signed: Vec<u8>,
    /// Over [`with_token`] of it.
    pub signature: Signature,
}

impl EuiccPackageRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccPackageRequest", 0xbf51, bytes)?;
        let signed = f.take_raw(0x30, "euiccPackageSigned")?.to_vec();
        Ok(Self { signed, signature: f.array(0x5f37, "eimSignature")? })
    }

    /// The whole request, `BF51`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(0xbf51, &[&self.signed, &tlv(0x5f37, &[&self.signature])])
    }
}
