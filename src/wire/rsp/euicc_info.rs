//! What an eUICC says of itself: EUICCInfo1 and EUICCInfo2 (SGP.22 clauses 4.3 and 5.7.8, annex H).

use super::RspError;
use super::fields::{Fields, int, tlv};

/// Major, minor and revision.
pub type Version = [u8; 3];

/// EUICCInfo1, `BF20`: what a server needs to choose its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccInfo1 {
    /// `svn`, tag `82`: the version of SGP.22 that the eUICC supports.
    pub svn: Version,
    /// Subject key identifiers of the CI keys that the eUICC verifies with.
    pub ci_for_verification: Vec<Vec<u8>>,
    /// Subject key identifiers of the CI keys under which the eUICC signs.
    pub ci_for_signing: Vec<Vec<u8>>,
}

impl EuiccInfo1 {
    /// The request for it.
    pub fn request() -> Vec<u8> {
        tlv(0xbf20, &[])
    }

    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EUICCInfo1", 0xbf20, bytes)?;
        Ok(Self {
            svn: f.array(0x82, "svn")?,
            ci_for_verification: key_ids(&mut f, 0xa9, "euiccCiPKIdListForVerification")?,
            ci_for_signing: key_ids(&mut f, 0xaa, "euiccCiPKIdListForSigning")?,
        })
    }

    /// The response, `BF20`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let verification = push_key_ids(0xa9, &self.ci_for_verification);
        let signing = push_key_ids(0xaa, &self.ci_for_signing);
        tlv(0xbf20, &[&tlv(0x82, &[&self.svn]), &verification, &signing])
    }
}

/// EUICCInfo2, `BF22`. Fields that are BIT STRINGs are kept with their count of unused bits in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccInfo2 {
    /// Version of the profile package format.
    pub profile_version: Version,
    /// Version of SGP.22.
    pub svn: Version,
    /// `euiccFirmwareVer`, tag `83`: the maker's own version.
    pub firmware: Version,
    /// Installed applications, free non-volatile and free volatile memory (TS 102 226 clause 8.2.1.7.2), tags `81`
    /// to `83`.
    pub ext_card_resource: Vec<u8>,
    /// UICCCapability, a BIT STRING.
    pub uicc_capability: Vec<u8>,
    /// `ts102241Version`, tag `86`: the version of the Java Card API for UICCs (TS 102 241).
    pub ts102241_version: Option<Version>,
    /// `globalplatformVersion`, tag `87`: the version of the GlobalPlatform Card Specification.
    pub globalplatform_version: Option<Version>,
    /// RspCapability, a BIT STRING.
    pub rsp_capability: Vec<u8>,
    /// `euiccCiPKIdListForVerification`, tag `A9`, as in [`EuiccInfo1`].
    pub ci_for_verification: Vec<Vec<u8>>,
    /// `euiccCiPKIdListForSigning`, tag `AA`, as in [`EuiccInfo1`].
    pub ci_for_signing: Vec<Vec<u8>>,
    /// Category of the eUICC: other (0), basic (1), medium (2), contactless (3).
    pub category: Option<u64>,
    /// PprIds that no profile may have, a BIT STRING.
    pub forbidden_rules: Option<Vec<u8>>,
    /// Version of the protection profile.
    pub pp_version: Version,
    /// `sasAcreditationNumber` (so spelt there), tag `0C`: the accreditation of the site that made the eUICC.
    pub sas_accreditation_number: String,
    /// What follows behind: certification data, and what SGP.22 v3 and SGP.32 add, as it was received.
    pub further: Vec<u8>,
}

impl EuiccInfo2 {
    /// The request for it.
    pub fn request() -> Vec<u8> {
        tlv(0xbf22, &[])
    }

    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EUICCInfo2", 0xbf22, bytes)?;
        let version = |f: &Fields<'_>, value: Option<&[u8]>, field| {
            value.map(|value| f.exactly(value, field)).transpose()
        };
        Ok(Self {
            profile_version: f.array(0x81, "profileVersion")?,
            svn: f.array(0x82, "svn")?,
            firmware: f.array(0x83, "euiccFirmwareVer")?,
            ext_card_resource: f.take(0x84, "extCardResource")?.to_vec(),
            uicc_capability: f.take(0x85, "uiccCapability")?.to_vec(),
            ts102241_version: {
                let value = f.optional(0x86, "ts102241Version")?;
                version(&f, value, "ts102241Version")?
            },
            globalplatform_version: {
                let value = f.optional(0x87, "globalplatformVersion")?;
                version(&f, value, "globalplatformVersion")?
            },
            rsp_capability: f.take(0x88, "rspCapability")?.to_vec(),
            ci_for_verification: key_ids(&mut f, 0xa9, "euiccCiPKIdListForVerification")?,
            ci_for_signing: key_ids(&mut f, 0xaa, "euiccCiPKIdListForSigning")?,
            category: f.optional_integer(0x8b, "euiccCategory")?,
            forbidden_rules: f.optional(0x99, "forbiddenProfilePolicyRules")?.map(<[u8]>::to_vec),
            pp_version: f.array(0x04, "ppVersion")?,
            sas_accreditation_number: f.text(0x0c, "sasAcreditationNumber")?,
            further: f.rest().to_vec(),
        })
    }

    /// The response, `BF22`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let optional = |tag, value: Option<&[u8]>| value.map(|value| tlv(tag, &[value])).unwrap_or_default();
        tlv(
            0xbf22,
            &[
                &tlv(0x81, &[&self.profile_version]),
                &tlv(0x82, &[&self.svn]),
                &tlv(0x83, &[&self.firmware]),
                &tlv(0x84, &[&self.ext_card_resource]),
                &tlv(0x85, &[&self.uicc_capability]),
                &optional(0x86, self.ts102241_version.as_ref().map(|v| &v[..])),
                &optional(0x87, self.globalplatform_version.as_ref().map(|v| &v[..])),
                &tlv(0x88, &[&self.rsp_capability]),
                &push_key_ids(0xa9, &self.ci_for_verification),
                &push_key_ids(0xaa, &self.ci_for_signing),
                &self.category.map(|category| int(0x8b, category)).unwrap_or_default(),
                &optional(0x99, self.forbidden_rules.as_deref()),
                &tlv(0x04, &[&self.pp_version]),
                &tlv(0x0c, &[self.sas_accreditation_number.as_bytes()]),
                &self.further,
            ],
        )
    }
}

fn key_ids(f: &mut Fields<'_>, tag: u16, field: &'static str) -> Result<Vec<Vec<u8>>, RspError> {
    let mut list = f.nested(tag, field)?;
    let mut ids = Vec::new();
    while !list.is_empty() {
        ids.push(list.take(0x04, field)?.to_vec());
    }
    Ok(ids)
}

fn push_key_ids(tag: u16, ids: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = ids.iter().flat_map(|id| tlv(0x04, &[id])).collect();
    tlv(tag, &[&list])
}
