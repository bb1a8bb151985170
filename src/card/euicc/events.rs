//! What an eUICC tells its owner: what it did, and why it refused. Codes of the standard say little; this says it in
//! words.

use std::sync::Arc;

use super::Euicc;

/// Something that the eUICC did or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccEvent {
    /// The function of ES10 (or ES8+) that was asked for.
    pub function: &'static str,
    /// A stable word for it, such as `signature-invalid` or `profile-installed`.
    pub name: &'static str,
    /// The result code of the standard; none where all is well.
    pub code: Option<u64>,
    /// A sentence for people. No key is in it.
    pub text: String,
}

/// Is told of what an eUICC does and why it refuses.
pub type OnEuiccEvent = Arc<dyn Fn(&EuiccEvent) + Send + Sync>;

/// A refusal with the code of the standard.
#[derive(Debug)]
pub(super) struct EuiccRefusal {
    pub(super) code: u64,
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl EuiccRefusal {
    pub(super) fn new(code: u64, name: &'static str, text: impl Into<String>) -> Self {
        Self { code, name, text: text.into() }
    }
}

impl Euicc {
    pub(super) fn tell(&mut self, function: &'static str, name: &'static str, text: String) {
        if let Some(on_event) = &self.on_event {
            on_event(&EuiccEvent { function, name, code: None, text });
        }
    }

    /// Keeps why `function` is refused, tells it, and returns the code.
    pub(super) fn refuse(&mut self, function: &'static str, refusal: EuiccRefusal) -> u64 {
        let EuiccRefusal { code, name, text } = refusal;
        let event = EuiccEvent { function, name, code: Some(code), text };
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
        self.last_reason = Some(event);
        code
    }
}
