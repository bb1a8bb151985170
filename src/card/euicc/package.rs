//! From the bytes of a profile package to an installed profile.

use super::super::InstalledProfile;
use crate::kernel::RngTree;
use crate::wire::rsp::IccidBytes;
use crate::wire::saip::{AkaAlgorithm, EuiccResponse, Image, Package, PackageError, Subscription};

/// A package, installed.
pub(super) struct Made {
    pub(super) profile: InstalledProfile,
    pub(super) iccid: IccidBytes,
    /// `EUICCResponse`.
    pub(super) response: Vec<u8>,
    /// Whether its subscriptions authenticate as those of test profiles may.
    pub(super) test_keys: bool,
}

/// Installs a package. Random numbers come from `rng`, which is this profile's alone; `trust_anchor` is what an IoT
/// SAFE applet is delivered with.
pub(super) fn install(package: &[u8], rng: &RngTree, trust_anchor: &[u8]) -> Result<Made, PackageError> {
    let image: Image = Package::decode(package)?.image()?;
    let profile = InstalledProfile::install(&image, rng, trust_anchor)?;
    Ok(Made {
        profile,
        iccid: image.iccid,
        response: EuiccResponse::installed(&image.left_out).encode(),
        test_keys: image.subscriptions.iter().all(is_test),
    })
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
