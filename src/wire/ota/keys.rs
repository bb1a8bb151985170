//! Key sets, and what is done with them: CBC with an initial vector of zeros, CMAC for AES and CBC-MAC for triple DES
//! (TS 102 225 clauses 5.1.2 and 5.1.3). Single DES is not taken: its keys are found in hours.

use std::fmt;

use aes::cipher::{BlockCipher, BlockDecryptMut, BlockEncryptMut, BlockSizeUser, InnerIvInit, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use aws_lc_rs::constant_time;
use cmac::{Cmac, Mac};
use des::{TdesEde2, TdesEde3};
use zeroize::Zeroize;

use super::crc::Crc;
use super::{Check, Header, OtaError, Spi, Tar};

/// Why octets are no key, or keys no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum KeyError {
    #[error("an AES key has 16, 24 or 32 octets, this one has {found}")]
    Aes { found: usize },
    #[error("a triple DES key has 16 or 24 octets, this one has {found}; single DES is not taken")]
    TripleDes { found: usize },
    #[error("version {0} is none of over-the-air keys, which have 1 to 15")]
    Version(u8),
    #[error("a checksum of {found} octets: AES makes 4 or 8, triple DES 8")]
    Checksum { found: usize },
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// AES with 128 bits.
    Aes128([u8; 16]),
    /// AES with 192 bits.
    Aes192([u8; 24]),
    /// AES with 256 bits.
    Aes256([u8; 32]),
    /// Two keys, of which the first is used again as the third.
    TripleDes2([u8; 16]),
    /// Three keys.
    TripleDes3([u8; 24]),
}

impl Key {
    /// An AES key.
    ///
    /// # Errors
    /// [`KeyError::Aes`] for a length that AES has not.
    pub fn aes(octets: &[u8]) -> Result<Self, KeyError> {
        match octets.len() {
            16 => octets.try_into().map(Self::Aes128),
            24 => octets.try_into().map(Self::Aes192),
            _ => octets.try_into().map(Self::Aes256),
        }
        .map_err(|_| KeyError::Aes { found: octets.len() })
    }

    /// A key of triple DES.
    ///
    /// # Errors
    /// [`KeyError::TripleDes`] for a length that it has not.
    pub fn triple_des(octets: &[u8]) -> Result<Self, KeyError> {
        match octets.len() {
            16 => octets.try_into().map(Self::TripleDes2),
            _ => octets.try_into().map(Self::TripleDes3),
        }
        .map_err(|_| KeyError::TripleDes { found: octets.len() })
    }

    /// The octets of the key, for who keeps it.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Aes128(key) | Self::TripleDes2(key) => key,
            Self::Aes192(key) | Self::TripleDes3(key) => key,
            Self::Aes256(key) => key,
        }
    }

    /// Whether it is of AES.
    pub fn is_aes(&self) -> bool {
        matches!(self, Self::Aes128(_) | Self::Aes192(_) | Self::Aes256(_))
    }

    /// The half octet that names the algorithm in KIc and KID.
    pub fn algorithm(&self) -> u8 {
        match self {
            Self::Aes128(_) | Self::Aes192(_) | Self::Aes256(_) => 0x2,
            Self::TripleDes2(_) => 0x5,
            Self::TripleDes3(_) => 0x9,
        }
    }

    /// Octets of a block.
    pub(super) fn block(&self) -> usize {
        if self.is_aes() { 16 } else { 8 }
    }

    /// Enciphers whole blocks.
    pub(super) fn encipher(&self, data: &mut [u8]) {
        match self {
            Self::Aes128(key) => encipher(Aes128::new(key.into()), data),
            Self::Aes192(key) => encipher(Aes192::new(key.into()), data),
            Self::Aes256(key) => encipher(Aes256::new(key.into()), data),
            Self::TripleDes2(key) => encipher(TdesEde2::new(key.into()), data),
            Self::TripleDes3(key) => encipher(TdesEde3::new(key.into()), data),
        }
    }

    /// Deciphers whole blocks.
    pub(super) fn decipher(&self, data: &mut [u8]) {
        match self {
            Self::Aes128(key) => decipher(Aes128::new(key.into()), data),
            Self::Aes192(key) => decipher(Aes192::new(key.into()), data),
            Self::Aes256(key) => decipher(Aes256::new(key.into()), data),
            Self::TripleDes2(key) => decipher(TdesEde2::new(key.into()), data),
            Self::TripleDes3(key) => decipher(TdesEde3::new(key.into()), data),
        }
    }

    /// The whole checksum over `data`: 16 octets of AES, 8 of triple DES.
    fn checksum(&self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Aes128(key) => cmac(<Cmac<Aes128> as KeyInit>::new(key.into()), data),
            Self::Aes192(key) => cmac(<Cmac<Aes192> as KeyInit>::new(key.into()), data),
            Self::Aes256(key) => cmac(<Cmac<Aes256> as KeyInit>::new(key.into()), data),
            Self::TripleDes2(_) | Self::TripleDes3(_) => {
                let mut blocks = data.to_vec();
                blocks.resize(data.len().next_multiple_of(8), 0);
                self.encipher(&mut blocks);
                blocks.split_off(blocks.len().saturating_sub(8))
            }
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        match self {
            Self::Aes128(key) | Self::TripleDes2(key) => key.zeroize(),
            Self::Aes192(key) | Self::TripleDes3(key) => key.zeroize(),
            Self::Aes256(key) => key.zeroize(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} key of {} bits",
            if self.is_aes() { "AES" } else { "triple DES" },
            self.octets().len() * 8
        )
    }
}

fn cmac(mac: impl Mac, data: &[u8]) -> Vec<u8> {
    mac.chain_update(data).finalize().into_bytes().to_vec()
}

/// `C` in CBC from zeros, over whole blocks.
fn encipher<C: BlockCipher + BlockEncryptMut + BlockSizeUser>(cipher: C, data: &mut [u8]) {
    let mut cbc = cbc::Encryptor::<C>::inner_iv_init(cipher, &Default::default());
    for block in data.chunks_exact_mut(C::block_size()) {
        cbc.encrypt_block_mut(block.into());
    }
}

fn decipher<C: BlockCipher + BlockDecryptMut + BlockSizeUser>(cipher: C, data: &mut [u8]) {
    let mut cbc = cbc::Decryptor::<C>::inner_iv_init(cipher, &Default::default());
    for block in data.chunks_exact_mut(C::block_size()) {
        cbc.decrypt_block_mut(block.into());
    }
}

/// The keys of one version that an operator and a security domain of a card share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    version: u8,
    kic: Key,
    kid: Key,
    checksum_octets: usize,
}

impl KeySet {
    /// The set `version`, 1 to 15: `kic` ciphers, `kid` makes checksums of `checksum_octets`.
    ///
    /// # Errors
    /// [`KeyError`] for a version or a length that there is not.
    pub fn new(version: u8, kic: Key, kid: Key, checksum_octets: usize) -> Result<Self, KeyError> {
        if !(1..=15).contains(&version) {
            return Err(KeyError::Version(version));
        }
        if checksum_octets != 8 && !(checksum_octets == 4 && kid.is_aes()) {
            return Err(KeyError::Checksum { found: checksum_octets });
        }
        Ok(Self { version, kic, kid, checksum_octets })
    }

    /// The version, 1 to 15.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The key that ciphers.
    pub fn kic(&self) -> &Key {
        &self.kic
    }

    /// The key that makes checksums.
    pub fn kid(&self) -> &Key {
        &self.kid
    }

    /// Octets of a checksum: 8, or 4 with AES.
    pub fn checksum_octets(&self) -> usize {
        self.checksum_octets
    }

    /// The head of a packet under these keys. A redundancy check is CRC-32.
    pub fn header(&self, spi: Spi, tar: Tar) -> Header {
        let check = if spi.check() == Check::Redundancy { 0x5 } else { self.kid.algorithm() };
        Header { spi, kic: self.version << 4 | self.kic.algorithm(), kid: self.version << 4 | check, tar }
    }
}

/// The key set that this head asks for where it needs one, `None` where it needs none.
fn fitting<'a>(header: &Header, keys: Option<&'a KeySet>) -> Result<Option<&'a KeySet>, OtaError> {
    if !header.spi.needs_keys() {
        return Ok(None);
    }
    let version = header.key_version()?;
    let keys = keys.filter(|keys| version == 0 || keys.version() == version);
    let keys = keys.ok_or(OtaError::NoKeys { version })?;
    let fits = |field, byte: u8, expected: u8| match byte & 0x0f {
        0 => Ok(()),
        nibble if nibble == expected => Ok(()),
        nibble => Err(OtaError::Algorithm { field, nibble, expected }),
    };
    if header.spi.is_ciphered() || header.spi.proof_is_ciphered() {
        fits("KIc", header.kic, keys.kic().algorithm())?;
    }
    if header.spi.check() == Check::Cryptographic || header.spi.proof_check() == Check::Cryptographic {
        fits("KID", header.kid, keys.kid().algorithm())?;
    }
    Ok(Some(keys))
}

/// How one direction of a packet is protected: what TS 102 225 calls its security, with the keys for it at hand.
pub(super) struct Protection<'a> {
    pub(super) cipher: Option<&'a Key>,
    checksum: Checksum<'a>,
}

enum Checksum<'a> {
    None,
    Redundancy(Crc),
    Cryptographic(&'a KeySet),
}

impl<'a> Protection<'a> {
    /// Of the command with this head.
    pub(super) fn of_command(header: &Header, keys: Option<&'a KeySet>) -> Result<Self, OtaError> {
        Self::of(header, keys, header.spi.is_ciphered(), header.spi.check())
    }

    /// Of the answer to the command with this head.
    pub(super) fn of_response(header: &Header, keys: Option<&'a KeySet>) -> Result<Self, OtaError> {
        Self::of(header, keys, header.spi.proof_is_ciphered(), header.spi.proof_check())
    }

    /// None at all: of an answer to somebody who has proved nothing.
    pub(super) fn none() -> Self {
        Self { cipher: None, checksum: Checksum::None }
    }

    fn of(header: &Header, keys: Option<&'a KeySet>, ciphered: bool, check: Check) -> Result<Self, OtaError> {
        let keys = fitting(header, keys)?;
        let needed = || keys.ok_or(OtaError::NoKeys { version: header.kid >> 4 });
        let checksum = match check {
            Check::None => Checksum::None,
            Check::Redundancy => {
                Checksum::Redundancy(Crc::of_nibble(header.kid & 0x0f).ok_or(OtaError::Unsupported {
                    what: "a redundancy check other than CRC-16 and CRC-32",
                    instead: "send KID 1 or 5",
                })?)
            }
            Check::Cryptographic => Checksum::Cryptographic(needed()?),
            Check::Signature => {
                return Err(OtaError::Unsupported {
                    what: "a digital signature of packets",
                    instead: "send a cryptographic checksum",
                });
            }
        };
        Ok(Self { cipher: ciphered.then(needed).transpose()?.map(KeySet::kic), checksum })
    }

    /// Octets of the checksum.
    pub(super) fn checksum_octets(&self) -> usize {
        match self.checksum {
            Checksum::None => 0,
            Checksum::Redundancy(crc) => crc.octets(),
            Checksum::Cryptographic(keys) => keys.checksum_octets,
        }
    }

    /// Octets of padding behind `clear` octets that are to be ciphered.
    pub(super) fn padding(&self, clear: usize) -> usize {
        self.cipher.map_or(0, |key| clear.next_multiple_of(key.block()) - clear)
    }

    /// The most octets that may be padding.
    pub(super) fn padding_max(&self) -> usize {
        self.cipher.map_or(0, |key| key.block() - 1)
    }

    /// The checksum over `covered`.
    pub(super) fn checksum(&self, covered: &[u8]) -> Vec<u8> {
        match self.checksum {
            Checksum::None => Vec::new(),
            Checksum::Redundancy(crc) => crc.of(covered),
            Checksum::Cryptographic(keys) => {
                let mut whole = keys.kid.checksum(covered);
                whole.truncate(keys.checksum_octets);
                whole
            }
        }
    }

    /// Whether `found` is the checksum over `covered`, in a time that does not depend on where they differ.
    pub(super) fn verify(&self, covered: &[u8], found: &[u8]) -> Result<(), OtaError> {
        constant_time::verify_slices_are_equal(&self.checksum(covered), found).map_err(|_| OtaError::Checksum)
    }

    /// Deciphers what is ciphered, which has to be whole blocks.
    pub(super) fn decipher(&self, octets: &[u8]) -> Result<Vec<u8>, OtaError> {
        let mut clear = octets.to_vec();
        if let Some(key) = self.cipher {
            if octets.is_empty() || !octets.len().is_multiple_of(key.block()) {
                return Err(OtaError::Blocks { octets: octets.len(), block: key.block() });
            }
            key.decipher(&mut clear);
        }
        Ok(clear)
    }
}
