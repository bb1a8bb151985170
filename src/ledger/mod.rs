//! The device registry: an EVM chain in process, on disk.
