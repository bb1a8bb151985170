//! The redundancy checks of TS 102 225 clause 5.1.3.2: CRC-16 as in X.25 (ITU-T X.25 clause 2.2.7.4) and CRC-32 as in
//! IEEE 802.3. They find what noise has changed, and nothing that somebody wants to hide.

/// Which redundancy check the KID of a packet names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crc {
    Crc16,
    Crc32,
}

impl Crc {
    /// The check that the algorithm nibble of a KID names.
    pub(super) fn of_nibble(nibble: u8) -> Option<Self> {
        match nibble {
            1 => Some(Self::Crc16),
            5 => Some(Self::Crc32),
            _ => None,
        }
    }

    pub(super) fn octets(self) -> usize {
        match self {
            Self::Crc16 => 2,
            Self::Crc32 => 4,
        }
    }

    /// The check over `data`, most significant octet first.
    pub(super) fn of(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc16 => (!reflected(0x8408, 0xffff, data) as u16).to_be_bytes().to_vec(),
            Self::Crc32 => (!reflected(0xedb8_8320, 0xffff_ffff, data)).to_be_bytes().to_vec(),
        }
    }
}

/// The register after `data`, least significant bit first.
fn reflected(polynomial: u32, register: u32, data: &[u8]) -> u32 {
    data.iter().fold(register, |register, octet| {
        (0..8).fold(register ^ u32::from(*octet), |register, _| {
            (register >> 1) ^ if register & 1 == 1 { polynomial } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_of_the_standards() {
        // TS 102 225 clause 5.1.3.2 has 01 02 03 04 05; the CRC catalogue has the digits.
        assert_eq!(hex::encode(Crc::Crc32.of(&[1, 2, 3, 4, 5])), "470b99f4");
        assert_eq!(hex::encode(Crc::Crc32.of(b"123456789")), "cbf43926");
        assert_eq!(hex::encode(Crc::Crc16.of(b"123456789")), "906e");
    }
}
