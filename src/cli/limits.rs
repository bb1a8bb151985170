//! What was measured, against the limits that were given.

use super::exit::Exit;
use super::terminal;

/// Compares what was measured with the limits that were given: what it is, its value, and whether that is past the
/// limit. Says which are.
pub(super) fn judge(limits: &[(&str, f64, bool)]) -> Exit {
    let past: Vec<_> = limits.iter().filter(|(.., is_past)| *is_past).collect();
    for (what, value, _) in &past {
        terminal::failure(format_args!("{value:.1} {what} is past the limit"));
    }
    if past.is_empty() { Exit::Pass } else { Exit::Threshold }
}
