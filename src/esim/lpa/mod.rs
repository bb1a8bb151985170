//! The device's side of remote SIM provisioning: the functions of the eUICC ([`Es10`], SGP.22 clause 5.7), profile
//! download ([`Download`], clause 3.1.3), discovery ([`Discovery`], clause 3.6.2) and the delivery of notifications
//! ([`Delivery`], clause 3.5).
//!
//! The card is spoken to at once. What goes over the network is handed out as a [`Step::Send`] and taken back with
//! `resume`, or with `failed` where there was no answer. A download that was interrupted is begun again with the same
//! order: SM-DP+ and eUICC find the package that was bound already.

mod activation;
mod discovery;
mod download;
mod error;
mod es10;
mod installation;
mod notifications;
mod policy;
mod transport;

pub use activation::{ActivationCode, ActivationCodeError, check_token, is_standard_token};
pub use discovery::Discovery;
pub use download::{CancelReason, Decision, Download, DownloadOptions, DownloadReport, Offer, Source};
pub use error::LpaError;
pub use es10::{Channel, Es10, ResetOptions};
pub use notifications::{Delivered, Delivery};
pub use policy::{Authorisation, PolicyTable};
pub use transport::Transport;
pub(super) use transport::{esipa, esipa_answer};

use super::HttpRequest;

/// What is to be done next.
#[derive(Debug)]
pub enum Step<T> {
    /// Send this, and resume with the answer.
    Send(HttpRequest),
    /// It is through, with this.
    Done(T),
    /// It cannot go on.
    Failed(LpaError),
}
