//! Why a package cannot be understood or installed, for a person and for the server that sent it.

use std::fmt;

/// A profile element of a package, for whoever has to be told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementRef {
    /// Its place in the package, from 0.
    pub index: usize,
    /// Its name in the ASN.1 module of the specification, such as `opt-usim`.
    pub name: &'static str,
}

impl fmt::Display for ElementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {} ({})", self.index, self.name)
    }
}

/// Status of a profile element (TCA profile interoperability, `PEStatus`). Others than these are status words of
/// ISO/IEC 7816-4 or proprietary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeStatusCode(pub u16);

impl PeStatusCode {
    /// The element was processed.
    pub const OK: Self = Self(0);
    /// The card does not know this element.
    pub const PE_NOT_SUPPORTED: Self = Self(1);
    /// Writing to memory failed.
    pub const MEMORY_FAILURE: Self = Self(2);
    /// A field has a value that it must not have.
    pub const BAD_VALUES: Self = Self(3);
    /// The profile does not fit.
    pub const NOT_ENOUGH_MEMORY: Self = Self(4);
    /// The bytes are no element of the ASN.1 module.
    pub const INVALID_REQUEST_FORMAT: Self = Self(5);
    /// A parameter contradicts another one, or names what is not there.
    pub const INVALID_PARAMETER: Self = Self(6);
    /// The card has no such runtime environment, or not in that version.
    pub const RUNTIME_NOT_SUPPORTED: Self = Self(7);
    /// A library that the code needs is missing.
    pub const LIB_NOT_SUPPORTED: Self = Self(8);
    /// The card does not know the template.
    pub const TEMPLATE_NOT_SUPPORTED: Self = Self(9);
    /// The card lacks what the element needs, such as an algorithm.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(10);
    /// An access rule asks for a code that no element has made.
    pub const PIN_CODE_MISSING: Self = Self(11);
    /// The package is for a version that the card does not know.
    pub const UNSUPPORTED_PROFILE_VERSION: Self = Self(31);

    /// Its name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::OK => "ok",
            Self::PE_NOT_SUPPORTED => "pe-not-supported",
            Self::MEMORY_FAILURE => "memory-failure",
            Self::BAD_VALUES => "bad-values",
            Self::NOT_ENOUGH_MEMORY => "not-enough-memory",
            Self::INVALID_REQUEST_FORMAT => "invalid-request-format",
            Self::INVALID_PARAMETER => "invalid-parameter",
            Self::RUNTIME_NOT_SUPPORTED => "runtime-not-supported",
            Self::LIB_NOT_SUPPORTED => "lib-not-supported",
            Self::TEMPLATE_NOT_SUPPORTED => "template-not-supported",
            Self::FEATURE_NOT_SUPPORTED => "feature-not-supported",
            Self::PIN_CODE_MISSING => "pin-code-missing",
            Self::UNSUPPORTED_PROFILE_VERSION => "unsupported-profile-version",
            Self(0x6000..=0x6fff | 0x9000..=0x9fff) => "ISO 7816 status word",
            Self(0xa000..=0xffff) => "proprietary",
            Self(_) => "reserved",
        }
    }
}

impl fmt::Display for PeStatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// A package, or an element of one, that cannot be understood or installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageError {
    /// Which element it is.
    pub element: ElementRef,
    /// Identification number of the element, where it could be read. The header has none.
    pub identification: Option<u16>,
    /// Place inside the element, such as `ef-imsi/fileDescriptor`. Empty for the element as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub cause: String,
    /// What the card answers.
    pub status: PeStatusCode,
    /// Where the part that is meant begins, in bytes from the start of the element.
    pub offset: Option<u32>,
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.element)?;
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": {} [{}]", self.cause, self.status)
    }
}

impl std::error::Error for PackageError {}
