//! Functions of ES10b that SGP.32 adds and that are little more than a flag and a code (SGP.32 clauses 5.9.5,
//! 5.9.15, 5.9.16, 5.9.20 and 5.9.21).

use super::super::RspError;
use super::super::fields::{Fields, bits, boolean, int, tlv};

/// ES10b.ImmediateEnable: enables the profile that was just installed, if that was allowed before. Its response is a
/// code under `80`: ok (0), immediateEnableNotAvailable (1), noSessionContext (4), catBusy (5), undefinedError (127).
pub const IMMEDIATE_ENABLE: u16 = 0xbf5a;
/// ES10b.ExecuteFallbackMechanism. Its response is a code under `80`: ok (0), profileNotInDisabledState (2), catBusy
/// (5), fallbackNotAvailable (6), commandError (7), ecallActive (104), undefinedError (127).
pub const FALLBACK: u16 = 0xbf5d;
/// ES10b.ReturnFromFallback. Its response is a code under `80`, as that of the fallback.
pub const RETURN_FROM_FALLBACK: u16 = 0xbf5e;
const ROLLBACK: u16 = 0xbf58;

/// A request that says only whether the eUICC is to send REFRESH.
pub fn refresh_request(tag: u16, refresh: bool) -> Vec<u8> {
    tlv(tag, &[&boolean(0x80, refresh)])
}

/// Whether such a request wants REFRESH.
///
/// # Errors
/// Where the bytes are no such message.
pub fn parse_refresh_request(tag: u16, bytes: &[u8]) -> Result<bool, RspError> {
    let mut f = Fields::open("request with refreshFlag", tag, bytes)?;
    // v1.0 has no flag in the predecessor of ImmediateEnable.
    if tag == IMMEDIATE_ENABLE && f.is_empty() { Ok(false) } else { f.boolean(0x80, "refreshFlag") }
}

/// ES10b.ProfileRollback, `BF58`: back to the profile that was enabled before.
pub fn rollback_request(refresh: bool) -> Vec<u8> {
    refresh_request(ROLLBACK, refresh)
}

/// The response of ES10b.ProfileRollback, `BF58`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileRollback {
    /// ok (0), rollbackNotAllowed (1), catBusy (5), commandError (7), undefinedError (127).
    pub code: u64,
    /// The result for the eIM, `BF51`, as the eUICC gave it.
    pub result: Option<Vec<u8>>,
}

impl ProfileRollback {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileRollbackResponse", ROLLBACK, bytes)?;
        let code = f.integer(0x02, "cmdResult")?;
        Ok(Self { code, result: f.optional_raw(0xbf51, "eUICCPackageResult")?.map(<[u8]>::to_vec) })
    }

    /// The whole response, `BF58`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(ROLLBACK, &[&int(0x02, self.code), self.result.as_deref().unwrap_or_default()])
    }
}

/// What ES10b.EuiccMemoryReset is to reset, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryResetOptions(pub u8);

impl MemoryResetOptions {
    /// `deleteOperationalProfiles`.
    pub const OPERATIONAL_PROFILES: u8 = 0x80;
    /// `deleteFieldLoadedTestProfiles`: test profiles that came by download.
    pub const FIELD_LOADED_TEST_PROFILES: u8 = 0x40;
    /// `resetDefaultSmdpAddress`: to the value that the maker gave.
    pub const DEFAULT_SMDP_ADDRESS: u8 = 0x20;
    /// `deletePreLoadedTestProfiles`: test profiles that the maker put there.
    pub const PRE_LOADED_TEST_PROFILES: u8 = 0x10;
    /// `deleteProvisioningProfiles`.
    pub const PROVISIONING_PROFILES: u8 = 0x08;
    /// `resetEimConfigData`: the eIMs that were added.
    pub const EIM_CONFIGURATION: u8 = 0x04;
    /// `resetImmediateEnableConfig`: what ConfigureImmediateProfileEnabling has set.
    pub const IMMEDIATE_ENABLE: u8 = 0x02;

    /// # Errors
    /// Where the bytes are no `BF64` request.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        Fields::open("EuiccMemoryResetRequest", 0xbf64, bytes)?.bits(0x82, "resetOptions").map(Self)
    }

    /// The request, `BF64`.
    pub fn to_bytes(self) -> Vec<u8> {
        tlv(0xbf64, &[&bits(0x82, self.0)])
    }
}

/// The response of ES10b.EuiccMemoryReset, `BF64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryReset {
    /// ok (0), nothingToDelete (1), catBusy (5), ecallActive (104), undefinedError (127).
    pub code: u64,
    /// ok (0), nothingToDelete (1), eimResetNotSupported (2), undefinedError (127).
    pub eim: Option<u64>,
    /// ok (0), resetIECNotSupported (1), undefinedError (127).
    pub immediate_enable: Option<u64>,
}

impl MemoryReset {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccMemoryResetResponse", 0xbf64, bytes)?;
        Ok(Self {
            code: f.integer(0x80, "resetResult")?,
            eim: f.optional_integer(0x81, "resetEimResult")?,
            immediate_enable: f.optional_integer(0x82, "resetImmediateEnableConfigResult")?,
        })
    }

    /// The whole response, `BF64`.
    pub fn to_bytes(self) -> Vec<u8> {
        let number = |tag, number: Option<u64>| number.map(|number| int(tag, number)).unwrap_or_default();
        tlv(0xbf64, &[&int(0x80, self.code), &number(0x81, self.eim), &number(0x82, self.immediate_enable)])
    }
}
