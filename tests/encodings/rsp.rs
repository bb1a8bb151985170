//! `RSPDefinitions` of SGP.22: ES8+, ES9+, ES10 and ES11.

use cellbed::wire::rsp::{
    AuthenticateServerRequest, AuthenticateServerResponse, BoundProfilePackage, CancelSessionRequest,
    CancelSessionResponse, ConfigureIsdp, ConfiguredAddresses, EuiccCancelSessionSigned, EuiccInfo1,
    EuiccInfo2, EuiccSigned1, EuiccSigned2, InitialiseSecureChannel, ListNotificationRequest,
    NotificationMetadata, PendingNotification, PrepareDownloadRequest, PrepareDownloadResponse,
    ProfileFilter, ProfileInfo, ProfileInstallationResult, ProfileInstallationResultData, ProfileMetadata,
    ReplaceSessionKeys, RetrieveNotifications, RspError, ServerSigned1, SmdpSigned2, Switch,
    challenge_request, challenge_response, notification_sent, parse_challenge_response,
    parse_notification_list, parse_pending_list, parse_profile_list, parse_result, result_response,
};

use crate::python::Python;
use crate::vectors;

const FILE: &str = "rsp.txt";

/// Every type of which this program reads or writes values.
const TYPES: &[&str] = &[
    "EUICCInfo1",
    "EUICCInfo2",
    "CtxParams1",
    "ProfileInfoListRequest",
    "ProfileInfoListResponse",
    "ProfileInfo",
    "StoreMetadataRequest",
    "OperatorId",
    "SmdpSigned2",
    "PrepareDownloadRequest",
    "PrepareDownloadResponse",
    "EUICCSigned2",
    "ServerSigned1",
    "AuthenticateServerRequest",
    "AuthenticateServerResponse",
    "EuiccSigned1",
    "CancelSessionRequest",
    "CancelSessionResponse",
    "EuiccCancelSessionSigned",
    "BoundProfilePackage",
    "ConfigureISDPRequest",
    "GetEuiccChallengeRequest",
    "GetEuiccChallengeResponse",
    "ProfileInstallationResult",
    "ProfileInstallationResultData",
    "ListNotificationRequest",
    "ListNotificationResponse",
    "NotificationMetadata",
    "InitialiseSecureChannelRequest",
    "ReplaceSessionKeysRequest",
    "RetrieveNotificationsListRequest",
    "RetrieveNotificationsListResponse",
    "PendingNotification",
    "NotificationSentRequest",
    "EnableProfileRequest",
    "EnableProfileResponse",
    "DisableProfileRequest",
    "DisableProfileResponse",
    "DeleteProfileRequest",
    "DeleteProfileResponse",
    "EuiccMemoryResetResponse",
    "EuiccConfiguredAddressesRequest",
    "EuiccConfiguredAddressesResponse",
    "SetDefaultDpAddressResponse",
    "SetNicknameResponse",
    "NotificationSentResponse",
    "GetEuiccInfo1Request",
    "GetEuiccInfo2Request",
];

fn again(kind: &str, der: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let same = |wanted: Vec<u8>| {
        if wanted == der { Ok(wanted) } else { Err(format!("it is {}", hex::encode(wanted))) }
    };
    let code = |tag: u16| parse_result(tag, der).map(|code| result_response(tag, code));
    let read: Result<Vec<u8>, RspError> = match kind {
        "EUICCInfo1" => EuiccInfo1::parse(der).map(|v| v.to_bytes()),
        "EUICCInfo2" => EuiccInfo2::parse(der).map(|v| v.to_bytes()),
        "CtxParams1" => context(der),
        "ProfileInfoListRequest" => ProfileFilter::parse(der).map(|v| v.to_bytes()),
        "ProfileInfoListResponse" => parse_profile_list(der).map(|list| ProfileInfo::response(&list)),
        "ProfileInfo" => ProfileInfo::parse(der).map(|v| v.to_bytes()),
        "StoreMetadataRequest" => ProfileMetadata::parse(der).map(|v| v.to_bytes()),
        "OperatorId" => owner(der),
        "SmdpSigned2" => SmdpSigned2::parse(der).map(|v| v.to_bytes()),
        "PrepareDownloadRequest" => PrepareDownloadRequest::parse(der).map(|v| v.to_bytes()),
        "PrepareDownloadResponse" => PrepareDownloadResponse::parse(der).map(|v| v.to_bytes()),
        "EUICCSigned2" => EuiccSigned2::parse(der).map(|v| v.to_bytes()),
        "ServerSigned1" => ServerSigned1::parse(der).map(|v| v.to_bytes()),
        "AuthenticateServerRequest" => AuthenticateServerRequest::parse(der).map(|v| v.to_bytes()),
        "AuthenticateServerResponse" => AuthenticateServerResponse::parse(der).map(|v| v.to_bytes()),
        "EuiccSigned1" => EuiccSigned1::parse(der).map(|v| v.to_bytes()),
        "CancelSessionRequest" => CancelSessionRequest::parse(der).map(|v| v.to_bytes()),
        "CancelSessionResponse" => CancelSessionResponse::parse(der).map(|v| v.to_bytes()),
        "EuiccCancelSessionSigned" => EuiccCancelSessionSigned::parse(der).map(|v| v.to_bytes()),
        "BoundProfilePackage" => BoundProfilePackage::parse(der).map(|v| v.to_bytes()),
        "ConfigureISDPRequest" => ConfigureIsdp::parse(der).map(|v| v.to_bytes()),
        "GetEuiccChallengeRequest" => return Some(same(challenge_request())),
        "GetEuiccChallengeResponse" => parse_challenge_response(der).map(|v| challenge_response(&v)),
        "ProfileInstallationResult" => ProfileInstallationResult::parse(der).map(|v| v.to_bytes()),
        "ProfileInstallationResultData" => ProfileInstallationResultData::parse(der).map(|v| v.to_bytes()),
        "ListNotificationRequest" => ListNotificationRequest::parse(der).map(|v| v.to_bytes()),
        "ListNotificationResponse" => {
            parse_notification_list(der).map(|list| ListNotificationRequest::response(&list))
        }
        "NotificationMetadata" => NotificationMetadata::parse(der).map(|v| v.to_bytes()),
        "InitialiseSecureChannelRequest" => InitialiseSecureChannel::parse(der).map(|v| v.to_bytes()),
        "ReplaceSessionKeysRequest" => ReplaceSessionKeys::parse(der).map(|v| v.to_bytes()),
        "RetrieveNotificationsListRequest" => RetrieveNotifications::parse(der).map(|v| v.to_bytes()),
        "RetrieveNotificationsListResponse" => {
            parse_pending_list(der).map(|list| RetrieveNotifications::response(&list))
        }
        "PendingNotification" => PendingNotification::parse(der).map(|v| v.to_bytes()),
        "NotificationSentRequest" => parse_result(0xbf30, der).map(notification_sent),
        "NotificationSentResponse" => code(0xbf30),
        "EnableProfileRequest" | "DisableProfileRequest" | "DeleteProfileRequest" => {
            Switch::parse(der).map(|v| v.to_bytes())
        }
        "EnableProfileResponse" => code(0xbf31),
        "DisableProfileResponse" => code(0xbf32),
        "DeleteProfileResponse" => code(0xbf33),
        "EuiccMemoryResetResponse" => code(0xbf34),
        "SetDefaultDpAddressResponse" => code(0xbf3f),
        "SetNicknameResponse" => code(0xbf29),
        "EuiccConfiguredAddressesRequest" => return Some(same(ConfiguredAddresses::request())),
        "EuiccConfiguredAddressesResponse" => ConfiguredAddresses::parse(der).map(|v| v.to_bytes()),
        "GetEuiccInfo1Request" => return Some(same(EuiccInfo1::request())),
        "GetEuiccInfo2Request" => return Some(same(EuiccInfo2::request())),
        _ => return None,
    };
    Some(read.map_err(|error| error.to_string()))
}

/// What stands around an inner structure, and the structure out of it again.
fn inside(
    before: &[u8],
    der: &[u8],
    tag: &[u8],
    read: impl Fn(&[u8]) -> Result<Vec<u8>, RspError>,
) -> Result<Vec<u8>, RspError> {
    let length = before.len() + der.len();
    let outer = [tag, &[0x82], &(length as u16).to_be_bytes(), before, der].concat();
    let written = read(&outer)?;
    let start = written.windows(before.len()).position(|window| window == before).unwrap();
    Ok(written[start + before.len()..].to_vec())
}

fn context(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let before = [&[0x30, 0x00, 0x5f, 0x37, 0x40][..], &[7; 64], &[0x04, 0x01, 0x05, 0x30, 0x00]].concat();
    inside(&before, der, &[0xbf, 0x38], |outer| AuthenticateServerRequest::parse(outer).map(|v| v.to_bytes()))
}

/// An OperatorId stands under `B7` in a ProfileInfo.
fn owner(der: &[u8]) -> Result<Vec<u8>, RspError> {
    let retagged = [&[0xb7], &der[1..]].concat();
    let written = inside(&[0x92, 0x01, 0x41], &retagged, &[0xe3], |outer| {
        ProfileInfo::parse(outer).map(|v| v.to_bytes())
    })?;
    Ok([&[0x30], &written[1..]].concat())
}

/// What is not kept or refused on purpose.
const KEPT_OUT: &[(&str, &str, &str)] = &[
    ("ProfileInfoListRequest", "tagList 0 bytes", "an empty list asks for what none asks for"),
    ("ProfileInfoListResponse", "profileInfoListError", "read as an error, not as a list"),
    ("ProfileInfo", "notificationConfigurationInfo empty", "an empty list says what none says"),
    ("StoreMetadataRequest", "notificationConfigurationInfo empty", "an empty list says what none says"),
    ("ListNotificationResponse", "listNotificationsResultError", "read as an error, not as a list"),
    ("RetrieveNotificationsListResponse", "notificationList empty", "answered with noResultAvailable"),
    (
        "RetrieveNotificationsListResponse",
        "notificationsListResultError undefined",
        "read as an error, not as a list",
    ),
];

#[test]
fn what_an_independent_encoder_writes_of_sgp22_is_read_and_written_alike() {
    vectors::are_read_and_written_alike(FILE, again, KEPT_OUT);
}

#[test]
fn the_vectors_of_sgp22_are_those_of_the_independent_encoder() {
    let unproved = "the vectors of SGP.22 are what an independent encoder makes today";
    if let Some(python) = Python::find(unproved) {
        vectors::are_those_of(&python, FILE, "RSPDefinitions", TYPES);
    }
}
