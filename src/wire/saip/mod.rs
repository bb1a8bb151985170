//! Profile packages: the Interoperable Profile Format of the Trusted Connectivity Alliance (TCA, before that
//! SIMalliance), versions 2 and 3, in DER.

mod error;
mod image;

pub use error::{PackageError, PeStatusCode};
pub use image::{
    AkaAlgorithm, AppletInstance, Attempts, ElementRef, FileKind, Image, ImageFile, LoadPackage, PinImage,
    PukImage, RfmImage, SecurityDomainImage, SecurityDomainKey, SharedPins, SqnState, Subscription,
};
