//! Codecs that no crate gives us.
