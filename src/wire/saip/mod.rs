//! Profile packages: the Interoperable Profile Format of the Trusted Connectivity Alliance (TCA, before that
//! SIMalliance), versions 2 and 3, in DER.
//!
//! [`Package::decode`] reads a package into its elements and [`Package::encode`] writes them back byte for byte,
//! fields of later versions included.

pub mod aka;
pub mod application;
mod assemble;
mod build;
pub mod codes;
mod der;
mod element;
mod error;
pub mod file;
pub mod header;
mod image;
mod response;
mod rules;
mod services;
mod template;
#[cfg(test)]
mod tests;
mod toolkit;

pub use build::{Draft, FileSpec, SpecKind};
pub use der::{Oid, Raw};
pub use element::{Element, Package};
pub use error::{ElementRef, PackageError, PeStatusCode};
pub use image::{
    AkaAlgorithm, AppletInstance, Attempts, CdmaImage, FILE_BYTES_MAX, FILES_MAX, FileKind, Image, ImageFile,
    LoadPackage, PinImage, PukImage, RfmImage, SecurityDomainImage, SecurityDomainKey, SharedPins, SqnState,
    Subscription,
};
pub use response::{EuiccResponse, PeStatus, ResponseError};
pub use rules::remarks;
pub use services::Services;
pub use template::oid as template_oid;
pub use toolkit::ToolkitParameters;
