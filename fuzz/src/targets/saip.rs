//! Profile packages: any bytes are a package or refused; what was read is written back byte for byte, and what a package
//! describes is a profile that a card installs or refuses.

use cellbed::card::InstalledProfile;
use cellbed::kernel::RngTree;
use cellbed::wire::saip::{Package, remarks};

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let Ok(package) = Package::decode(bytes) else { return };
    assert_eq!(package.encode(), bytes, "it is written back byte for byte");
    let Ok(image) = package.image() else { return };
    let _ = remarks(&package, &image);
    let Ok(mut profile) = InstalledProfile::install(&image, &RngTree::new(7), &[]) else { return };
    assert_eq!(profile.iccid(), Some(image.iccid));
    let kept = profile.save();
    profile.restore(&kept).expect("a profile takes what it has saved");
}
