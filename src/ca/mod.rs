//! The certificate authority: X.509 issuance and EST (RFC 7030).
