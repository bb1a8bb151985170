//! Arithmetic without floats.

/// log2 of `x` in 1/256, rounded down; 0 for 0 and 1.
pub fn log2_q8(x: u64) -> i16 {
    if x < 2 {
        return 0;
    }
    let whole = x.ilog2();
    // The mantissa, at least 1 and below 2, in 31 binary places: squared, it says one more place of the logarithm each time.
    let mut mantissa = if whole <= 31 { x << (31 - whole) } else { x >> (whole - 31) };
    let mut log = whole as i16;
    for _ in 0..8 {
        mantissa = (mantissa * mantissa) >> 31;
        let place = mantissa >> 32;
        log = log << 1 | place as i16;
        mantissa >>= place;
    }
    log
}

/// log2(1 + x) in 1/256.
pub(crate) fn log1p_q8(x: u32) -> i16 {
    log2_q8(u64::from(x) + 1)
}

/// log2(1 + x) in 1/256, of an `x` in 1/65536.
pub(crate) fn log1p_of_q16(x_q16: u64) -> i16 {
    log2_q8(x_q16.saturating_add(1 << 16)) - (16 << 8)
}

/// What stands for `bytes` in a table: FNV-1a of 32 bits, never 0, which is an empty place.
pub fn mark_of(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let hash = bytes
        .into_iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

/// CRC-32 of ISO/IEC 13239, as in Ethernet and zlib.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn logarithms_are_those_of_floats() {
        for x in (1..5_000).chain((1..500).map(|n| n * 7_919_777)).chain([u64::from(u32::MAX), u64::MAX]) {
            let expected = (x as f64).log2() * 256.0;
            let found = f64::from(log2_q8(x));
            assert!(found <= expected + 1e-9 && found > expected - 1.01, "{x}: {found} {expected}");
        }
        assert_eq!([0, 1, 2, 3, 4].map(log2_q8), [0, 0, 256, 405, 512]);
        assert_eq!([0, 1, 3, 1023].map(log1p_q8), [0, 256, 512, 2560]);
        assert_eq!([0, 1 << 16, 1 << 15].map(log1p_of_q16), [0, 256, 149]);
    }

    /// The check value that the catalogue of CRCs has for CRC-32, and FNV's own for 32 bits.
    #[test]
    fn check_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(mark_of(*b"foobar"), 0xbf9c_f968);
    }
}
