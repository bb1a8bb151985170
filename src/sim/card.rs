//! What a card costs: the T=0 interface and the chip's arithmetic, as a model of time.

use std::time::Duration;

/// The speed of a card and of its contact interface.
#[derive(Debug, Clone)]
pub struct CardModel {
    /// From command to response, before any computation.
    pub turnaround: Duration,
    /// One octet on the contacts.
    pub per_octet: Duration,
    /// AUTHENTICATE (Milenage).
    pub authenticate: Duration,
    /// Making a P-256 key pair.
    pub generate_key: Duration,
    /// A P-256 signature.
    pub sign: Duration,
}

impl Default for CardModel {
    /// A current UICC with a crypto coprocessor at 4 MHz, F=512/D=32: 12 etu of 16 clocks an octet
    /// (ISO/IEC 7816-3 clause 7.2). The arithmetic is the order of magnitude of data sheets.
    fn default() -> Self {
        Self {
            turnaround: Duration::from_micros(500),
            per_octet: Duration::from_micros(48),
            authenticate: Duration::from_millis(18),
            generate_key: Duration::from_millis(120),
            sign: Duration::from_millis(60),
        }
    }
}

impl CardModel {
    /// How long an exchange keeps the contacts and the chip busy. The instruction says what is computed:
    /// 88 AUTHENTICATE (TS 31.102), B9 and 2B the IoT SAFE applet's key generation and signature.
    pub fn exchange(&self, command: &[u8], response: &[u8]) -> Duration {
        let octets = u32::try_from(command.len() + response.len()).unwrap_or(u32::MAX);
        let computing = match command.get(1) {
            Some(0x88) => self.authenticate,
            Some(0xb9) => self.generate_key,
            Some(0x2b) => self.sign,
            _ => Duration::ZERO,
        };
        self.turnaround + self.per_octet * octets + computing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_and_octets_both_count() {
        let model = CardModel::default();
        let select = model.exchange(&[0x00, 0xa4, 0x00, 0x04, 0x02, 0x3f, 0x00], &[0x90, 0x00]);
        assert_eq!(select, Duration::from_micros(500 + 9 * 48));
        let sign = model.exchange(&[0x00, 0x2b, 0x80, 0x00], &[0x90, 0x00]);
        assert!(sign > model.sign);
    }
}
