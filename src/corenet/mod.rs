//! The core network: MME, HSS and gateway.
