//! The messages of remote SIM provisioning (SGP.22, SGP.32): any bytes are one or refused, and what is written of what was
//! read is read again as it was.

use cellbed::wire::rsp::iot::{
    AddInitialEim, AddInitialEimResponse, CompactNotification, EimConfigurationData, EsipaRequest,
    EsipaResponse, EuiccPackage, EuiccPackageErrorData, EuiccPackageRequest, EuiccPackageResult,
    EuiccPackageResultData, EuiccPackageSigned, ImmediateEnableConfiguration, IpaEuiccDataRequest,
    IpaEuiccDataResponse, MemoryReset, ProfileDownloadTriggerRequest, ProfileDownloadTriggerResult,
    ProfileRollback, Retrieved, parse_acknowledgements, parse_certificates_request,
    parse_certificates_response, parse_configuration_request, parse_configuration_response,
};
use cellbed::wire::rsp::{
    AuthenticateServerRequest, AuthenticateServerResponse, BoundProfilePackage, CancelSessionRequest,
    CancelSessionResponse, ConfiguredAddresses, EuiccCancelSessionSigned, EuiccInfo1, EuiccInfo2,
    EuiccSigned1, EuiccSigned2, InitialiseSecureChannel, ListNotificationRequest, NotificationMetadata,
    PendingNotification, PrepareDownloadRequest, PrepareDownloadResponse, ProfileFilter, ProfileInfo,
    ProfileInstallationResult, ProfileInstallationResultData, ProfileMetadata, ReplaceSessionKeys,
    RetrieveNotifications, ServerSigned1, SmdpSigned2, Switch, parse_challenge_response,
    parse_notification_list, parse_pending_list, parse_profile_list,
};

macro_rules! read_again {
    ($bytes:ident: $($message:ty),*) => {$(
        if let Ok(message) = <$message>::parse($bytes) {
            let written = message.to_bytes();
            assert!(<$message>::parse(&written).as_ref() == Ok(&message), "{}", stringify!($message));
        }
    )*};
}

/// Any bytes.
pub fn run(bytes: &[u8]) {
    read_again!(bytes: ServerSigned1, AuthenticateServerRequest, EuiccSigned1, AuthenticateServerResponse);
    read_again!(bytes: InitialiseSecureChannel, ReplaceSessionKeys, BoundProfilePackage);
    read_again!(bytes: SmdpSigned2, PrepareDownloadRequest, EuiccSigned2, PrepareDownloadResponse);
    read_again!(bytes: CancelSessionRequest, EuiccCancelSessionSigned, CancelSessionResponse);
    read_again!(bytes: EuiccInfo1, EuiccInfo2, NotificationMetadata, ProfileInstallationResultData);
    read_again!(bytes: ProfileInstallationResult, PendingNotification, ListNotificationRequest);
    read_again!(bytes: RetrieveNotifications, ProfileMetadata, Switch, ProfileFilter, ProfileInfo);
    read_again!(bytes: ConfiguredAddresses, AddInitialEim, AddInitialEimResponse, IpaEuiccDataRequest);
    read_again!(bytes: IpaEuiccDataResponse, ProfileRollback, MemoryReset, EsipaRequest, EsipaResponse);
    read_again!(bytes: EuiccPackage, EuiccPackageSigned, EuiccPackageRequest, EuiccPackageResultData);
    read_again!(bytes: EuiccPackageErrorData, EuiccPackageResult, ProfileDownloadTriggerRequest);
    read_again!(bytes: ProfileDownloadTriggerResult);
    let _ = (CompactNotification::parse(bytes).is_ok(), EimConfigurationData::parse(bytes).is_ok());
    let _ = (ImmediateEnableConfiguration::parse(bytes).is_ok(), Retrieved::parse(bytes).is_ok());
    let _ = (parse_challenge_response(bytes).is_ok(), parse_notification_list(bytes).is_ok());
    let _ = (parse_pending_list(bytes).is_ok(), parse_profile_list(bytes).is_ok());
    let _ = (parse_acknowledgements(bytes).is_ok(), parse_certificates_request(bytes).is_ok());
    let _ = (parse_certificates_response(bytes).is_ok(), parse_configuration_request(bytes).is_ok());
    let _ = parse_configuration_response(bytes).is_ok();
}
