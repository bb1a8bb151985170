//! Object identifiers (ITU-T X.660) as SGP.22 uses them to name servers: `2.999.10` in the test material of
//! SGP.26 has a second arc that crates for X.509 refuse.

use std::fmt;
use std::str::FromStr;

use super::RspCertError;

/// The most octets that the contents of an object identifier may take here.
const OCTETS_MAX: usize = 64;

/// An object identifier: the content octets of its DER form (ITU-T X.690 clause 8.19).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u8>);

impl Oid {
    /// Reads content octets.
    ///
    /// # Errors
    /// [`RspCertError::Oid`] where they are empty, cut off, padded or longer than 64 octets.
    pub fn from_contents(contents: &[u8]) -> Result<Self, RspCertError> {
        let oid = Self(contents.to_vec());
        let whole = contents.len() <= OCTETS_MAX && contents.last().is_some_and(|last| last & 0x80 == 0);
        if whole && oid.arcs().is_some() {
            Ok(oid)
        } else {
            Err(RspCertError::Oid { found: hex::encode(&contents[..contents.len().min(OCTETS_MAX)]) })
        }
    }

    /// The content octets.
    pub fn contents(&self) -> &[u8] {
        &self.0
    }

    /// The arcs below the first two; `None` where a number is padded or too large.
    fn arcs(&self) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        let (mut number, mut begins) = (0u64, true);
        for octet in &self.0 {
            if begins && *octet == 0x80 || number > u64::MAX >> 8 {
                return None;
            }
            number = number << 7 | u64::from(octet & 0x7f);
            begins = octet & 0x80 == 0;
            if begins {
                numbers.push(number);
                number = 0;
            }
        }
        Some(numbers)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arcs = self.arcs().unwrap_or_default();
        let Some((first, rest)) = arcs.split_first() else { return Ok(()) };
        let root = (*first / 40).min(2);
        write!(f, "{root}.{}", first - root * 40)?;
        rest.iter().try_for_each(|arc| write!(f, ".{arc}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

impl FromStr for Oid {
    type Err = RspCertError;

    /// Reads the dotted form, as in `2.999.10`.
    fn from_str(text: &str) -> Result<Self, RspCertError> {
        let wrong = || RspCertError::Oid { found: text.chars().take(OCTETS_MAX).collect() };
        let arcs: Vec<u64> =
            text.split('.').map(|arc| arc.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let [root, second, rest @ ..] = &arcs[..] else { return Err(wrong()) };
        if *root > 2 || (*root < 2 && *second > 39) {
            return Err(wrong());
        }
        let first = second.checked_add(root * 40).ok_or_else(wrong)?;
        let mut contents = Vec::new();
        for arc in std::iter::once(&first).chain(rest) {
            push_base_128(&mut contents, *arc);
        }
        Self::from_contents(&contents).map_err(|_| wrong())
    }
}

fn push_base_128(out: &mut Vec<u8>, number: u64) {
    let groups = (64 - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        out.push((number >> (7 * group)) as u8 & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dotted_form_and_octets() {
        for (text, octets) in [
            ("2.999.10", "88370a"),
            ("2.23.146.1.2.1.4", "67811201020104"),
            ("1.2.840.10045.4.3.2", "2a8648ce3d040302"),
            ("0.0", "00"),
        ] {
            let oid: Oid = text.parse().unwrap();
            assert_eq!((hex::encode(oid.contents()).as_str(), oid.to_string().as_str()), (octets, text));
        }
        for wrong in ["", "1", "3.1", "1.40", "1.2.", "1.-2", "2.18446744073709551615", "a.b"] {
            assert!(wrong.parse::<Oid>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_back_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..70)) {
            if let Ok(oid) = Oid::from_contents(&octets) {
                prop_assert_eq!(oid.to_string().parse::<Oid>().unwrap(), oid);
            }
        }
    }
}
