//! Octets as people and tools write them: hexadecimal digits, alone or in groups.
//!
//! Keys are printed in groups of eight with blanks between, with colons between octets, or with `0x` in front; all of that is
//! read, and what cannot be read is named by its place.

use std::fmt;

use zeroize::Zeroizing;

/// Why a text is no octets in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigitsError {
    /// A character that is neither a digit nor stands between digits, and which character of the text it is, from 1.
    Found {
        /// The character.
        character: char,
        /// Its place.
        position: usize,
    },
    /// As many digits, which is not as many as there have to be.
    Count {
        /// How many there are.
        digits: usize,
        /// How many there have to be; `None` where it is any even number.
        wanted: Option<usize>,
    },
}

impl fmt::Display for DigitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { character, position } => write!(
                f,
                "hexadecimal digits are expected, with blanks or colons between them at most: found {character:?} at \
                 position {position}"
            ),
            Self::Count { digits, wanted: Some(wanted) } => {
                write!(f, "{wanted} hexadecimal digits are expected: found {digits}")
            }
            Self::Count { digits, wanted: None } => {
                write!(f, "two hexadecimal digits are expected for each octet: found {digits} digits")
            }
        }
    }
}

impl std::error::Error for DigitsError {}

/// The octets that `text` writes. Blanks, line ends, colons and hyphens between digits and `0x` in front are skipped.
///
/// # Errors
/// [`DigitsError`], which holds no digit of the text.
pub fn octets(text: &str) -> Result<Zeroizing<Vec<u8>>, DigitsError> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    let (mut half, mut digits) = (None, 0);
    let trimmed = text.trim_start();
    let skipped = text.chars().count() - trimmed.chars().count();
    let prefix = if trimmed.starts_with("0x") || trimmed.starts_with("0X") { 2 } else { 0 };
    for (position, character) in (skipped + prefix + 1..).zip(trimmed.chars().skip(prefix)) {
        let Some(digit) = character.to_digit(16) else {
            if character.is_ascii_whitespace() || matches!(character, ':' | '-') {
                continue;
            }
            return Err(DigitsError::Found { character, position });
        };
        digits += 1;
        match half.take() {
            None => half = Some(digit),
            // Two digits are one octet.
            Some(high) => octets.push((high << 4 | digit) as u8),
        }
    }
    if half.is_some() {
        return Err(DigitsError::Count { digits, wanted: None });
    }
    Ok(octets)
}

/// As [`octets`], of which there have to be `N`.
///
/// # Errors
/// As there, and where there are more or fewer.
pub fn array<const N: usize>(text: &str) -> Result<[u8; N], DigitsError> {
    let count = |digits| DigitsError::Count { digits, wanted: Some(2 * N) };
    let octets = octets(text).map_err(|error| match error {
        DigitsError::Count { digits, .. } => count(digits),
        found => found,
    })?;
    <[u8; N]>::try_from(&octets[..]).map_err(|_| count(2 * octets.len()))
}

/// What a schema says of a text that [`array()`] reads into `octets` octets; of any number of them where there are none.
pub fn pattern(octets: Option<usize>) -> String {
    let times = octets.map_or_else(|| "+".to_owned(), |octets| format!("{{{octets}}}"));
    format!("^\\s*(0[xX])?(([\\s:-]*[0-9a-fA-F]){{2}}){times}[\\s:-]*$")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_notation_is_read() {
        for text in
            ["465B5CE8 B199B49F", "46:5b:5c:e8:b1:99:b4:9f", "0x465b5ce8b199b49f", " 465b-5ce8\nb199b49f\n"]
        {
            assert_eq!(array(text), Ok([0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f]), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |text| array::<4>(text).unwrap_err().to_string();
        assert_eq!(told("465b5ce"), "8 hexadecimal digits are expected: found 7");
        assert_eq!(told("465b5ce8b1"), "8 hexadecimal digits are expected: found 10");
        assert!(told("46 5g5ce8").ends_with("found 'g' at position 5"), "{}", told("46 5g5ce8"));
        assert!(told("0x46zb").ends_with("found 'z' at position 5"), "{}", told("0x46zb"));
        assert!(octets("123").unwrap_err().to_string().ends_with("found 3 digits"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            if let Ok(read) = octets(&text) {
                prop_assert_eq!(octets(&hex::encode(&read)), Ok(read));
            }
        }
    }
}
