//! The Answer To Reset (ISO/IEC 7816-3 clause 8.2) with its historical bytes (ISO/IEC 7816-4 clause 8.1.1;
//! TS 102 221 clause 6.3).

use crate::card::LAB_KEYS;
use crate::kernel::Blame;

/// Why bytes are not an Answer To Reset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum AtrError {
    #[error("it is cut off after {0} bytes")]
    Truncated(usize),
    #[error("its initial character is {0:02X} instead of 3B or 3F")]
    Initial(u8),
    #[error("its check byte is wrong")]
    Check,
    #[error("{0} bytes follow its end")]
    Trailing(usize),
}

impl AtrError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::PeerBrokeProtocol
    }
}

/// An Answer To Reset, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atr {
    /// TS: `3B` direct convention, `3F` inverse.
    pub initial: u8,
    /// T0: which interface bytes follow, and how many historical bytes.
    pub format: u8,
    /// The transmission protocols offered, T=0 or others, the first one preferred; 15 stands for global bytes.
    pub protocols: Vec<u8>,
    /// The historical bytes (ISO/IEC 7816-4 clause 12.1.1).
    pub historical: Vec<u8>,
}

impl Atr {
    /// Reads an Answer To Reset.
    pub fn parse(bytes: &[u8]) -> Result<Self, AtrError> {
        let truncated = || AtrError::Truncated(bytes.len());
        let (&[initial, format], mut rest) = bytes.split_first_chunk::<2>().ok_or_else(truncated)?;
        if !matches!(initial, 0x3b | 0x3f) {
            return Err(AtrError::Initial(initial));
        }
        let mut protocols = Vec::new();
        let mut following = format >> 4;
        // Each TD announces the next group; a card that announces for ever runs out of bytes.
        loop {
            let count = following.count_ones() as usize;
            let (group, behind) = rest.split_at_checked(count).ok_or_else(truncated)?;
            rest = behind;
            let Some(&td) = group.last().filter(|_| following & 0x8 != 0) else { break };
            if !protocols.contains(&(td & 0x0f)) {
                protocols.push(td & 0x0f);
            }
            following = td >> 4;
        }
        let checked = protocols.iter().any(|p| *p != 0);
        if protocols.is_empty() {
            protocols.push(0);
        }
        let (historical, behind) = rest.split_at_checked(usize::from(format & 0x0f)).ok_or_else(truncated)?;
        match (checked, behind) {
            (false, []) => {}
            (true, [_]) => {
                if bytes[1..].iter().fold(0, |sum, byte| sum ^ byte) != 0 {
                    return Err(AtrError::Check);
                }
            }
            (true, []) => return Err(truncated()),
            (_, more) => return Err(AtrError::Trailing(more.len() - usize::from(checked))),
        }
        Ok(Self { initial, format, protocols, historical: historical.to_vec() })
    }

    /// The protocols in words; T=15 is no protocol.
    pub fn protocol_names(&self) -> String {
        let names: Vec<String> =
            self.protocols.iter().filter(|p| **p != 15).map(|p| format!("T={p}")).collect();
        names.join(", ")
    }

    /// Whether it is that of a virtual card whose keys follow from a seed: they are public.
    pub fn has_lab_keys(&self) -> bool {
        self.historical.ends_with(LAB_KEYS)
    }

    /// What the historical bytes say, as far as they are compact data objects: a line each.
    pub fn historical_meaning(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let Some((0x80, mut rest)) = self.historical.split_first().map(|(c, rest)| (*c, rest)) else {
            return lines;
        };
        while let Some((&head, behind)) = rest.split_first() {
            let Some((value, behind)) = behind.split_at_checked(usize::from(head & 0x0f)) else { break };
            rest = behind;
            match (head >> 4, value) {
                (3, [services, ..]) => lines.push(card_services(*services)),
                (7, value) => lines.extend(capabilities(value)),
                (_, value) => lines.extend(text(value)),
            }
        }
        lines
    }
}

/// Card service data: how applications are selected and where EF.DIR is.
fn card_services(byte: u8) -> String {
    let bits = [(0x80, "by full AID"), (0x40, "by partial AID")];
    let ways: Vec<&str> = bits.iter().filter(|(bit, _)| byte & bit != 0).map(|(_, way)| *way).collect();
    let directory = if byte & 0x20 != 0 { "; EF.DIR is there" } else { "" };
    if ways.is_empty() {
        format!("no selection of applications{directory}")
    } else {
        format!("applications are selected {}{directory}", ways.join(" and "))
    }
}

/// Card capabilities: the third byte says how many logical channels there are.
fn capabilities(value: &[u8]) -> Option<String> {
    let third = *value.get(2)?;
    match (third >> 3 & 0x03, third & 0x07) {
        (0, _) => Some("no logical channels".to_owned()),
        (_, 7) => Some("8 or more logical channels".to_owned()),
        (_, n) => Some(format!("{} logical channels", n + 1)),
    }
}

/// A name, where the bytes are one.
fn text(value: &[u8]) -> Option<String> {
    let printable = value.len() >= 3 && value.iter().all(|b| (0x20..0x7f).contains(b));
    printable.then(|| format!("\"{}\"", String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn atr(hex: &str) -> Result<Atr, AtrError> {
        Atr::parse(&hex::decode(hex).unwrap())
    }

    #[test]
    fn a_uicc_with_global_bytes_has_a_check_byte() {
        let atr = atr("3b9f96801f878031e073fe211b674a4c753034054ba9").unwrap();
        assert_eq!((atr.initial, atr.format), (0x3b, 0x9f));
        assert_eq!(atr.protocols, [0, 15]);
        assert_eq!(atr.protocol_names(), "T=0");
        assert_eq!(
            atr.historical_meaning(),
            [
                "applications are selected by full AID and by partial AID; EF.DIR is there",
                "4 logical channels"
            ]
        );
    }

    #[test]
    fn only_t_0_has_no_check_byte() {
        assert_eq!(atr("3b021450").unwrap().protocols, [0]);
        assert_eq!(atr("3b02145000"), Err(AtrError::Trailing(1)));
    }

    #[test]
    fn refusals() {
        assert_eq!(atr(""), Err(AtrError::Truncated(0)));
        assert_eq!(atr("3c00"), Err(AtrError::Initial(0x3c)));
        assert_eq!(atr("3b9f96"), Err(AtrError::Truncated(3)));
        assert_eq!(atr("3b9f96801f878031e073fe211b674a4c753034054ba8"), Err(AtrError::Check));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_as_they_stand_or_refused(
            bytes in bent(hex::decode("3b9f96801f878031e073fe211b674a4c753034054ba9").unwrap()),
        ) {
            match Atr::parse(&bytes) {
                Ok(atr) => {
                    prop_assert_eq!(&[atr.initial, atr.format], &bytes[..2]);
                    prop_assert_eq!(atr.historical.len(), usize::from(atr.format & 0x0f));
                    let checked = usize::from(atr.protocols.iter().any(|p| *p != 0));
                    let sum = bytes[1..].iter().fold(0, |sum, byte| sum ^ byte);
                    prop_assert!(checked == 0 || sum == 0, "{sum:02x}");
                    prop_assert!(bytes[..bytes.len() - checked].ends_with(&atr.historical));
                    let distinct: std::collections::BTreeSet<_> = atr.protocols.iter().filter(|p| **p < 16).collect();
                    prop_assert!(!distinct.is_empty() && distinct.len() == atr.protocols.len());
                    prop_assert!(atr.historical_meaning().len() <= atr.historical.len());
                    for end in 0..bytes.len() {
                        prop_assert!(Atr::parse(&bytes[..end]).is_err(), "it was whole after {end} bytes");
                    }
                }
                Err(AtrError::Truncated(length)) => prop_assert_eq!(length, bytes.len()),
                Err(AtrError::Initial(initial)) => prop_assert!(initial == bytes[0] && !matches!(initial, 0x3b | 0x3f)),
                Err(AtrError::Trailing(more)) => prop_assert!((1..bytes.len()).contains(&more)),
                Err(AtrError::Check) => {}
            }
        }
    }
}
