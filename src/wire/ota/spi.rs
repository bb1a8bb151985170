//! What a packet asks for: the security parameter indicator and the names of the keys (TS 102 225 clauses 5.1.1 to 5.1.3).

use super::{OtaError, Tar};

/// What the sender wants of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CounterMode {
    /// There is none.
    None,
    /// It is there and not checked.
    Unchecked,
    /// It has to be higher than the last one.
    Higher,
    /// It has to be one higher than the last one.
    NextOnly,
}

/// How a packet is protected against change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Not at all.
    None,
    /// A redundancy check, RC: against noise.
    Redundancy,
    /// A cryptographic checksum, CC: against everybody without the key.
    Cryptographic,
    /// A digital signature, DS.
    Signature,
}

impl Check {
    fn of(bits: u8) -> Self {
        match bits & 0x03 {
            0 => Self::None,
            1 => Self::Redundancy,
            2 => Self::Cryptographic,
            _ => Self::Signature,
        }
    }
}

/// When a proof of receipt is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// No proof is wanted.
    Never,
    /// A proof is wanted whatever happens.
    Always,
    /// A proof is wanted only where something went wrong.
    OnError,
    /// A value that the standard keeps for later.
    Reserved,
}

/// The security parameter indicator, SPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spi(pub [u8; 2]);

impl Spi {
    /// A counter that rises, ciphered, with a cryptographic checksum; a proof of receipt that is so as well, in the
    /// report of delivery.
    pub const PROTECTED: Self = Self([0x16, 0x19]);
    /// The same with the proof in a message of its own.
    pub const PROTECTED_BY_SUBMIT: Self = Self([0x16, 0x39]);

    /// What is wanted of the counter.
    pub fn counter(self) -> CounterMode {
        match self.0[0] >> 3 & 0x03 {
            0 => CounterMode::None,
            1 => CounterMode::Unchecked,
            2 => CounterMode::Higher,
            _ => CounterMode::NextOnly,
        }
    }

    /// Whether the command is ciphered.
    pub fn is_ciphered(self) -> bool {
        self.0[0] & 0x04 != 0
    }

    /// How the command is protected against change.
    pub fn check(self) -> Check {
        Check::of(self.0[0])
    }

    /// When a proof of receipt is wanted.
    pub fn proof(self) -> Proof {
        match self.0[1] & 0x03 {
            0 => Proof::Never,
            1 => Proof::Always,
            2 => Proof::OnError,
            _ => Proof::Reserved,
        }
    }

    /// How the proof is protected against change.
    pub fn proof_check(self) -> Check {
        Check::of(self.0[1] >> 2)
    }

    /// Whether the proof is ciphered.
    pub fn proof_is_ciphered(self) -> bool {
        self.0[1] & 0x10 != 0
    }

    /// Whether the proof comes as SMS-SUBMIT and not in the report of delivery.
    pub fn proof_by_submit(self) -> bool {
        self.0[1] & 0x20 != 0
    }

    /// Whether the command is protected at least as the minimum security level `msl` says, an octet in the form of the
    /// first one of an SPI: each of counter, ciphering and check on its own.
    pub fn meets(self, msl: u8) -> bool {
        let least = Self([msl, 0]);
        self.counter() >= least.counter()
            && (self.is_ciphered() || !least.is_ciphered())
            && self.check() >= least.check()
    }

    /// Whether command or proof need a key.
    pub(super) fn needs_keys(self) -> bool {
        let keyed = |check| check >= Check::Cryptographic;
        self.is_ciphered() || self.proof_is_ciphered() || keyed(self.check()) || keyed(self.proof_check())
    }
}

/// What stands in clear at the head of a command packet, and says how it and its answer are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How command and proof are protected.
    pub spi: Spi,
    /// The version of the key that ciphers in the high half octet, its algorithm in the low one.
    pub kic: u8,
    /// The same of the key that makes checksums, or the kind of redundancy check.
    pub kid: u8,
    /// The application that it is for.
    pub tar: Tar,
}

impl Header {
    /// The version of the key set, 1 to 15; 0 where sender and receiver know it without a word.
    ///
    /// # Errors
    /// Where the two keys are not of one set.
    pub fn key_version(&self) -> Result<u8, OtaError> {
        let (kic, kid) = (self.kic >> 4, self.kid >> 4);
        if kic != kid { Err(OtaError::Versions { kic, kid }) } else { Ok(kic) }
    }
}
