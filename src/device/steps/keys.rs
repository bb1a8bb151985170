//! The `keys` step: the applet has a key pair, and the application knows whom to trust.
//!
//! A key that is there stays: it may be on the ledger and in a certificate, and a device with another one would be
//! taken for a clone of itself.

use super::{DeviceContext, Flow, Task};
use crate::device::application::Applet;
use crate::device::{DeviceError, DeviceOutput};

pub(super) struct Keys;

impl Task for Keys {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, _: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        let place = cx.application.place();
        let kept = match cx.application.applet {
            Applet::New => None,
            Applet::Used | Applet::FromElsewhere => cx.application.recall_key()?,
        };
        let (what, key) = match kept {
            Some(key) => (format!("is in {place} already"), key),
            None => (format!("made in {place}"), cx.application.make_key()?),
        };
        Ok(Flow::Done(format!("P-256 key pair {what}, public key {}…", hex::encode(&key[..4]))))
    }
}
