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
    /// The verification of one.
    pub verify: Duration,
    /// A Diffie-Hellman agreement on P-256.
    pub agree: Duration,
    /// Opening a segment of a bound profile package and writing what is in it.
    pub segment: Duration,
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
            verify: Duration::from_millis(45),
            agree: Duration::from_millis(60),
            segment: Duration::from_millis(6),
        }
    }
}

/// The chain of STORE DATA commands that a card is taking in: its first tag, which says what will be computed.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreDataChain {
    tag: u16,
}

impl CardModel {
    /// How long an exchange keeps the contacts and the chip busy. The instruction says what is computed:
    /// 88 AUTHENTICATE (TS 31.102), B9 and 2B the IoT SAFE applet's key generation and signature, E2 a function of
    /// the eUICC (SGP.22 clause 5.7), whose last command of a `chain` has it done.
    pub fn exchange(&self, chain: &mut StoreDataChain, command: &[u8], response: &[u8]) -> Duration {
        let octets = u32::try_from(command.len() + response.len()).unwrap_or(u32::MAX);
        let computing = match command.get(1) {
            Some(0x88) => self.authenticate,
            Some(0xb9) => self.generate_key,
            Some(0x2b) => self.sign,
            Some(0xe2) => self.store_data(chain, command, response),
            _ => Duration::ZERO,
        };
        self.turnaround + self.per_octet * octets + computing
    }

    fn store_data(&self, chain: &mut StoreDataChain, command: &[u8], response: &[u8]) -> Duration {
        let &[_, _, p1, block, _, ref data @ ..] = command else { return Duration::ZERO };
        if block == 0 {
            chain.tag = match *data {
                // A tag of two octets.
                [a, b, ..] if a & 0x1f == 0x1f => u16::from_be_bytes([a, b]),
                [a, ..] => u16::from(a),
                [] => 0,
            };
        }
        if p1 & 0x80 == 0 {
            return Duration::ZERO;
        }
        // A result that is signed is announced with its length.
        let signed = if response == [0x90, 0x00] { Duration::ZERO } else { self.sign };
        match chain.tag {
            // AuthenticateServer: the server's certificate and its signature, then the eUICC's own.
            0xbf38 => self.verify * 2 + self.sign,
            // PrepareDownload: the same, and a one-time key pair.
            0xbf21 => self.verify * 2 + self.generate_key + self.sign,
            // InitialiseSecureChannel, at the head of the package.
            0xbf36 => self.verify + self.agree,
            // LoadEuiccPackage.
            0xbf51 => self.verify + self.sign,
            // CancelSession, EnableProfile, DisableProfile, DeleteProfile, ProfileRollback: a notification or result.
            0xbf41 | 0xbf31 | 0xbf32 | 0xbf33 | 0xbf58 => self.sign,
            0x86..=0x88 | 0xa0..=0xa3 => self.segment + signed,
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(chain: &mut StoreDataChain, command: &str, response: &[u8]) -> Duration {
        CardModel::default().exchange(chain, &hex::decode(command).unwrap(), response)
    }

    #[test]
    fn computing_and_octets_both_count() {
        let model = CardModel::default();
        let chain = &mut StoreDataChain::default();
        let select = time(chain, "00a40004023f00", &[0x90, 0x00]);
        assert_eq!(select, Duration::from_micros(500 + 9 * 48));
        assert!(time(chain, "002b8000", &[0x90, 0x00]) > model.sign);
    }

    #[test]
    fn the_last_command_of_a_chain_has_its_function_done() {
        let (model, chain) = (CardModel::default(), &mut StoreDataChain::default());
        let whole = model.verify * 2 + model.sign;
        assert!(time(chain, "81e2110003bf3881", &[0x90, 0x00]) < model.verify);
        assert!(time(chain, "81e291010100", &[0x61, 0x10]) > whole);
        assert!(time(chain, "81e291000386000000", &[0x90, 0x00]) < model.sign);
        assert!(time(chain, "81e291000386000000", &[0x61, 0x10]) > model.sign);
        assert!(time(chain, "81e2", &[0x67, 0x00]) < model.segment);
    }
}
