//! The protocol UE and the base station.
