//! From the bytes of a profile package to an installed profile.

use super::super::{InstalledProfile, capabilities};
use super::policy::Identity;
use crate::kernel::RngTree;
use crate::wire::rsp::IccidBytes;
use crate::wire::saip::{
    self, AkaAlgorithm, EuiccResponse, Image, Package, PackageError, PeStatusCode, Subscription,
};

/// A package, installed.
pub(super) struct Made {
    pub(super) profile: InstalledProfile,
    pub(super) iccid: IccidBytes,
    /// `EUICCResponse`.
    pub(super) response: Vec<u8>,
    /// Whether its subscriptions authenticate as those of test profiles may.
    pub(super) test_keys: bool,
    /// Whose subscriber it is, as its files say.
    pub(super) identity: Identity,
}

/// Installs a package. Random numbers come from `rng`, which is this profile's alone; `trust_anchor` is what an IoT
/// SAFE applet is delivered with.
pub(super) fn install(package: &[u8], rng: &RngTree, trust_anchor: &[u8]) -> Result<Made, PackageError> {
    let Tried { image, profile, .. } = tried(package, rng, trust_anchor)?;
    Ok(Made {
        profile,
        iccid: image.iccid,
        response: EuiccResponse::installed(&image.left_out).encode(),
        test_keys: image.subscriptions.iter().all(is_test),
        identity: Identity::of(&image),
    })
}

struct Tried {
    package: Package,
    image: Image,
    profile: InstalledProfile,
}

fn tried(bytes: &[u8], rng: &RngTree, trust_anchor: &[u8]) -> Result<Tried, PackageError> {
    let package = Package::decode(bytes)?;
    let image = package.image()?;
    let profile = InstalledProfile::install(&image, rng, trust_anchor)?;
    Ok(Tried { package, image, profile })
}

/// A package that a card of this program can install.
pub struct Installable {
    /// The package.
    pub package: Package,
    /// What it makes.
    pub image: Image,
    /// What somebody should know of it all the same.
    pub remarks: Vec<String>,
}

/// Whether an empty eUICC could install a package: with the code that installs one.
///
/// # Errors
/// What the card refuses: the element, the place in it, the cause, and the status that the card answers.
pub fn try_package(bytes: &[u8]) -> Result<Installable, PackageError> {
    let Tried { package, image, profile } = tried(bytes, &RngTree::new(0), &[])?;
    if bytes.len() > capabilities::MEMORY_BYTES {
        let (found, room) = (bytes.len(), capabilities::MEMORY_BYTES);
        let cause = format!("the package has {found} bytes; an eUICC has room for {room}");
        let status = PeStatusCode::NOT_ENOUGH_MEMORY;
        return Err(super::super::install::refused(image.header, "", cause, status));
    }
    let mut remarks = saip::remarks(&package, &image);
    remarks.extend(image.left_out.iter().map(|left_out| format!("left out: {left_out}")));
    if profile.lacks_suci() {
        let remark = "the USIM leaves the SUCI to the card (services 124 and 125 of EF.UST), which can make none: \
                      EF.SUCI_Calc_Info_USIM names no scheme with a key that is one";
        remarks.push(remark.to_owned());
    }
    Ok(Installable { package, image, remarks })
}

/// What the SM-DP+ is told of a package that cannot be installed.
pub(super) fn refused_response(error: &PackageError) -> Vec<u8> {
    EuiccResponse::refused(error).encode()
}

/// The test algorithm, or a key that is zero but for its last two bytes.
fn is_test(subscription: &Subscription) -> bool {
    subscription.algorithm == AkaAlgorithm::Test
        || subscription
            .key
            .split_last_chunk::<2>()
            .is_some_and(|(zeros, _)| zeros.iter().all(|byte| *byte == 0))
}
