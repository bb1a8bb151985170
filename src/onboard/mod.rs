//! The zero-touch procedure, composed of everything below it.
