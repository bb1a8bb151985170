//! Keys, signatures and the seeded TLS provider.
