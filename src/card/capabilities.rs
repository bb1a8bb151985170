//! What this card has for profiles, in one place: an eUICC announces it (GSMA SGP.22 clause 5.7.8), installation demands
//! no more than it (TCA profile interoperability, `ProfileHeader`), and so does whoever asks whether a card could install a
//! package. How many files a profile may have is [`FILES_MAX`](crate::wire::saip::FILES_MAX), which algorithm takes
//! which options stands with the algorithms.

use super::iot_safe;
use crate::wire::saip::{Image, PackageError, PeStatusCode, Services};

/// The services, by their names in the ASN.1 module. A CSIM is files and keys: no CAVE, no EAP.
const SERVICES: [&str; 12] = [
    "usim",
    "isim",
    "csim",
    "milenage",
    "tuak128",
    "tuak256",
    "usim-test-algorithm",
    "ber-tlv",
    "dfLink",
    "get-identity",
    "profile-a-x25519",
    "profile-b-p256",
];

/// Services that are runtime environments, which have a status of their own.
const RUNTIMES: [&str; 2] = ["javacard", "multos"];

/// Executable code that the card holds, by AID, and its version: the IoT SAFE applet under each of its names, and
/// the security domain of GlobalPlatform.
const CODE: [(&[u8], [u8; 2]); 4] = [
    (&iot_safe::AID_GSMA, [1, 0]),
    (&iot_safe::AID_THALES, [1, 0]),
    (&iot_safe::AID_CIRA, [1, 0]),
    (&DOMAIN_CODE, [1, 0]),
];

/// AID of the code of a security domain on the card (GlobalPlatform UICC Configuration annex A).
pub(super) const DOMAIN_CODE: [u8; 7] = [0xa0, 0, 0, 1, 0x51, 0x53, 0x50];

/// Bytes of profile packages that an eUICC has room for, unless it is made otherwise.
pub(super) const MEMORY_BYTES: usize = 512 * 1024;

/// What the card has to offer.
pub(super) fn services() -> Services {
    Services::of(&SERVICES)
}

/// Refuses an image whose header demands what the card does not have.
pub(super) fn check(image: &Image) -> Result<(), PackageError> {
    if let Some(lacking) = image.mandatory_services.lacking(&services()).first() {
        let status = match RUNTIMES.contains(&lacking.as_str()) {
            true => PeStatusCode::RUNTIME_NOT_SUPPORTED,
            false => PeStatusCode::FEATURE_NOT_SUPPORTED,
        };
        let cause = format!("{lacking} is not supported");
        return Err(refused(image, "eUICC-Mandatory-services", cause, status));
    }
    let held = |aid: &[u8], version: [u8; 2]| CODE.iter().any(|(own, held)| *own == aid && *held >= version);
    match image.mandatory_aids.iter().find(|(aid, version)| !held(aid, *version)) {
        None => Ok(()),
        Some((aid, [major, minor])) => {
            let cause = format!("no code {} of version {major}.{minor} is there", hex::encode_upper(aid));
            let status = PeStatusCode::LIB_NOT_SUPPORTED;
            Err(refused(image, "eUICC-Mandatory-AIDs", cause, status))
        }
    }
}

fn refused(image: &Image, path: &str, cause: String, status: PeStatusCode) -> PackageError {
    let path = path.to_owned();
    PackageError { element: image.header, identification: None, path, cause, status, offset: None }
}
