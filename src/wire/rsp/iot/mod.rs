//! What SGP.32 v1.2 adds for devices without a user: the eIM's packages and their results, the functions of ES10b
//! that carry them to the eUICC, and ESipa between IPA and eIM (GSMA SGP.32 clauses 2.11, 5.9, 5.14 and 6.3).
//!
//! Of v1.0 whatever reads without doubt is read as well: the results of an IPA of that version come without an EID
//! and with other places for its notifications. What is written is v1.2.

mod compact;
mod configuration;
mod data;
mod es10;
mod esipa;
mod package;
mod result;
#[cfg(test)]
mod tests;
mod trigger;

pub use compact::{
    CompactAuthenticate, CompactCancel, CompactInstallation, CompactNotification, CompactPrepare,
    compact_authenticate, compact_cancel, compact_prepare,
};
pub use configuration::{
    AddInitialEim, AddInitialEimResponse, Added, EimConfigurationData, EimIdType, EimKey,
    ImmediateEnableConfiguration, configuration_request, configuration_response, parse_configuration_request,
    parse_configuration_response,
};
pub use data::{
    Certificates, EuiccData, IpaCapabilities, IpaEuiccDataRequest, IpaEuiccDataResponse, NotificationSearch,
    Retrieved, certificates_request, parse_certificates_request, parse_certificates_response,
};
pub use es10::{
    FALLBACK, IMMEDIATE_ENABLE, MemoryReset, MemoryResetOptions, ProfileRollback, RETURN_FROM_FALLBACK,
    parse_refresh_request, refresh_request, rollback_request,
};
pub use esipa::{
    EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, GetEimPackage, InitiateAuthenticationOk,
    NotificationForEim, ProvideEimPackageResult, StateChangeCause,
};
pub use package::{Eco, EuiccPackage, EuiccPackageRequest, EuiccPackageSigned, Psmo, with_token};
pub use result::{
    AddEimResult, EimIdInfo, EuiccPackageErrorData, EuiccPackageResult, EuiccPackageResultData,
    EuiccResultData, ListEimResult, Operation, package_error_name,
};
pub use trigger::{
    DownloadTrigger, ProfileDownloadTriggerRequest, ProfileDownloadTriggerResult, TriggerOutcome,
    acknowledgements, parse_acknowledgements,
};

use super::RspError;
use super::fields::{Fields, tlv};
use crate::wire::tlv as codec;

/// The `eimId`: 1 to 128 bytes of UTF-8 under `80`.
fn eim_id(f: &mut Fields<'_>) -> Result<String, RspError> {
    let id = f.text(0x80, "eimId")?;
    if (1..=128).contains(&id.len()) { Ok(id) } else { Err(f.wrong("eimId", "it has 1 to 128 bytes")) }
}

/// A TransactionId under `tag`, where there is one.
fn optional_id(f: &mut Fields<'_>, tag: u16) -> Result<Option<Vec<u8>>, RspError> {
    match f.optional(tag, "eimTransactionId")? {
        Some(id) if (1..=16).contains(&id.len()) => Ok(Some(id.to_vec())),
        Some(_) => Err(f.wrong("eimTransactionId", "it has 1 to 16 bytes")),
        None => Ok(None),
    }
}

/// A data object with `value`; nothing where there is none.
fn optional_bytes(tag: u16, value: Option<&[u8]>) -> Vec<u8> {
    value.map(|value| tlv(tag, &[value])).unwrap_or_default()
}

/// A NULL that is there or not.
fn flag(tag: u16, set: bool) -> Vec<u8> {
    if set { tlv(tag, &[]) } else { Vec::new() }
}

/// The next field as it was received, whatever it is.
fn any_raw<'a>(f: &mut Fields<'a>, field: &'static str) -> Result<&'a [u8], RspError> {
    match f.peek() {
        Some(tag) => f.take_raw(tag, field),
        // Says what is wrong with the tag or the length.
        None => f.take_raw(0, field),
    }
}

/// All fields that are left, each as it was received.
fn all_raw(mut f: Fields<'_>, field: &'static str) -> Result<Vec<Vec<u8>>, RspError> {
    let mut out = Vec::new();
    while !f.is_empty() {
        out.push(any_raw(&mut f, field)?.to_vec());
    }
    Ok(out)
}

/// A SEQUENCE such as a certificate whose own tag is replaced by `tag` (X.690 clause 8.14.3).
fn retagged(tag: u16, sequence: &[u8]) -> Vec<u8> {
    let value =
        codec::header(sequence).map_or(sequence, |(_, length, value)| &value[..length.min(value.len())]);
    tlv(tag, &[value])
}

/// The SEQUENCE whose tag was replaced by `tag`.
fn optional_sequence(f: &mut Fields<'_>, tag: u16, field: &'static str) -> Result<Option<Vec<u8>>, RspError> {
    Ok(f.optional(tag, field)?.map(|value| tlv(0x30, &[value])))
}
