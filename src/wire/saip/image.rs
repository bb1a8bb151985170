//! What a profile package says once all its templates are applied: pure data, what a card installs.
//!
//! [`Image`] is made by [`super::Package::image`]. Nothing in it refers back to templates, defaults or file paths of
//! the package: a file has its full content, a link names the file that it shows, a subscription its keys.

use std::fmt;

use super::aka::CdmaParameter;
use super::error::{ElementRef, PackageError};
use super::services::Services;
use super::toolkit::ToolkitParameters;

/// Files that a profile may have; what has more is a mistake or an attack.
pub const FILES_MAX: usize = 2048;
/// Bytes that the files of a profile may hold.
pub const FILE_BYTES_MAX: usize = 512 * 1024;

/// A profile as a card holds it after installation.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Version of the specification that the package was written for: major, minor.
    pub version: (u8, u8),
    /// The profile type of the header, a text that the issuer chose.
    pub profile_type: Option<String>,
    /// As in EF.ICCID: digits as swapped nibbles, filled up with `F`. What that file holds, or if the package
    /// leaves it empty, what the header says.
    pub iccid: [u8; 10],
    /// The header, which demands what the card has to offer.
    pub header: ElementRef,
    /// What the card has to offer: `usim`, `milenage`, `get-identity`.
    pub mandatory_services: Services,
    /// AID and version of executable code that the card has to hold.
    pub mandatory_aids: Vec<(Vec<u8>, [u8; 2])>,
    /// Parents before children; the first one is the MF.
    pub files: Vec<ImageFile>,
    /// PINs and administrative codes.
    pub pins: Vec<PinImage>,
    /// Directories that use the PINs of another directory.
    pub shared_pins: Vec<SharedPins>,
    /// All PUKs of the profile.
    pub puks: Vec<PukImage>,
    /// One per network access application that has an AKA parameter.
    pub subscriptions: Vec<Subscription>,
    /// Instances of applications, in the order in which they are to be made.
    pub applets: Vec<AppletInstance>,
    /// Executable code that the package brings. It is kept and shown.
    pub load_packages: Vec<LoadPackage>,
    /// Security domains, the MNO-SD first where the package has one.
    pub security_domains: Vec<SecurityDomainImage>,
    /// Remote file management applications.
    pub rfm: Vec<RfmImage>,
    /// Keys of CSIMs. They are kept and shown.
    pub cdma: Vec<CdmaImage>,
    /// Elements that are not understood and need not be: the card reports them, and installs the rest.
    pub left_out: Vec<PackageError>,
}

/// The keys of a CSIM.
#[derive(Clone, PartialEq, Eq)]
pub struct CdmaImage {
    /// Which profile element made them.
    pub element: ElementRef,
    /// Place of its ADF in [`Image::files`].
    pub adf: usize,
    /// The element itself.
    pub parameter: CdmaParameter,
}

/// One file of an [`Image`].
#[derive(Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Which profile element made it.
    pub element: ElementRef,
    /// Its name in the ASN.1 module (`ef-imsi`), or `file` for one that generic file management made.
    pub name: &'static str,
    /// Place of the directory that it is in, in [`Image::files`]. The MF names itself.
    pub parent: usize,
    /// File identifier. That of an ADF is temporary: it serves paths inside the package only.
    pub id: u16,
    /// Structure, and what belongs to it.
    pub kind: FileKind,
    /// Short file identifier, 1 to 30.
    pub sfi: Option<u8>,
    /// Value of FCP tag `8B`: identifier of the EF.ARR, number of the record.
    pub security: [u8; 3],
    /// Value of FCP tag `8A` (ETSI TS 102 222 clause 6.3.2.2.2): `05` is operational and activated.
    pub life_cycle: u8,
    /// Special file information (ETSI TS 102 222 clause 6.3.2.2.5): bit 7 is set for a file of high update
    /// activity, bit 8 for one that may be read and updated while it is deactivated.
    pub special: u8,
    /// Exactly as long as the file: fill patterns and what the template gives are applied. Empty for directories,
    /// links and BER-TLV files without objects.
    pub content: Vec<u8>,
}

/// What a file of an [`Image`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// MF, DF, or ADF, which has an AID.
    Directory {
        /// AID of an ADF; `None` for MF and DF.
        aid: Option<Vec<u8>>,
        /// Value of FCP tag `C6` (ETSI TS 102 221 clause 9.5.2): which of the codes that the directory lists are
        /// enabled when the profile is new, and their key references.
        pin_status: Vec<u8>,
    },
    /// A string of bytes (TS 102 221 clause 8.2.2.1).
    Transparent {
        /// Bytes.
        size: usize,
    },
    /// Records, the first one is number 1 (TS 102 221 clause 8.2.2.2).
    LinearFixed {
        /// Bytes of a record.
        record: usize,
        /// How many records.
        count: usize,
    },
    /// Records, of which number 1 is the one that was written last (TS 102 221 clause 8.2.2.3).
    Cyclic {
        /// Bytes of a record.
        record: usize,
        /// How many records.
        count: usize,
    },
    /// ETSI TS 102 221 clause 8.2.2.4. The content is its data objects one behind another.
    BerTlv {
        /// Bytes reserved for the file.
        size: usize,
        /// The largest size that it may grow to, where there is a limit.
        max: Option<usize>,
    },
    /// A file, or a directory with all that is in it, that is another one under this identifier.
    Link {
        /// Place in [`Image::files`] of what it shows. Never a link itself.
        to: usize,
    },
}

/// A PIN or administrative code (ETSI TS 102 221 clause 9.5).
#[derive(Clone, PartialEq, Eq)]
pub struct PinImage {
    /// Which profile element made it.
    pub element: ElementRef,
    /// Place of the directory that it belongs to, in [`Image::files`]; the MF for a global one.
    pub owner: usize,
    /// 1 to 8 application PIN, 129 to 136 second application PIN, 10 to 14 and 138 to 142 administrative codes.
    pub key_reference: u8,
    /// Digits, filled up with `FF`.
    pub value: [u8; 8],
    /// Key reference of the PUK that unblocks it.
    pub puk: Option<u8>,
    /// Bit 1: enabled. Bit 2: may be changed. Bit 3: may be enabled and disabled.
    pub attributes: u8,
    /// How many there are, and how many are left when the profile is new.
    pub attempts: Attempts,
}

impl PinImage {
    /// Whether it has to be verified when the card is delivered.
    pub fn enabled(&self) -> bool {
        self.attributes & 0x01 != 0
    }
}

/// A directory whose PINs are those of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedPins {
    /// Which profile element says so.
    pub element: ElementRef,
    /// Place of the directory in [`Image::files`].
    pub owner: usize,
    /// Place of the directory whose PINs it has.
    pub with: usize,
}

/// What unblocks a PIN.
#[derive(Clone, PartialEq, Eq)]
pub struct PukImage {
    /// Which profile element made it.
    pub element: ElementRef,
    /// 1 to 8, 129 to 136.
    pub key_reference: u8,
    /// Eight digits in ASCII.
    pub value: [u8; 8],
    /// How many there are, and how many are left when the profile is new.
    pub attempts: Attempts,
}

/// How often a code may be given wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// So many after each right one.
    pub max: u8,
    /// So many now; 0 is blocked.
    pub left: u8,
}

impl Attempts {
    /// From the octet that packs both: the maximum in the high nibble.
    pub fn from_octet(octet: u8) -> Self {
        Self { max: octet >> 4, left: octet & 0x0f }
    }

    /// The octet that packs both.
    pub fn octet(self) -> u8 {
        self.max << 4 | (self.left & 0x0f)
    }
}

/// The authentication of one network access application.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which profile element made it.
    pub element: ElementRef,
    /// Place of its ADF in [`Image::files`].
    pub adf: usize,
    /// The algorithm set, which `options`, `key` and `opc` are for.
    pub algorithm: AkaAlgorithm,
    /// Option octet of the algorithm. Bits 3 to 1 give the length of RES: `01` 64 bits, `02` 128 bits.
    pub options: u8,
    /// K: 16 bytes, or 32 for TUAK with a long key.
    pub key: Vec<u8>,
    /// OPc of Milenage, 16 bytes; TOPc of TUAK, 32 bytes; without meaning for the test algorithm.
    pub opc: Vec<u8>,
    /// Rotation constants r1 to r5 of Milenage, in bits.
    pub rotation: [u8; 5],
    /// Exclusive-or constants c1 to c5 of Milenage.
    pub xoring: [[u8; 16]; 5],
    /// How many authentications the card answers before it refuses for good.
    pub counter_max: Option<u32>,
    /// Iterations of Keccak in TUAK.
    pub keccak: u8,
    /// How sequence numbers are checked, and where they begin.
    pub sqn: SqnState,
    /// Place in [`Image::subscriptions`] of the one whose keys and sequence numbers this one uses.
    pub shares_sqn_of: Option<usize>,
}

/// Which algorithm set a subscription uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AkaAlgorithm {
    /// 3GPP TS 35.206.
    Milenage,
    /// 3GPP TS 35.231.
    Tuak,
    /// The test algorithm of 3GPP TS 34.108 clause 8.1.2, which is mostly exclusive-or.
    Test,
}

/// How a subscription checks sequence numbers (3GPP TS 33.102 annex C). Numbers are SEQ without IND: 43 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqnState {
    /// Option octet; `02` is the usual one.
    pub options: u8,
    /// How far SEQ may jump.
    pub delta: u64,
    /// How old SEQ may be against the highest one.
    pub age_limit: u64,
    /// The highest accepted SEQ for each of the 32 values of IND.
    pub initial: [u64; 32],
}

/// An instance of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppletInstance {
    /// Which profile element made it.
    pub element: ElementRef,
    /// The package that the class is in.
    pub load_package: Vec<u8>,
    /// AID of the class in that package.
    pub class: Vec<u8>,
    /// The AID that it is selected by.
    pub instance: Vec<u8>,
    /// AID of the security domain that it belongs to; the MNO-SD where it is absent.
    pub security_domain: Option<Vec<u8>>,
    /// GlobalPlatform privileges, one or three bytes.
    pub privileges: Vec<u8>,
    /// GlobalPlatform life cycle state: `07` is selectable.
    pub life_cycle: u8,
    /// Application specific parameters, the value of tag `C9`.
    pub parameters: Vec<u8>,
    /// How packets over the air reach it, where it is an application of the toolkit.
    pub toolkit: Option<ToolkitParameters>,
    /// STORE DATA values for the instance, in order.
    pub data: Vec<Vec<u8>>,
}

/// Executable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadPackage {
    /// Which profile element brought it.
    pub element: ElementRef,
    /// AID of the load file.
    pub aid: Vec<u8>,
    /// AID of the security domain that it belongs to; the MNO-SD where it is absent.
    pub security_domain: Option<Vec<u8>>,
    /// The load file data block.
    pub block: Vec<u8>,
}

/// A security domain. A card stores and shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecurityDomainImage {
    /// Which profile element made it.
    pub element: ElementRef,
    /// The domain as an application.
    pub instance: AppletInstance,
    /// Its key sets, in the order of the element.
    pub keys: Vec<SecurityDomainKey>,
    /// STORE DATA values for the domain, in order.
    pub data: Vec<Vec<u8>>,
}

/// A key of a security domain.
#[derive(Clone, PartialEq, Eq)]
pub struct SecurityDomainKey {
    /// GlobalPlatform key usage qualifier, one or two bytes.
    pub usage: Vec<u8>,
    /// GlobalPlatform key access: `00` for the domain and its applications, `01` for the domain, `02` for
    /// applications.
    pub access: u8,
    /// GlobalPlatform key identifier.
    pub identifier: u8,
    /// GlobalPlatform key version number, which says what the key set is for.
    pub version: u8,
    /// Counter that goes with the key, where it has one.
    pub counter: Option<Vec<u8>>,
    /// Type, value and MAC length of each component.
    pub components: Vec<(Vec<u8>, Vec<u8>, u8)>,
}

/// A remote file management application (ETSI TS 102 226 clause 8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RfmImage {
    /// Which profile element made it.
    pub element: ElementRef,
    /// The AID of the application.
    pub instance: Vec<u8>,
    /// AID of the security domain whose keys protect its packets; the MNO-SD where it is absent.
    pub security_domain: Option<Vec<u8>>,
    /// Toolkit application references.
    pub tars: Vec<[u8; 3]>,
    /// The first byte of SPI that a packet has to reach (TS 102 225 clause 5.1.1).
    pub minimum_security_level: u8,
    /// What scripts may do outside ADFs.
    pub access_domain: Vec<u8>,
    /// The same for administrative commands.
    pub admin_access_domain: Vec<u8>,
    /// The ADF that scripts start in: AID, access domain, administrative access domain.
    pub adf: Option<(Vec<u8>, Vec<u8>, Vec<u8>)>,
}

impl Image {
    /// Place of the file at `path`: identifiers from the MF on, which is not named itself. ADFs go by their
    /// temporary identifier. Links are followed.
    pub fn find(&self, path: &[u16]) -> Option<usize> {
        let mut at = 0;
        for id in path {
            let mut child = (1..self.files.len())
                .find(|place| self.files[*place].parent == at && self.files[*place].id == *id)?;
            if let FileKind::Link { to } = self.files[child].kind
                && to < self.files.len()
            {
                child = to;
            }
            at = child;
        }
        Some(at)
    }

    /// Place of the ADF whose AID begins with `aid`.
    pub fn adf(&self, aid: &[u8]) -> Option<usize> {
        self.files.iter().position(
            |file| matches!(&file.kind, FileKind::Directory { aid: Some(own), .. } if own.starts_with(aid)),
        )
    }

    /// Place of the file with `id` that stands directly in the directory at `parent`.
    pub fn child(&self, parent: usize, id: u16) -> Option<usize> {
        (1..self.files.len()).find(|place| self.files[*place].parent == parent && self.files[*place].id == id)
    }

    /// Identifiers from the MF to the file at `place`, the MF itself included.
    pub fn path(&self, place: usize) -> Vec<u16> {
        let mut path = vec![self.files[place].id];
        let mut at = place;
        while at != 0 {
            at = self.files[at].parent;
            path.insert(0, self.files[at].id);
        }
        path
    }
}

// What is secret, or names a subscriber, is in no debug output.

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("version", &self.version)
            .field("profile_type", &self.profile_type)
            .field("files", &self.files)
            .field("pins", &self.pins)
            .field("puks", &self.puks)
            .field("subscriptions", &self.subscriptions)
            .field("applets", &self.applets)
            .field("security_domains", &self.security_domains)
            .field("rfm", &self.rfm)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageFile")
            .field("element", &self.element)
            .field("name", &self.name)
            .field("parent", &self.parent)
            .field("id", &format_args!("{:04x}", self.id))
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PinImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinImage")
            .field("owner", &self.owner)
            .field("key_reference", &self.key_reference)
            .field("puk", &self.puk)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PukImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PukImage").field("key_reference", &self.key_reference).finish_non_exhaustive()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("adf", &self.adf)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CdmaImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CdmaImage").field("adf", &self.adf).finish_non_exhaustive()
    }
}

impl fmt::Debug for SecurityDomainImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityDomainImage")
            .field("instance", &self.instance)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SecurityDomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityDomainKey")
            .field("identifier", &self.identifier)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
