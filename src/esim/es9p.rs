//! The device's side of ES9+ and ES11 in JSON (SGP.22 clauses 6.5.2.6 to 6.5.2.10): requests as they are sent,
//! answers as they are taken. An eIM that stands between device and server uses the same (SGP.32 clause 3.2.3.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{HttpRequest, HttpResponse, JSON, Reason};
use crate::kernel::Blame;
use crate::wire::rsp::iot::InitiateAuthenticationOk;
use crate::wire::rsp::{RspError, Signature};
use crate::wire::tlv;

/// Which server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// An SM-DP+.
    Smdp,
    /// An SM-DS.
    Smds,
}

impl Service {
    fn path(self, function: &str) -> String {
        let folder = match self {
            Self::Smdp => "es9plus",
            Self::Smds => "es11",
        };
        format!("/gsma/rsp2/{folder}/{function}")
    }
}

/// A function that an SM-DP+ or SM-DS has refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{function} was refused ({subject_code}, {reason_code}): {}", self.sentence())]
pub struct ServerRefusal {
    /// The function as the standard names it.
    pub function: &'static str,
    /// SGP.22 clause 5.2.6.1.
    pub subject_code: String,
    /// SGP.22 clause 5.2.6.2.
    pub reason_code: String,
    /// What the server says for people.
    pub message: Option<String>,
}

impl ServerRefusal {
    /// What the two codes mean together, where they are a pair of the specification.
    pub fn reason(&self) -> Option<Reason> {
        let same = |reason: &&Reason| {
            reason.subject_code() == self.subject_code && reason.reason_code() == self.reason_code
        };
        Reason::ALL.iter().find(same).copied()
    }

    fn sentence(&self) -> String {
        let known = self.reason().map(Reason::sentence);
        match (known, &self.message) {
            (Some(known), Some(message)) => format!("{known} The server says: {message}"),
            (Some(known), None) => known.to_owned(),
            (None, Some(message)) => message.clone(),
            (None, None) => "the server says nothing more".to_owned(),
        }
    }
}

/// Why an answer of a server is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum AnswerError {
    #[error(transparent)]
    Refused(#[from] ServerRefusal),
    #[error("{function}: the server answers with HTTP status {status}")]
    Status { function: &'static str, status: u16 },
    #[error("{function}: the answer is malformed: {problem}")]
    Malformed { function: &'static str, problem: String },
}

impl AnswerError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused(_) => Blame::PeerRefused,
            Self::Status { .. } => Blame::PeerIncapable,
            Self::Malformed { .. } => Blame::PeerBrokeProtocol,
        }
    }
}

/// An SM-DP+'s release of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticateClientOk {
    /// The transaction; absent where the eIM keeps it.
    pub transaction_id: Option<Vec<u8>>,
    /// StoreMetadata, `BF25`, as it was received.
    pub metadata: Option<Vec<u8>>,
    /// As it was received.
    pub smdp_signed2: Vec<u8>,
    /// The SM-DP+'s signature on `smdp_signed2`.
    pub smdp_signature2: Signature,
    /// CERT.DPpb.ECDSA, DER.
    pub certificate: Vec<u8>,
    /// Where the eIM knows the confirmation code.
    pub hash_cc: Option<[u8; 32]>,
}

/// What an SM-DS knows for an eUICC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEntry {
    /// By which the SM-DP+ finds the event again.
    pub event_id: String,
    /// Of the SM-DP+, or of another SM-DS.
    pub server: String,
}

/// InitiateAuthentication.
pub fn initiate_authentication(
    service: Service,
    server: &str,
    euicc_challenge: &[u8; 16],
    euicc_info1: &[u8],
) -> HttpRequest {
    let address = match service {
        Service::Smdp => "smdpAddress",
        Service::Smds => "smdsAddress",
    };
    let mut body = json!({
        "euiccChallenge": STANDARD.encode(euicc_challenge),
        "euiccInfo1": STANDARD.encode(euicc_info1),
    });
    // An SM-DS that is asked like an SM-DP+ takes either name.
    body["smdpAddress"] = json!(server);
    body[address] = json!(server);
    request(service, server, "initiateAuthentication", &body)
}

/// The answer to InitiateAuthentication.
///
/// # Errors
/// [`AnswerError`].
pub fn initiated(response: &HttpResponse) -> Result<InitiateAuthenticationOk, AnswerError> {
    let answer = Answer::open("initiateAuthentication", response)?;
    Ok(InitiateAuthenticationOk {
        transaction_id: Some(answer.transaction_id()?),
        server_signed1: answer.binary("serverSigned1")?,
        server_signature1: answer.signature("serverSignature1")?,
        ci_key_id: answer.object("euiccCiPKIdToBeUsed", 0x04)?,
        certificate: answer.binary("serverCertificate")?,
        matching_id: None,
        ctx_params1: None,
    })
}

/// AuthenticateClient with the response of AuthenticateServer, `BF38`.
pub fn authenticate_client(service: Service, server: &str, id: &[u8], response: &[u8]) -> HttpRequest {
    let body = json!({
        "transactionId": hex::encode_upper(id),
        "authenticateServerResponse": STANDARD.encode(response),
    });
    request(service, server, "authenticateClient", &body)
}

/// The answer of an SM-DP+ to AuthenticateClient.
///
/// # Errors
/// [`AnswerError`].
pub fn authenticated(response: &HttpResponse) -> Result<AuthenticateClientOk, AnswerError> {
    let answer = Answer::open("authenticateClient", response)?;
    Ok(AuthenticateClientOk {
        transaction_id: Some(answer.transaction_id()?),
        metadata: match answer.fields.get("profileMetadata") {
            None | Some(Value::Null) => None,
            Some(_) => Some(answer.binary("profileMetadata")?),
        },
        smdp_signed2: answer.binary("smdpSigned2")?,
        smdp_signature2: answer.signature("smdpSignature2")?,
        certificate: answer.binary("smdpCertificate")?,
        hash_cc: None,
    })
}

/// The answer of an SM-DS to AuthenticateClient: what waits, the first thing first.
///
/// # Errors
/// [`AnswerError`].
pub fn events(response: &HttpResponse) -> Result<Vec<EventEntry>, AnswerError> {
    let answer = Answer::open("authenticateClient", response)?;
    let Some(Value::Array(entries)) = answer.fields.get("eventEntries") else {
        return Err(answer.malformed("eventEntries is no list"));
    };
    let text = |entry: &Value, name: &str| {
        let text = entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| answer.malformed(&format!("an event has no {name}")))
    };
    entries
        .iter()
        .map(|entry| {
            Ok(EventEntry { event_id: text(entry, "eventId")?, server: text(entry, "rspServerAddress")? })
        })
        .collect()
}

/// GetBoundProfilePackage with the response of PrepareDownload, `BF21`.
pub fn get_bound_profile_package(server: &str, id: &[u8], response: &[u8]) -> HttpRequest {
    let body = json!({
        "transactionId": hex::encode_upper(id),
        "prepareDownloadResponse": STANDARD.encode(response),
    });
    request(Service::Smdp, server, "getBoundProfilePackage", &body)
}

/// The bound profile package in the answer, `BF36`.
///
/// # Errors
/// [`AnswerError`].
pub fn bound_profile_package(response: &HttpResponse) -> Result<Vec<u8>, AnswerError> {
    Answer::open("getBoundProfilePackage", response)?.binary("boundProfilePackage")
}

/// CancelSession with the eUICC's response, `BF41`.
pub fn cancel_session(server: &str, id: &[u8], response: &[u8]) -> HttpRequest {
    let body = json!({
        "transactionId": hex::encode_upper(id),
        "cancelSessionResponse": STANDARD.encode(response),
    });
    request(Service::Smdp, server, "cancelSession", &body)
}

/// Checks the answer to CancelSession.
///
/// # Errors
/// [`AnswerError`].
pub fn cancelled(response: &HttpResponse) -> Result<(), AnswerError> {
    Answer::open("cancelSession", response).map(|_| ())
}

/// HandleNotification.
pub fn handle_notification(server: &str, notification: &[u8]) -> HttpRequest {
    let body = json!({"pendingNotification": STANDARD.encode(notification)});
    request(Service::Smdp, server, "handleNotification", &body)
}

/// Checks the answer to HandleNotification: nothing, with status 204; some servers send a header with 200.
///
/// # Errors
/// [`AnswerError`].
pub fn noted(response: &HttpResponse) -> Result<(), AnswerError> {
    let function = "handleNotification";
    match response.status {
        200..=299 if response.body.is_empty() => Ok(()),
        200..=299 => Answer::open(function, response).map(|_| ()),
        status => Err(AnswerError::Status { function, status }),
    }
}

fn request(service: Service, server: &str, function: &str, body: &Value) -> HttpRequest {
    HttpRequest {
        host: server.to_owned(),
        path: service.path(function),
        content_type: JSON.to_owned(),
        body: body.to_string().into_bytes(),
    }
}

/// The body of an answer whose header says that the function was executed.
struct Answer {
    function: &'static str,
    fields: Map<String, Value>,
}

impl Answer {
    fn open(function: &'static str, response: &HttpResponse) -> Result<Self, AnswerError> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(&response.body) else {
            return Err(match response.status {
                200..=299 => AnswerError::Malformed { function, problem: "it is no JSON object".to_owned() },
                status => AnswerError::Status { function, status },
            });
        };
        let answer = Self { function, fields };
        let status = answer.fields.get("header").and_then(|header| header.get("functionExecutionStatus"));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        match text(status.and_then(|status| status.get("status"))).as_deref() {
            Some("Executed-Success" | "Executed-WithWarning") => Ok(answer),
            Some(_) => {
                let data = status.and_then(|status| status.get("statusCodeData"));
                let of = |name| text(data.and_then(|data| data.get(name)));
                Err(AnswerError::Refused(ServerRefusal {
                    function,
                    subject_code: of("subjectCode").unwrap_or_default(),
                    reason_code: of("reasonCode").unwrap_or_default(),
                    message: of("message"),
                }))
            }
            None if !(200..300).contains(&response.status) => {
                Err(AnswerError::Status { function, status: response.status })
            }
            None => Err(answer.malformed("it has no functionExecutionStatus")),
        }
    }

    fn malformed(&self, problem: &str) -> AnswerError {
        AnswerError::Malformed { function: self.function, problem: problem.to_owned() }
    }

    fn text(&self, name: &str) -> Result<&str, AnswerError> {
        let text = self.fields.get(name).and_then(Value::as_str);
        text.ok_or_else(|| self.malformed(&format!("{name} is not there")))
    }

    fn binary(&self, name: &str) -> Result<Vec<u8>, AnswerError> {
        STANDARD
            .decode(self.text(name)?)
            .map_err(|error| self.malformed(&format!("{name} is no Base64: {error}")))
    }

    /// The value of the one data object that a field holds.
    fn object(&self, name: &str, tag: u16) -> Result<Vec<u8>, AnswerError> {
        let bytes = self.binary(name)?;
        let value = tlv::find(&bytes, tag).map_err(|error| self.malformed(&format!("{name}: {error}")))?;
        Ok(value.to_vec())
    }

    fn signature(&self, name: &str) -> Result<Signature, AnswerError> {
        let value = self.object(name, 0x5f37)?;
        value.try_into().map_err(|_| self.malformed(&format!("{name} has another length than 64 bytes")))
    }

    fn transaction_id(&self) -> Result<Vec<u8>, AnswerError> {
        let id = hex::decode(self.text("transactionId")?).unwrap_or_default();
        if (1..=16).contains(&id.len()) {
            Ok(id)
        } else {
            Err(self.malformed("transactionId has 1 to 16 bytes"))
        }
    }
}

/// What a malformed structure inside an answer is called.
pub(super) fn malformed(function: &'static str) -> impl Fn(RspError) -> AnswerError {
    move |error| AnswerError::Malformed { function, problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, content_type: JSON.to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_refusal_says_what_its_codes_mean() {
        let body = r#"{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":
            {"subjectCode":"8.2.6","reasonCode":"3.8","message":"Refused"}}}}"#;
        let error = authenticated(&response(200, body)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "authenticateClient was refused (8.2.6, 3.8): No order waits under this matching identifier. The server \
             says: Refused"
        );
        let AnswerError::Refused(refusal) = error else { panic!() };
        assert_eq!(refusal.reason(), Some(Reason::MatchingIdRefused));
        let error = initiated(&response(502, "<html>")).unwrap_err();
        assert_eq!(error.to_string(), "initiateAuthentication: the server answers with HTTP status 502");
        assert!(noted(&response(204, "")).is_ok() && noted(&response(500, "")).is_err());
    }

    #[test]
    fn events_are_listed_in_their_order() {
        let header = r#""header":{"functionExecutionStatus":{"status":"Executed-Success"}}"#;
        let body = format!(
            r#"{{{header},"transactionId":"01","eventEntries":[{{"eventId":"E1","rspServerAddress":"a.b"}}]}}"#
        );
        let entry = EventEntry { event_id: "E1".to_owned(), server: "a.b".to_owned() };
        assert_eq!(events(&response(200, &body)), Ok(vec![entry]));
        let body = format!(r#"{{{header},"eventEntries":[{{"eventId":"E1"}}]}}"#);
        assert!(events(&response(200, &body)).is_err());
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_object_are_refused_by_function(status in 100u16..600, bytes: Vec<u8>) {
            let raw = HttpResponse { status, content_type: String::new(), body: bytes };
            let outcomes = [
                ("initiateAuthentication", initiated(&raw).map(drop)),
                ("authenticateClient", authenticated(&raw).map(drop)),
                ("authenticateClient", events(&raw).map(drop)),
                ("getBoundProfilePackage", bound_profile_package(&raw).map(drop)),
                ("cancelSession", cancelled(&raw)),
            ];
            for (function, outcome) in outcomes {
                let said = outcome.unwrap_err().to_string();
                prop_assert!(said.starts_with(function), "{said}");
            }
            prop_assert_eq!(noted(&raw).is_ok(), (200..300).contains(&status) && raw.body.is_empty());
        }

        #[test]
        fn fields_are_taken_as_they_stand_or_named(
            text in prop_oneof!["\\PC{0,40}", any::<Vec<u8>>().prop_map(|bytes| STANDARD.encode(bytes))],
            id in prop_oneof!["\\PC{0,10}", any::<Vec<u8>>().prop_map(hex::encode)],
        ) {
            let fields = json!({
                "header": {"functionExecutionStatus": {"status": "Executed-Success"}},
                "transactionId": id, "serverSigned1": text, "smdpSigned2": text, "boundProfilePackage": text,
                "eventEntries": [{"eventId": id, "rspServerAddress": text}],
            });
            let answer = response(200, &fields.to_string());
            match (bound_profile_package(&answer), STANDARD.decode(&text)) {
                (Ok(taken), right) => prop_assert_eq!(Ok(taken), right),
                (Err(error), right) => {
                    prop_assert!(right.is_err() && error.to_string().contains("boundProfilePackage"), "{error}");
                }
            }
            match events(&answer) {
                Ok(listed) => prop_assert_eq!(listed, vec![EventEntry { event_id: id, server: text }]),
                Err(_) => prop_assert!(id.is_empty() || text.is_empty()),
            }
            // Neither is there without a signature.
            prop_assert!(initiated(&answer).is_err() && authenticated(&answer).is_err());
            prop_assert!(cancelled(&answer).is_ok() && noted(&answer).is_ok());
        }
    }
}
