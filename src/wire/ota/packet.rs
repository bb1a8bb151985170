//! What command and response packets have in common (TS 102 225 clauses 5.1 and 5.2): lengths and a head in clear, then
//! counter, padding counter, checksum and data, which may be ciphered. The checksum is made first, over all of it but
//! itself, padding included.

use super::keys::Protection;
use super::{Counter, OtaError};

/// A packet taken apart as far as no key is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outer<'a> {
    /// The octets up to the end of the head, both length fields included.
    front: &'a [u8],
    /// What the header length says.
    pub(super) header_length: u8,
    pub(super) head: &'a [u8],
    secured: &'a [u8],
}

impl<'a> Outer<'a> {
    /// Takes the packet `bytes` apart, whose head has `head` octets.
    pub(super) fn read(bytes: &'a [u8], head: usize) -> Result<Self, OtaError> {
        let cut_off = OtaError::Header { found: bytes.len() };
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(cut_off.clone())?;
        let announced = usize::from(u16::from_be_bytes(*length));
        if announced != rest.len() {
            return Err(OtaError::Length { announced, found: rest.len() });
        }
        let (front, secured) = bytes.split_at_checked(3 + head).ok_or(cut_off.clone())?;
        let (&header_length, head) = front.get(2..).and_then(<[u8]>::split_first).ok_or(cut_off)?;
        Ok(Self { front, header_length, head, secured })
    }

    /// Deciphers and checks. Returns the counter, what stands between it and the checksum, of which there are `N`
    /// octets, and the data.
    pub(super) fn open<const N: usize>(
        &self,
        protection: &Protection<'_>,
        prefix: &[u8],
    ) -> Result<(Counter, [u8; N], Vec<u8>), OtaError> {
        let expected = header_length(self.head.len(), N, protection);
        if usize::from(self.header_length) != expected {
            return Err(OtaError::HeaderLength { found: self.header_length.into(), expected });
        }
        let clear = protection.decipher(self.secured)?;
        let short = OtaError::Header { found: self.front.len() + self.secured.len() };
        let (&[a, b, c, d, e, padding], rest) = clear.split_first_chunk::<6>().ok_or(short.clone())?;
        let (&between, rest) = rest.split_first_chunk::<N>().ok_or(short.clone())?;
        let (checksum, data) = rest.split_at_checked(protection.checksum_octets()).ok_or(short)?;
        let (padding, most) = (usize::from(padding), protection.padding_max().min(data.len()));
        let end = data.len().checked_sub(padding).filter(|_| padding <= most);
        let end = end.ok_or(OtaError::Padding { padding, most })?;
        let covered = [prefix, self.front, &clear[..6 + N], data].concat();
        protection.verify(&covered, checksum)?;
        Ok((Counter::from_bytes([a, b, c, d, e]), between, data[..end].to_vec()))
    }
}

/// Makes a packet: `between` stands behind the padding counter, and `prefix` before the packet where the checksum is
/// made.
pub(super) fn seal(
    protection: &Protection<'_>,
    prefix: &[u8],
    head: &[u8],
    counter: Counter,
    between: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, OtaError> {
    let fields = 6 + between.len() + protection.checksum_octets();
    let padding = protection.padding(fields + data.len());
    let length = 1 + head.len() + fields + data.len() + padding;
    let most = usize::from(u16::MAX) - (length - data.len());
    let length = u16::try_from(length).map_err(|_| OtaError::TooLong { octets: data.len(), most })?;
    let header_length = header_length(head.len(), between.len(), protection) as u8;

    let front = [&length.to_be_bytes()[..], &[header_length], head].concat();
    let counted = [&counter.to_bytes()[..], &[padding as u8], between].concat();
    let padded = [data, &vec![0; padding]].concat();
    let checksum = protection.checksum(&[prefix, &front, &counted, &padded].concat());
    let mut secured = [counted, checksum, padded].concat();
    if let Some(key) = protection.cipher {
        key.encipher(&mut secured);
    }
    Ok([front, secured].concat())
}

/// The header length: all from behind itself to the end of the checksum.
fn header_length(head: usize, between: usize, protection: &Protection<'_>) -> usize {
    head + 6 + between + protection.checksum_octets()
}
