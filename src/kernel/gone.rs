//! What somebody holds is measured by what is free when it is gone.

/// Told the name of each part of something that is taken down, once the part is gone.
pub type Gone<'a> = &'a mut dyn FnMut(&'static str);
