//! `SGP32Definitions` of SGP.32: packages of an eIM and their results, ES10b, and ESipa.

use cellbed::wire::rsp::iot::{
    AddInitialEim, AddInitialEimResponse, Certificates, CompactNotification, EimConfigurationData,
    EsipaRequest, EsipaResponse, EuiccPackage, EuiccPackageErrorData, EuiccPackageRequest,
    EuiccPackageResult, EuiccPackageResultData, FALLBACK, IMMEDIATE_ENABLE, ImmediateEnableConfiguration,
    IpaEuiccDataRequest, IpaEuiccDataResponse, MemoryReset, MemoryResetOptions,
    ProfileDownloadTriggerRequest, ProfileDownloadTriggerResult, ProfileRollback, RETURN_FROM_FALLBACK,
    Retrieved, acknowledgements, certificates_request, compact_authenticate, compact_cancel, compact_prepare,
    configuration_request, configuration_response, parse_acknowledgements, parse_certificates_request,
    parse_certificates_response, parse_configuration_request, parse_configuration_response,
    parse_refresh_request, refresh_request, rollback_request,
};
use cellbed::wire::rsp::{
    AuthenticateServerResponse, CancelSessionResponse, EuiccInfo2, PrepareDownloadResponse, ProfileInfo,
    ProfileMetadata, RetrieveNotifications, RspError, parse_result, result_response,
};

use crate::python::Python;
use crate::vectors;

const FILE: &str = "iot.txt";

/// Every type of which this program reads or writes values.
const TYPES: &[&str] = &[
    "EuiccPackageRequest",
    "EuiccPackageSigned",
    "EimConfigurationData",
    "Psmo",
    "Eco",
    "IpaEuiccDataRequest",
    "ProfileDownloadTriggerRequest",
    "EimAcknowledgements",
    "EuiccPackageResult",
    "EuiccPackageResultDataSigned",
    "EuiccPackageErrorDataSigned",
    "EuiccResultData",
    "IpaEuiccDataResponse",
    "ProfileDownloadTriggerResult",
    "ProfileInfo",
    "StoreMetadataRequest",
    "EUICCInfo2",
    "AddInitialEimRequest",
    "AddInitialEimResponse",
    "EuiccMemoryResetRequest",
    "EuiccMemoryResetResponse",
    "GetCertsRequest",
    "GetCertsResponse",
    "RetrieveNotificationsListRequest",
    "RetrieveNotificationsListResponse",
    "ImmediateEnableRequest",
    "ImmediateEnableResponse",
    "ProfileRollbackRequest",
    "ProfileRollbackResponse",
    "ConfigureImmediateProfileEnablingRequest",
    "ConfigureImmediateProfileEnablingResponse",
    "GetEimConfigurationDataRequest",
    "GetEimConfigurationDataResponse",
    "ExecuteFallbackMechanismRequest",
    "ExecuteFallbackMechanismResponse",
    "ReturnFromFallbackRequest",
    "ReturnFromFallbackResponse",
    "SetDefaultDpAddressResponse",
    "PrepareDownloadResponse",
    "AuthenticateServerResponse",
    "PendingNotification",
    "CancelSessionResponse",
    "EsipaMessageFromIpaToEim",
    "EsipaMessageFromEimToIpa",
];

fn again(kind: &str, der: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let code = |tag: u16| parse_result(tag, der).map(|code| result_response(tag, code));
    let refresh = |tag: u16| parse_refresh_request(tag, der).map(|flag| refresh_request(tag, flag));
    let read: Result<Vec<u8>, RspError> = match kind {
        "EuiccPackageRequest" => EuiccPackageRequest::parse(der).map(|v| v.to_bytes()),
        "EuiccPackageSigned" => cellbed::wire::rsp::iot::EuiccPackageSigned::parse(der).map(|v| v.to_bytes()),
        "EimConfigurationData" => EimConfigurationData::parse(der).map(|v| v.to_bytes(0x30)),
        "Psmo" => operation(0xa0, der),
        "Eco" => operation(0xa1, der),
        "IpaEuiccDataRequest" => IpaEuiccDataRequest::parse(der).map(|v| v.to_bytes()),
        "ProfileDownloadTriggerRequest" => ProfileDownloadTriggerRequest::parse(der).map(|v| v.to_bytes()),
        "EimAcknowledgements" => parse_acknowledgements(der).map(|list| acknowledgements(&list)),
        "EuiccPackageResult" => EuiccPackageResult::parse(der).map(|v| v.to_bytes()),
        "EuiccPackageResultDataSigned" => EuiccPackageResultData::parse(der).map(|v| v.to_bytes()),
        "EuiccPackageErrorDataSigned" => EuiccPackageErrorData::parse(der).map(|v| v.to_bytes()),
        "EuiccResultData" => result(der),
        "IpaEuiccDataResponse" => IpaEuiccDataResponse::parse(der).map(|v| v.to_bytes()),
        "ProfileDownloadTriggerResult" => ProfileDownloadTriggerResult::parse(der).map(|v| v.to_bytes()),
        "ProfileInfo" => ProfileInfo::parse(der).map(|v| v.to_bytes()),
        "StoreMetadataRequest" => ProfileMetadata::parse(der).map(|v| v.to_bytes()),
        "EUICCInfo2" => EuiccInfo2::parse(der).map(|v| v.to_bytes()),
        "AddInitialEimRequest" => AddInitialEim::parse(der).map(|v| v.to_bytes()),
        "AddInitialEimResponse" => AddInitialEimResponse::parse(der).map(|v| v.to_bytes()),
        "EuiccMemoryResetRequest" => MemoryResetOptions::parse(der).map(|v| v.to_bytes()),
        "EuiccMemoryResetResponse" => MemoryReset::parse(der).map(|v| v.to_bytes()),
        "GetCertsRequest" => parse_certificates_request(der).map(|id| certificates_request(id.as_deref())),
        "GetCertsResponse" => {
            parse_certificates_response(der).map(|v| Certificates::response(v.as_ref().map_err(|code| *code)))
        }
        "RetrieveNotificationsListRequest" => RetrieveNotifications::parse(der).map(|v| v.to_bytes()),
        "RetrieveNotificationsListResponse" => retrieved(der),
        "ImmediateEnableRequest" => refresh(IMMEDIATE_ENABLE),
        "ImmediateEnableResponse" => code(IMMEDIATE_ENABLE),
        "ProfileRollbackRequest" => parse_refresh_request(0xbf58, der).map(rollback_request),
        "ProfileRollbackResponse" => ProfileRollback::parse(der).map(|v| v.to_bytes()),
        "ConfigureImmediateProfileEnablingRequest" => {
            ImmediateEnableConfiguration::parse(der).map(|v| v.to_bytes(0xbf59))
        }
        "ConfigureImmediateProfileEnablingResponse" => code(0xbf59),
        "GetEimConfigurationDataRequest" => {
            parse_configuration_request(der).map(|id| configuration_request(id.as_deref()))
        }
        "GetEimConfigurationDataResponse" => {
            parse_configuration_response(der).map(|list| configuration_response(&list))
        }
        "ExecuteFallbackMechanismRequest" => refresh(FALLBACK),
        "ExecuteFallbackMechanismResponse" => code(FALLBACK),
        "ReturnFromFallbackRequest" => refresh(RETURN_FROM_FALLBACK),
        "ReturnFromFallbackResponse" => code(RETURN_FROM_FALLBACK),
        "SetDefaultDpAddressResponse" => code(0xbf65),
        "PrepareDownloadResponse" => prepare(der),
        "AuthenticateServerResponse" => authenticate(der),
        "PendingNotification" => notification(der),
        "CancelSessionResponse" => cancel(der),
        "EsipaMessageFromIpaToEim" => EsipaRequest::parse(der).map(|v| v.to_bytes()),
        "EsipaMessageFromEimToIpa" => EsipaResponse::parse(der).map(|v| v.to_bytes()),
        _ => return None,
    };
    Some(read.map_err(|error| error.to_string()))
}

/// A data object, its tag of one or two bytes.
fn tlv(tag: u16, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = match value.len() {
        short @ ..0x80 => vec![short as u8],
        one @ ..0x100 => vec![0x81, one as u8],
        two => [&[0x82][..], &(two as u16).to_be_bytes()].concat(),
    };
    let tag = if tag > 0xff { tag.to_be_bytes().to_vec() } else { vec![tag as u8] };
    [tag, length, value].concat()
}

fn optional(tag: u16, value: Option<&[u8]>) -> Vec<u8> {
    value.map(|value| tlv(tag, &[value])).unwrap_or_default()
}

/// A SEQUENCE under another tag.
fn retagged(tag: u8, sequence: Option<&Vec<u8>>) -> Vec<u8> {
    sequence.map(|sequence| [&[tag], &sequence[1..]].concat()).unwrap_or_default()
}

/// One operation, which has to be known as what it is.
fn operation(list: u16, der: &[u8]) -> Result<Vec<u8>, RspError> {
    let package = EuiccPackage::parse(&tlv(list, &[der]))?;
    if package.names() == ["unknown"] {
        return Err(RspError::Value {
            message: "EuiccPackage",
            field: "operation",
            problem: "it is not known",
        });
    }
    let written = package.to_bytes();
    let header = written.len() - tlv(0x30, &[der]).len() + 2 + usize::from(der.len() > 0x7f);
    Ok(written[header.min(written.len())..].to_vec())
}

/// One result, in the structure that is signed.
fn result(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let before = [&tlv(0x80, &[b"e"])[..], &tlv(0x81, &[&[1]]), &tlv(0x83, &[&[2]])].concat();
    let data = EuiccPackageResultData::parse(&tlv(0x30, &[&before, &tlv(0x30, &[der])]))?;
    Ok(data.results[0].to_bytes())
}

fn retrieved(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let read = Retrieved::parse(der)?;
    Ok(if der.get(3) == Some(&0xa2) || der.get(4) == Some(&0xa2) {
        Retrieved::package_results_response(&read.package_results)
    } else {
        RetrieveNotifications::response(&read.notifications)
    })
}

/// The short forms are only read by this program; what it has read is put together here.
fn prepare(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let Some(compact) = compact_prepare(der)? else {
        return PrepareDownloadResponse::parse(der).map(|v| v.to_bytes());
    };
    let key = optional(0x5f49, compact.euicc_otpk.as_deref());
    let signed = tlv(0x30, &[&key, &optional(0x04, compact.hash_cc.as_ref().map(|hash| &hash[..]))]);
    Ok(tlv(0xbf21, &[&tlv(0xa2, &[&signed, &tlv(0x5f37, &[&compact.signature])])]))
}

fn authenticate(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let Some(compact) = compact_authenticate(der)? else {
        return AuthenticateServerResponse::parse(der).map(|v| v.to_bytes());
    };
    let signed = match &compact.signed {
        Ok(whole) => whole.clone(),
        Err(parts) => {
            let context = optional(0xa2, parts.ctx_params1.as_deref());
            tlv(0xa0, &[&tlv(0x84, &[&parts.ext_card_resource]), &context])
        }
    };
    let own = retagged(0xa1, compact.euicc_certificate.as_ref());
    let eum = retagged(0xa2, compact.eum_certificate.as_ref());
    Ok(tlv(0xbf38, &[&tlv(0xa2, &[&signed, &tlv(0x5f37, &[&compact.signature]), &own, &eum])]))
}

fn cancel(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let Some(compact) = compact_cancel(der)? else {
        return CancelSessionResponse::parse(der).map(|v| v.to_bytes());
    };
    let reason = compact.reason.map(|reason| tlv(0x80, &[&[reason as u8]])).unwrap_or_default();
    Ok(tlv(0xbf41, &[&tlv(0xa2, &[&tlv(0x30, &[&reason]), &tlv(0x5f37, &[&compact.signature])])]))
}

fn notification(der: &[u8]) -> Result<Vec<u8>, RspError> {
    Ok(match CompactNotification::parse(der)? {
        CompactNotification::Full(whole) => whole.to_bytes(),
        CompactNotification::Installation(it) => {
            let number = it.sequence_number.to_be_bytes();
            let first = number.iter().position(|byte| *byte != 0).unwrap_or(7);
            let sign: &[u8] = if number[first] & 0x80 != 0 { &[0] } else { &[] };
            // TRUE is the DEFAULT.
            let present = if it.iccid_present { Vec::new() } else { tlv(0x01, &[&[0]]) };
            let data = tlv(
                0xa0,
                &[
                    &tlv(0x80, &[&it.transaction_id]),
                    &tlv(0x02, &[sign, &number[first..]]),
                    &present,
                    &tlv(0xa2, &[&it.result]),
                ],
            );
            tlv(0xa0, &[&data, &tlv(0x5f37, &[&it.signature])])
        }
        CompactNotification::Other { eid, metadata, signature, ci_key_id } => {
            let written = CompactNotification::other(&metadata, &signature, eid.as_ref());
            match ci_key_id {
                None => written,
                Some(id) => {
                    let eid = optional(0x5a, eid.as_ref().map(|eid| &eid[..]));
                    let signature = tlv(0x5f37, &[&signature]);
                    tlv(0xa1, &[&eid, &metadata, &signature, &tlv(0x04, &[&id])])
                }
            }
        }
    })
}

/// What is not kept or refused on purpose.
const KEPT_OUT: &[(&str, &str, &str)] = &[
    ("Eco", "deleteEim eimId empty", "an eimId has 1 to 128 bytes (SGP.32 clause 2.11.1.1.1)"),
    ("ProfileInfo", "notificationConfigurationInfo empty", "an empty list says what none says"),
    ("StoreMetadataRequest", "notificationConfigurationInfo empty", "an empty list says what none says"),
    (
        "RetrieveNotificationsListResponse",
        "notificationsListResultError undefined",
        "read as an error, not as a list",
    ),
];

#[test]
fn what_an_independent_encoder_writes_of_sgp32_is_read_and_written_alike() {
    vectors::are_read_and_written_alike(FILE, again, KEPT_OUT);
}

#[test]
fn the_vectors_of_sgp32_are_those_of_the_independent_encoder() {
    let unproved = "the vectors of SGP.32 are what an independent encoder makes today";
    if let Some(python) = Python::find(unproved) {
        vectors::are_those_of(&python, FILE, "SGP32Definitions", TYPES);
    }
}
