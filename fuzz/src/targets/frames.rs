//! Inputs that are several messages: each a kind, a length in two bytes, and that many bytes or what is left.

/// The messages of an input, in their order.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&kind, after) = rest.split_first()?;
        let (length, after) = after.split_first_chunk::<2>()?;
        let (message, after) = after.split_at(after.len().min(usize::from(u16::from_be_bytes(*length))));
        rest = after;
        Some((kind, message))
    })
}
