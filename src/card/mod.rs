//! The UICC: files, PIN, USIM and the IoT SAFE applet.

mod slot;

pub use slot::{CardHandle, CardPort, CardSlot, Exchange, PortError};
