//! A card that knows what a modem asks of a USIM, and no more: for tests of the network alone.

use cellbed::card::{CardPort, PortError};
use oxirush_security::Autn;
use oxirush_security::Rand;
use oxirush_security::milenage::{K, Milenage, Opc, Sqn};

/// TS 33.102 clause C.2.1: freshness by index, here one index for all.
pub struct TestCard {
    imsi: String,
    milenage: Milenage,
    sqn: u64,
    selected: u16,
    response: Vec<u8>,
}

impl TestCard {
    pub fn new(imsi: &str, k: [u8; 16], opc: [u8; 16], sqn: u64) -> Self {
        let milenage = Milenage::new(&K::new(&k), &Opc::new(&opc));
        Self { imsi: imsi.to_owned(), milenage, sqn, selected: 0, response: Vec::new() }
    }

    fn announce(&mut self, response: Vec<u8>) -> Vec<u8> {
        let length = response.len() as u8;
        self.response = response;
        vec![0x61, length]
    }

    fn authenticate(&mut self, rand: &[u8; 16], autn: &[u8; 16]) -> Vec<u8> {
        let rand = Rand::new(rand);
        let Ok(answer) = self.milenage.check_autn(&rand, &Autn::new(autn)) else { return vec![0x98, 0x62] };
        if answer.sqn().get() >> 5 <= self.sqn >> 5 {
            let auts = self.milenage.auts(&rand, &Sqn::try_from(self.sqn).unwrap());
            return self.announce([&[0xdc, 14][..], auts.as_octets()].concat());
        }
        self.sqn = answer.sqn().get();
        let keys = [&[16][..], answer.ck().as_octets(), &[16], answer.ik().as_octets()].concat();
        self.announce([&[0xdb, 8][..], answer.res().as_octets(), &keys].concat())
    }

    fn imsi_file(&self) -> Vec<u8> {
        let digits: Vec<u8> = self.imsi.bytes().map(|b| b - b'0').collect();
        let mut file = vec![(digits.len() / 2 + 1) as u8, digits[0] << 4 | 9];
        file.extend(digits[1..].chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0xf) << 4));
        file
    }
}

impl CardPort for TestCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        Ok(match command {
            [0x00, 0xa4, 0x04, 0x04, 0x07, 0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02, 0x00] => {
                self.announce(vec![0x62, 0x00])
            }
            [0x00, 0xa4, 0x00, 0x0c, 0x02, high, low] => {
                self.selected = u16::from_be_bytes([*high, *low]);
                vec![0x90, 0x00]
            }
            [0x00, 0xb0, 0x00, 0x00, 9] if self.selected == 0x6f07 => {
                [&self.imsi_file()[..], &[0x90, 0x00]].concat()
            }
            [0x00, 0xb0, 0x00, 0x00, 4] if self.selected == 0x6fad => vec![0, 0, 0, 2, 0x90, 0x00],
            [0x00, 0x88, 0x00, 0x81, 0x22, 0x10, rest @ ..] if rest.len() == 34 && rest[16] == 0x10 => {
                self.authenticate(rest[..16].try_into().unwrap(), rest[17..33].try_into().unwrap())
            }
            [0x00, 0xc0, 0x00, 0x00, _] => [std::mem::take(&mut self.response), vec![0x90, 0x00]].concat(),
            _ => vec![0x6d, 0x00],
        })
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.selected = 0;
        Ok(vec![0x3b, 0x00])
    }
}
