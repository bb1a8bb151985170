//! What goes wrong on purpose between SM-DP+ and card, and how it is done to the messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::esim::office::SmdpDesk;
use crate::esim::smdp::Smdp;
use crate::esim::{Caller, HttpRequest, HttpResponse, Served};
use crate::wire::rsp::BoundProfilePackage;

/// What the SM-DP+ of a device gets wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmdpFault {
    /// The SM-DP+ has its certificates from an authority that the card does not know.
    RogueSmdp,
    /// The SM-DP+ answers with what it signed in an earlier session.
    ReplayedChallenge,
    /// The order is bound to the EID of another card.
    WrongEid,
    /// A bit of the profile changes on its way.
    TamperedSegment,
}

/// The SM-DP+ of a run, with what goes wrong at it on purpose.
pub(super) struct FaultySmdp {
    pub(super) honest: Smdp,
    /// An SM-DP+ at the same address whose authority no card knows.
    pub(super) rogue: Option<Smdp>,
    /// What goes wrong with the request that comes next.
    pub(super) fault: Option<SmdpFault>,
}

impl SmdpDesk for FaultySmdp {
    fn handle(&mut self, now_unix_s: u64, caller: &Caller, request: &HttpRequest) -> Served {
        let smdp = match (&mut self.rogue, self.fault) {
            (Some(rogue), Some(SmdpFault::RogueSmdp)) => rogue,
            _ => &mut self.honest,
        };
        match self.fault {
            Some(SmdpFault::ReplayedChallenge) => {
                smdp.handle_for(now_unix_s, caller, &of_an_earlier_session(request))
            }
            Some(SmdpFault::TamperedSegment) => {
                let served = smdp.handle_for(now_unix_s, caller, request);
                Served { response: tampered(served.response), ..served }
            }
            _ => smdp.handle_for(now_unix_s, caller, request),
        }
    }

    fn poll(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        self.honest.poll(now_unix_s)
    }

    fn resume(&mut self, now_unix_s: u64, smds: &str, response: Option<&HttpResponse>) -> Result<(), String> {
        self.honest.resume(now_unix_s, smds, response)
    }

    fn deadline_unix_s(&self) -> Option<u64> {
        self.honest.deadline_unix_s()
    }
}

/// The challenge of the session that [`SmdpFault::ReplayedChallenge`] repeats.
const EARLIER_CHALLENGE: [u8; 16] = [0x5a; 16];

/// The request of an earlier session: the same with the challenge that the card drew then.
fn of_an_earlier_session(request: &HttpRequest) -> HttpRequest {
    let challenge = Value::String(STANDARD.encode(EARLIER_CHALLENGE));
    with_field(&request.body, "euiccChallenge", |_| Some(challenge))
        .map_or_else(|| request.clone(), |body| HttpRequest { body, ..request.clone() })
}

/// The response with one bit of the bound profile package changed: the last one of the last segment but one of the
/// profile, behind whose MAC a whole profile still has to come.
fn tampered(response: HttpResponse) -> HttpResponse {
    let changed = with_field(&response.body, "boundProfilePackage", |text| {
        let mut package = BoundProfilePackage::parse(&STANDARD.decode(text).ok()?).ok()?;
        let at = package.profile.len().checked_sub(2)?;
        *package.profile.get_mut(at)?.first_mut()? ^= 0x01;
        Some(Value::String(STANDARD.encode(package.to_bytes())))
    });
    match changed {
        Some(body) => HttpResponse { body, ..response },
        None => response,
    }
}

/// The JSON object with one field of text replaced; `None` where it has no such field or `replace` gives nothing.
fn with_field(body: &[u8], name: &str, replace: impl FnOnce(&str) -> Option<Value>) -> Option<Vec<u8>> {
    let mut object: Value = serde_json::from_slice(body).ok()?;
    let field = object.get_mut(name)?;
    *field = replace(field.as_str()?)?;
    serde_json::to_vec(&object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esim::JSON;

    #[test]
    fn an_earlier_session_had_another_challenge_and_the_rest_alike() {
        let body = br#"{"euiccChallenge":"AAAA","smdpAddress":"smdp.cellbed.test"}"#.to_vec();
        let request = HttpRequest {
            host: "smdp.cellbed.test".to_owned(),
            path: "/gsma/rsp2/es9plus/initiateAuthentication".to_owned(),
            content_type: JSON.to_owned(),
            body,
        };
        let earlier: Value = serde_json::from_slice(&of_an_earlier_session(&request).body).unwrap();
        assert_eq!(earlier["euiccChallenge"], STANDARD.encode(EARLIER_CHALLENGE));
        assert_eq!(earlier["smdpAddress"], "smdp.cellbed.test");
        let other = HttpRequest { body: b"{}".to_vec(), ..request };
        assert_eq!(of_an_earlier_session(&other), other);
    }

    #[test]
    fn exactly_one_bit_of_the_package_changes() {
        let package = BoundProfilePackage {
            initialise_secure_channel: vec![0xbf, 0x23, 0],
            configure_isdp: vec![vec![1; 24]],
            store_metadata: vec![vec![2; 24]],
            replace_session_keys: None,
            profile: vec![vec![3; 24]; 3],
        };
        let bytes = package.to_bytes();
        let response = |bytes: &[u8]| HttpResponse {
            status: 200,
            content_type: JSON.to_owned(),
            body: serde_json::json!({"boundProfilePackage": STANDARD.encode(bytes)}).to_string().into_bytes(),
        };
        let changed: Value = serde_json::from_slice(&tampered(response(&bytes)).body).unwrap();
        let changed = STANDARD.decode(changed["boundProfilePackage"].as_str().unwrap()).unwrap();
        let bits: u32 = bytes.iter().zip(&changed).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((changed.len(), bits), (bytes.len(), 1));
        let without = response(&[]);
        assert_eq!(tampered(without.clone()), without);
    }
}
