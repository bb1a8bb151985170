//! Names for what goes to an ISD-R and comes back: the function of ES10 by the tag of its first block, and what of
//! the response is a result (SGP.22 clause 5.7; SGP.32 clause 5.9). Nothing of a profile, key or identity is shown.

use super::{Command, tlv};
use crate::wire::{Label, Proto};

/// Functions by the tag of their request.
const FUNCTIONS: &[(u16, &str)] = &[
    (0xbf20, "ES10b GetEUICCInfo1"),
    (0xbf21, "ES10b PrepareDownload"),
    (0xbf22, "ES10b GetEUICCInfo2"),
    (0xbf28, "ES10b ListNotification"),
    (0xbf29, "ES10c SetNickname"),
    (0xbf2b, "ES10b RetrieveNotificationsList"),
    (0xbf2d, "ES10c GetProfilesInfo"),
    (0xbf2e, "ES10b GetEUICCChallenge"),
    (0xbf30, "ES10b RemoveNotificationFromList"),
    (0xbf31, "ES10c EnableProfile"),
    (0xbf32, "ES10c DisableProfile"),
    (0xbf33, "ES10c DeleteProfile"),
    (0xbf34, "ES10c eUICCMemoryReset"),
    (0xbf35, "ES10b LoadCRL"),
    (0xbf36, "ES10b LoadBoundProfilePackage"),
    (0xbf38, "ES10b AuthenticateServer"),
    (0xbf3c, "ES10a GetEuiccConfiguredAddresses"),
    (0xbf3e, "ES10c GetEID"),
    (0xbf3f, "ES10a SetDefaultDpAddress"),
    (0xbf41, "ES10b CancelSession"),
    (0xbf43, "ES10b GetRAT"),
    (0xbf51, "ES10b LoadEuiccPackage"),
    (0xbf55, "ES10b GetEimConfigurationData"),
    (0xbf56, "ES10b GetCerts"),
    (0xbf57, "ES10b AddInitialEim"),
    (0xbf58, "ES10b ProfileRollback"),
    (0xbf59, "ES10b ConfigureImmediateProfileEnabling"),
    (0xbf5a, "ES10b ImmediateEnable"),
    (0xbf5d, "ES10b ExecuteFallbackMechanism"),
    (0xbf5e, "ES10b ReturnFromFallback"),
    (0xbf64, "ES10b EuiccMemoryReset"),
];

/// The pieces of a bound profile package that follow its first one.
const PIECES: &[(u16, &str)] = &[
    (0xa0, "configure"),
    (0xa1, "metadata"),
    (0x88, "metadata"),
    (0xa2, "keys"),
    (0x87, "segment"),
    (0xa3, "profile"),
    (0x86, "segment"),
];

/// The name of STORE DATA to the ISD-R.
pub(super) fn command(command: &Command<'_>) -> Label {
    let plain = |name: &str| Label::new(Proto::Apdu, name.to_owned());
    if command.p2 != 0 {
        return plain("STORE DATA more").with("block", command.p2);
    }
    let Ok((tag, ..)) = tlv::header(command.data) else { return plain("STORE DATA") };
    if let Some((_, name)) = FUNCTIONS.iter().find(|(known, _)| *known == tag) {
        return plain(name);
    }
    match PIECES.iter().find(|(known, _)| *known == tag) {
        Some((_, piece)) => plain("ES10b LoadBoundProfilePackage").with("piece", *piece),
        None => plain("STORE DATA").with("tag", format!("{tag:02X}")),
    }
}

/// The beginning of a response, with what of it is a result.
pub(super) fn response(answer: Label, data: &[u8]) -> Label {
    let Ok((tag, _, value)) = tlv::header(data) else { return answer };
    let number = |value: &[u8]| value.iter().take(2).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let inner = tlv::header(value).map(|(tag, length, value)| (tag, &value[..length.min(value.len())]));
    match (tag, inner) {
        (0xbf38 | 0xbf21, Ok((0xa1, error))) => match tlv::find(error, 0x02) {
            Ok(code) => answer.with("error", number(code)),
            Err(_) => answer.with("error", "yes"),
        },
        (0xbf38 | 0xbf21 | 0xbf41, Ok((0xa0, _))) => answer.with("result", "ok"),
        (0xbf41, Ok((0x81, code))) => answer.with("error", number(code)),
        (0xbf37, _) => installation(answer, value),
        (0xbf51, Ok((0xa0, _))) => answer.with("result", "signed"),
        (0xbf51, Ok((0xa1, _))) => answer.with("error", "signed"),
        (0xbf51, Ok((0xa2, _))) => answer.with("error", "unsigned"),
        (0xbf29..=0xbf34 | 0xbf3f | 0xbf59..=0xbf5e | 0xbf64, Ok((0x80, code))) if tag != 0xbf2e => {
            answer.with("result", number(code))
        }
        _ => answer,
    }
}

/// ProfileInstallationResult: installed, or command and reason of the error.
fn installation(answer: Label, value: &[u8]) -> Label {
    let error = || {
        let data = tlv::find(value, 0xbf27).ok()?;
        let error = tlv::find(tlv::find(data, 0xa2).ok()?, 0xa1).ok()?;
        Some((*tlv::find(error, 0x80).ok()?.first()?, *tlv::find(error, 0x81).ok()?.first()?))
    };
    match error() {
        Some((command, reason)) => answer.with("command", command).with("error", reason),
        None => answer.with("result", "installed"),
    }
}
