//! How messages are called: protocol, name and the fields worth a reader's eye.

use std::borrow::Cow;
use std::fmt;

/// What a message speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proto {
    /// Card commands (ISO/IEC 7816-4, ETSI TS 102 221). The bytes of an exchange are command and response.
    Apdu,
    /// EPS mobility management (TS 24.301), as protected on the air.
    Emm,
    /// EPS session management (TS 24.301).
    Esm,
    /// Radio resource control of LTE (TS 36.331), above PDCP.
    Rrc,
    /// S1 application protocol (TS 36.413).
    S1ap,
    /// GPRS tunnelling protocol, user plane (TS 29.281).
    GtpU,
    /// MME to HSS (TS 29.272), a function call here.
    S6a,
    /// TLS 1.3 (RFC 8446) handshake milestones.
    Tls,
    /// Registration API, HTTP/1.1 over TLS.
    Http,
    /// Enrolment over secure transport (RFC 7030).
    Est,
    /// LPA or IPA to SM-DP+ (SGP.22 clause 5.6), JSON over HTTPS.
    Es9p,
    /// LPA or IPA to SM-DS (SGP.22 clause 5.8), JSON over HTTPS.
    Es11,
    /// IPA to eIM (SGP.32 clause 6), ASN.1 over HTTPS.
    Esipa,
    /// MQTT 5.0.
    Mqtt,
    /// Ledger transactions (EIP-2718 envelopes) and blocks.
    Evm,
    /// What the network says of a session: a CBOR Web Token (RFC 8392).
    Cwt,
    /// OpenFlow 1.3 (ONF TS-025).
    Openflow,
}

impl Proto {
    /// Every protocol, from the card outwards.
    pub const ALL: [Self; 17] = [
        Self::Apdu,
        Self::Emm,
        Self::Esm,
        Self::Rrc,
        Self::S1ap,
        Self::GtpU,
        Self::S6a,
        Self::Tls,
        Self::Http,
        Self::Est,
        Self::Es9p,
        Self::Es11,
        Self::Esipa,
        Self::Mqtt,
        Self::Evm,
        Self::Cwt,
        Self::Openflow,
    ];

    /// The name that transcripts print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apdu => "APDU",
            Self::Emm => "EMM",
            Self::Esm => "ESM",
            Self::Rrc => "RRC",
            Self::S1ap => "S1AP",
            Self::GtpU => "GTP-U",
            Self::S6a => "S6a",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Est => "EST",
            Self::Es9p => "ES9+",
            Self::Es11 => "ES11",
            Self::Esipa => "ESipa",
            Self::Mqtt => "MQTT",
            Self::Evm => "EVM",
            Self::Cwt => "CWT",
            Self::Openflow => "OFP",
        }
    }
}

/// Names and values worth a reader's eye, in the order to print them. Never a secret.
pub type Fields = Vec<(&'static str, String)>;

/// How a message is called: what its sender (or its only reader) knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which protocol it is of.
    pub proto: Proto,
    /// The name that its specification gives it.
    pub name: Cow<'static, str>,
    /// What is worth seeing of its content.
    pub fields: Fields,
}

impl Label {
    /// A label without fields.
    pub fn new(proto: Proto, name: impl Into<Cow<'static, str>>) -> Self {
        Self { proto, name: name.into(), fields: Vec::new() }
    }

    /// The same with one field more.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }
}
