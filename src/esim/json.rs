//! The JSON binding of the functions (SGP.22 clause 6.5): reading requests, writing responses with their header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{FunctionRefusal, HttpResponse, JSON, Reason};

/// The longest text of a field that is no binary data: names and identifiers.
const TEXT_MAX: usize = 255;

/// The body of a request: a JSON object.
#[derive(Debug)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FunctionRefusal> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Reason::NotJson.into()),
            Err(error) => Err(FunctionRefusal::new(Reason::NotJson, format!("It is no JSON: {error}."))),
        }
    }

    /// A field of text that may be absent; `null` is absent.
    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&str>, FunctionRefusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(FunctionRefusal::new(Reason::Malformed, format!("{name} is no string."))),
        }
    }

    fn any_text(&self, name: &str) -> Result<&str, FunctionRefusal> {
        let missing = || FunctionRefusal::new(Reason::FieldMissing, format!("{name} is not there."));
        self.optional_text(name)?.ok_or_else(missing)
    }

    /// A field of text.
    pub(super) fn text(&self, name: &str) -> Result<&str, FunctionRefusal> {
        let text = self.any_text(name)?;
        if text.len() > TEXT_MAX {
            let problem = format!("{name} has more than {TEXT_MAX} bytes.");
            return Err(FunctionRefusal::new(Reason::Malformed, problem));
        }
        Ok(text)
    }

    /// The identifier of who asks, in the header of ES2+ and ES12 (SGP.22 clause 6.5.1.3).
    pub(super) fn requester(&self) -> Result<&str, FunctionRefusal> {
        let missing =
            |name: &str| FunctionRefusal::new(Reason::FieldMissing, format!("{name} is not there."));
        let Some(Value::Object(header)) = self.0.get("header") else { return Err(missing("header")) };
        let text = |name: &str| match header.get(name) {
            Some(Value::String(text)) if (1..=TEXT_MAX).contains(&text.len()) => Ok(text.as_str()),
            None | Some(Value::Null) => Err(missing(name)),
            Some(_) => Err(FunctionRefusal::new(Reason::Malformed, format!("{name} is no string."))),
        };
        text("functionCallIdentifier")?;
        text("functionRequesterIdentifier")
    }

    /// A field of text as what it stands for.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, FunctionRefusal> {
        let wrong = |error| FunctionRefusal::new(Reason::Malformed, format!("{name}: {error}."));
        self.optional_text(name)?.map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// A field that is true or false, and false where it is absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, FunctionRefusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => {
                Err(FunctionRefusal::new(Reason::Malformed, format!("{name} is neither true nor false.")))
            }
        }
    }

    /// A field of Base64.
    pub(super) fn binary(&self, name: &str) -> Result<Vec<u8>, FunctionRefusal> {
        let wrong = |error| FunctionRefusal::new(Reason::Malformed, format!("{name} is no Base64: {error}."));
        STANDARD.decode(self.any_text(name)?).map_err(wrong)
    }

    /// The transaction identifier, hexadecimal.
    pub(super) fn transaction_id(&self) -> Result<Vec<u8>, FunctionRefusal> {
        let id = hex::decode(self.text("transactionId")?).unwrap_or_default();
        if (1..=16).contains(&id.len()) {
            Ok(id)
        } else {
            Err(FunctionRefusal::new(
                Reason::Malformed,
                "transactionId is no 1 to 16 bytes in hexadecimal digits.",
            ))
        }
    }
}

/// The fields of a response.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Base64 as a JSON string.
pub(super) fn binary(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// A transaction identifier as a JSON string.
pub(super) fn transaction_id(id: &[u8]) -> Value {
    Value::String(hex::encode_upper(id))
}

/// The response of a function that was executed.
pub(super) fn executed(fields: Fields) -> HttpResponse {
    let mut body = Map::new();
    body.insert("header".to_owned(), json!({"functionExecutionStatus": {"status": "Executed-Success"}}));
    body.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    respond(200, &Value::Object(body))
}

/// The response of a function that was refused: status `Failed` with codes and a message for people. Only what is
/// no JSON at all is an error of HTTP as well (SGP.22 clause 6.3).
pub(super) fn refused(refusal: &FunctionRefusal, transaction: Option<&[u8]>) -> HttpResponse {
    let status = json!({
        "status": "Failed",
        "statusCodeData": {
            "subjectCode": refusal.reason.subject_code(),
            "reasonCode": refusal.reason.reason_code(),
            "message": format!("{}: {refusal}", refusal.reason.word()),
        }
    });
    let mut body = json!({"header": {"functionExecutionStatus": status}});
    if let (Some(id), Value::Object(fields)) = (transaction, &mut body) {
        fields.insert("transactionId".to_owned(), transaction_id(id));
    }
    let http = match refusal.reason {
        Reason::NotJson => 400,
        Reason::NotAuthenticated => 403,
        Reason::UnknownFunction => 404,
        _ => 200,
    };
    respond(http, &body)
}

fn respond(status: u16, body: &Value) -> HttpResponse {
    HttpResponse { status, content_type: JSON.to_owned(), body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::support::bent::bent;

    #[test]
    fn fields_are_read_or_named() {
        let body = Body::parse(br#"{"a":"AQI=","b":1,"c":null,"transactionId":"0aFF","f":true}"#).unwrap();
        assert_eq!(body.binary("a").unwrap(), [1, 2]);
        assert_eq!(body.optional_text("c").unwrap(), None);
        assert_eq!(body.transaction_id().unwrap(), [0x0a, 0xff]);
        assert!(body.flag("f").unwrap() && !body.flag("g").unwrap());
        assert_eq!(body.text("b").unwrap_err().to_string(), "The request is malformed. b is no string.");
        assert_eq!(body.text("d").unwrap_err().reason, Reason::FieldMissing);
        assert_eq!(Body::parse(b"[]").unwrap_err().reason, Reason::NotJson);
    }

    #[test]
    fn responses_have_the_header_of_the_standard() {
        let done = executed(vec![("transactionId", transaction_id(&[0xab, 1]))]);
        assert_eq!(
            String::from_utf8(done.body).unwrap(),
            r#"{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},"transactionId":"AB01"}"#
        );
        let no = refused(&Reason::MatchingIdRefused.into(), Some(&[1]));
        let no: Value = serde_json::from_slice(&no.body).unwrap();
        let data = &no["header"]["functionExecutionStatus"]["statusCodeData"];
        assert_eq!((data["subjectCode"].as_str(), data["reasonCode"].as_str()), (Some("8.2.6"), Some("3.8")));
        assert_eq!(no["transactionId"], "01");
    }

    proptest! {
        #[test]
        fn what_is_no_object_is_malformed(bytes in bent(br#"{"a":"AQI=","b":{"c":[1,2]}}"#.to_vec())) {
            let object = matches!(serde_json::from_slice(&bytes), Ok(Value::Object(_)));
            match Body::parse(&bytes) {
                Ok(_) => prop_assert!(object),
                Err(refusal) => prop_assert!(!object && refusal.reason == Reason::NotJson),
            }
        }

        #[test]
        fn a_field_is_what_it_stands_for_or_named(text in prop_oneof![
            "\\PC{0,40}",
            any::<Vec<u8>>().prop_map(|bytes| STANDARD.encode(bytes)),
            any::<Vec<u8>>().prop_map(hex::encode),
            "[0-9]{32}",
            Just("89049032123451234512345678901235".to_owned()),
        ]) {
            let body = Body::parse(json!({"a": text, "transactionId": text}).to_string().as_bytes()).unwrap();
            match body.binary("a") {
                Ok(bytes) => prop_assert_eq!(STANDARD.encode(bytes), &text[..]),
                Err(refusal) => prop_assert!(refusal.to_string().contains("a is no Base64"), "{refusal}"),
            }
            match body.transaction_id() {
                Ok(id) => prop_assert!(
                    (1..=16).contains(&id.len()) && hex::encode(&id) == text.to_ascii_lowercase()
                ),
                Err(refusal) => prop_assert!(refusal.to_string().contains("transactionId"), "{refusal}"),
            }
            match body.parsed::<crate::id::Eid>("a") {
                Ok(eid) => prop_assert_eq!(eid.map(|eid| eid.to_string()), Some(text)),
                Err(refusal) => prop_assert!(refusal.to_string().contains(" a: "), "{refusal}"),
            }
        }
    }
}
