//! What a server of remote SIM provisioning did with a request.

use super::http::HttpResponse;
use super::smdp::ProfileNotice;
use super::{FunctionRefusal, Reason, json};

/// What a server did with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// What goes back.
    pub response: HttpResponse,
    /// The function as the standard names it: `ES9+.AuthenticateClient`.
    pub function: String,
    /// What came of it, for people.
    pub note: String,
    /// Why it was refused.
    pub refusal: Option<Reason>,
    /// What the SM-DP+ has learned of one of its profiles.
    pub notice: Option<ProfileNotice>,
}

impl Served {
    /// A function that was refused, in the JSON binding.
    pub(super) fn refused(function: &str, refusal: &FunctionRefusal, transaction: Option<&[u8]>) -> Self {
        Self {
            response: json::refused(refusal, transaction),
            function: function.to_owned(),
            note: refusal.to_string(),
            refusal: Some(refusal.reason),
            notice: None,
        }
    }
}
