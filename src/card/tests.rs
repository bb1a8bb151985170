//! Behaviour of the whole card.
