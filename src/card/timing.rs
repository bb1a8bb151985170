//! What a card costs: the T=0 interface and the chip's arithmetic, as a model of time.

use std::time::Duration;

use super::{CardOp, Exchange};

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

/// The chain of STORE DATA commands that a card is taking in: its first tag, which says what will be done.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreDataChain {
    tag: u16,
}

impl CardModel {
    /// How long an exchange keeps the contacts and the chip busy. Of the operations with public keys the card says which
    /// it has done; a card in a reader does not, and costs here what its contacts cost. Of what else it computes the
    /// instruction tells: 88 AUTHENTICATE (TS 31.102), E2 a piece of a bound profile package, done with the last command
    /// of a `chain` (SGP.22 clause 2.5.5).
    pub fn exchange(&self, chain: &mut StoreDataChain, exchange: &Exchange) -> Duration {
        let Exchange { command, response, computed, .. } = exchange;
        let octets = u32::try_from(command.len() + response.len()).unwrap_or(u32::MAX);
        let symmetric = match command.get(1) {
            Some(0x88) => self.authenticate,
            Some(0xe2) if chain.ends_a_segment(command) => self.segment,
            _ => Duration::ZERO,
        };
        let computing: Duration = computed.iter().map(|op| self.operation(*op)).sum();
        self.turnaround + self.per_octet * octets + symmetric + computing
    }

    fn operation(&self, op: CardOp) -> Duration {
        match op {
            CardOp::KeyGen => self.generate_key,
            CardOp::Sign => self.sign,
            CardOp::Agree => self.agree,
            CardOp::Verify => self.verify,
        }
    }
}

impl StoreDataChain {
    /// Takes one command of the chain; whether it is the last one of a piece with segments, or the head of some.
    fn ends_a_segment(&mut self, command: &[u8]) -> bool {
        let &[_, _, p1, block, _, ref data @ ..] = command else { return false };
        if block == 0 {
            self.tag = match *data {
                // A tag of two octets.
                [a, b, ..] if a & 0x1f == 0x1f => u16::from_be_bytes([a, b]),
                [a, ..] => u16::from(a),
                [] => 0,
            };
        }
        p1 & 0x80 != 0 && matches!(self.tag, 0x86..=0x88 | 0xa0..=0xa3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::CardUser;

    fn time(chain: &mut StoreDataChain, command: &str, computed: &[CardOp]) -> Duration {
        let exchange = Exchange {
            by: CardUser::Application,
            command: hex::decode(command).unwrap(),
            response: vec![0x90, 0x00],
            computed: computed.to_vec(),
            refused: Vec::new(),
        };
        CardModel::default().exchange(chain, &exchange)
    }

    #[test]
    fn octets_and_what_was_computed_both_count() {
        let model = CardModel::default();
        let chain = &mut StoreDataChain::default();
        let select = time(chain, "00a40004023f00", &[]);
        assert_eq!(select, Duration::from_micros(500 + 9 * 48));
        let signature = time(chain, "002b8000", &[CardOp::Sign]);
        assert_eq!(signature, Duration::from_micros(500 + 6 * 48) + model.sign);
        // A refusal costs no arithmetic.
        assert!(time(chain, "002b8000", &[]) < model.sign);
    }

    #[test]
    fn the_last_command_of_a_chain_opens_the_segment() {
        let (model, chain) = (CardModel::default(), &mut StoreDataChain::default());
        assert!(time(chain, "81e21100038603aa", &[]) < model.segment);
        assert!(time(chain, "81e291010100", &[]) > model.segment);
        let installed = time(chain, "81e291000386000000", &[CardOp::Sign]);
        assert!(installed > model.segment + model.sign);
        let function = [CardOp::Verify, CardOp::Verify, CardOp::Sign];
        let server = time(chain, "81e2910003bf3881", &function);
        assert!(
            server > model.verify * 2 + model.sign && server < model.verify * 2 + model.sign + model.segment
        );
        assert!(time(chain, "81e2", &[]) < model.segment);
    }
}
