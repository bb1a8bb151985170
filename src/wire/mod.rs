//! Codecs that no crate gives us.

pub mod gtpu;
pub mod nas;
pub mod s1ap;
