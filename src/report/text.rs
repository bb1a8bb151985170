//! Texts from outside made safe for the view that shows them, and numbers as every view prints them.

use std::borrow::Cow;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub(super) use crate::kernel::text::one_line;

/// `text` with each long hexadecimal number (32 digits or more: keys, digests, identities, serial numbers) as
/// its first eight digits and an ellipsis. A number without any letter is left alone: an EID is one.
pub(super) fn short_hex(text: &str) -> Cow<'_, str> {
    const LONG: usize = 32;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() < LONG {
        return Cow::Borrowed(text);
    }
    let mut short = String::new();
    let (mut kept, mut at) = (0, 0);
    for run in text.as_bytes().chunk_by(|a, b| is_digit(a) == is_digit(b)) {
        if run.len() >= LONG && is_digit(&run[0]) && run.iter().any(u8::is_ascii_lowercase) {
            short.push_str(&text[kept..at + 8]);
            short.push('…');
            kept = at + run.len();
        }
        at += run.len();
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    short.push_str(&text[kept..]);
    Cow::Owned(short)
}

/// As [`one_line`], with long hexadecimal numbers short: how lines and cells show a text.
pub(super) fn brief(text: &str) -> Cow<'_, str> {
    match short_hex(text) {
        Cow::Borrowed(text) => one_line(text),
        Cow::Owned(text) => Cow::Owned(one_line(&text).into_owned()),
    }
}

/// `name=value` pairs on one line, long hexadecimal numbers short; a value that would be misread bare stands in quotes.
pub(super) fn fields<N: AsRef<str>>(fields: &[(N, String)]) -> String {
    let mut line = String::new();
    for (name, value) in fields {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&one_line(name.as_ref()));
        line.push('=');
        let value = brief(value);
        if value.is_empty() || value.contains([' ', '"', '=']) {
            line.push('"');
            line.push_str(&value.replace('"', "\\\""));
            line.push('"');
        } else {
            line.push_str(&value);
        }
    }
    line
}

/// `text` as HTML character data or a quoted attribute value.
pub(super) fn html(text: &str) -> Cow<'_, str> {
    let line = one_line_but_breaks(text);
    if !line.contains(['&', '<', '>', '"', '\'']) {
        return line;
    }
    let mut safe = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// As [`one_line`], with line feeds kept: a page may wrap where a log line must not.
fn one_line_but_breaks(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return one_line(text);
    }
    Cow::Owned(text.split('\n').map(one_line).collect::<Vec<_>>().join("\n"))
}

/// A duration in seconds with three decimals, rounded to the nearest.
pub(super) fn seconds(duration: Duration) -> String {
    let ms = (duration.as_nanos() + 500_000) / 1_000_000;
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Two durations in seconds, as one where they print alike.
pub(super) fn seconds_range(min: Duration, max: Duration) -> String {
    let (min, max) = (seconds(min), seconds(max));
    if min == max { format!("{min} s") } else { format!("{min} to {max} s") }
}

/// A duration for a reader: seconds, or the smaller unit that keeps three digits.
pub(super) fn readable(duration: Duration) -> String {
    let ns = duration.as_nanos();
    match ns {
        0 => "0 s".to_owned(),
        1..1_000_000 => format!("{:.0} µs", (ns as f64 / 1e3).max(1.0)),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.3} s", ns as f64 / 1e9),
    }
}

/// `bytes` in hexadecimal. Nearly all that the event log writes comes from here, so it goes by whole bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    const PAIRS: [[u8; 2]; 256] = {
        let mut pairs = [[0; 2]; 256];
        let mut n = 0;
        while n < 256 {
            pairs[n] = [DIGITS[n >> 4], DIGITS[n & 15]];
            n += 1;
        }
        pairs
    };
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend_from_slice(&PAIRS[usize::from(*byte)]);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The first six hexadecimal digits of the SHA-256 of `bytes`.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..3])
}

/// Packets and bytes of the user plane each way; a way that nothing went is not told.
pub(super) fn user_plane(up: (u64, u64), down: (u64, u64)) -> String {
    let ways = [("up", up), ("down", down)].into_iter().filter(|(_, (packets, _))| *packets > 0);
    let told = ways.map(|(way, (packets, bytes))| format!("{way} {}, {bytes} B", count(packets, "packet")));
    told.collect::<Vec<_>>().join("; ")
}

/// `the first device`, `the first 3 devices`.
pub(super) fn first_devices(n: u32) -> String {
    if n == 1 { "the first device".to_owned() } else { format!("the first {n} devices") }
}

/// `1 device`, `2 devices`.
pub(super) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_without_doubt() {
        let list =
            [("imsi", "001".to_owned()), ("detail", "no \"x\" y".to_owned()), ("empty", String::new())];
        assert_eq!(fields(&list), "imsi=001 detail=\"no \\\"x\\\" y\" empty=\"\"");
    }

    #[test]
    fn long_hexadecimal_numbers_are_cut_and_nothing_else_is() {
        let id = "8affe4a1877ee458c562b57b6dff66bfacef5ee9f799c7cbad78565bda49f919";
        assert_eq!(short_hex(&format!("devices/{id}/x/{id}")), "devices/8affe4a1…/x/8affe4a1…");
        assert_eq!(short_hex("certificate 7835ff7f430f788e0b956d5888410220 é"), "certificate 7835ff7f… é");
        let eid = "eid=89049032000001000000000000000012";
        for whole in ["", &id[..31], eid, "Activate Default EPS Bearer Context Request"] {
            assert_eq!(short_hex(whole), whole);
        }
    }

    #[test]
    fn hexadecimal_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(hex::decode(hex(&all)).expect("it is hexadecimal"), all);
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(html("<b a='\"'>&\n\u{7}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\n\\u{7}");
    }

    #[test]
    fn seconds_are_rounded_once() {
        assert_eq!(seconds(Duration::from_micros(1_999_499)), "1.999");
        assert_eq!(seconds(Duration::from_micros(1_999_500)), "2.000");
        assert_eq!(readable(Duration::from_micros(250)), "250 µs");
        assert_eq!(readable(Duration::from_micros(2_500)), "2.5 ms");
        assert_eq!(readable(Duration::from_millis(2_500)), "2.500 s");
    }
}
