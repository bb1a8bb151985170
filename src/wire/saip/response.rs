//! What a card answers to a package: `EUICCResponse`, which SGP.22 carries as `simaResponse`.

use super::der::{Fault, Object, Raw, SEQUENCE, Writer, constructed, context};
use super::error::{PackageError, PeStatusCode};

/// What became of one element, or of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeStatus {
    /// `status`, tag `80`.
    pub status: PeStatusCode,
    /// Identification number of the element.
    pub identification: Option<u16>,
    /// `additional-information`, tag `82`: a number whose meaning goes with the status.
    pub additional: Option<u8>,
    /// Where in the element the part stands that is meant.
    pub offset: Option<u32>,
}

impl PeStatus {
    /// All is well.
    pub const OK: Self =
        Self { status: PeStatusCode::OK, identification: None, additional: None, offset: None };
}

/// The answer of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccResponse {
    /// `peStatus`, tag `A0`: one for each element that has something to say; [`PeStatus::OK`] alone where none
    /// has.
    pub statuses: Vec<PeStatus>,
    /// Whether nothing was installed.
    pub aborted: bool,
    /// Words for a person, 2 to 64 bytes.
    pub message: Option<String>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl EuiccResponse {
    /// The profile is installed. `warnings` are the elements that were left out.
    pub fn installed(warnings: &[PackageError]) -> Self {
        let mut statuses: Vec<PeStatus> = warnings.iter().map(PeStatus::from).collect();
        if statuses.is_empty() {
            statuses.push(PeStatus::OK);
        }
        Self { statuses, aborted: false, message: None, extra: Vec::new() }
    }

    /// The profile is not installed, and why.
    pub fn refused(error: &PackageError) -> Self {
        let mut message = error.to_string();
        // The field has room for 64 bytes; what is too long ends where a character does.
        let end = (0..=message.len().min(64)).rev().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        Self {
            statuses: vec![PeStatus::from(error)],
            aborted: true,
            message: Some(message),
            extra: Vec::new(),
        }
    }

    /// The SEQUENCE, with its tag.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.group(SEQUENCE, |w| {
            w.group(constructed(0), |w| {
                for status in &self.statuses {
                    w.group(SEQUENCE, |w| status.write(w));
                }
            });
            w.maybe(context(1), self.aborted.then_some(&[]));
            w.maybe(context(2), self.message.as_deref().map(str::as_bytes));
            w.raw(&self.extra);
        });
        out.0
    }

    /// Reads what [`EuiccResponse::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ResponseError> {
        let read = |bytes| {
            let (object, rest) = Object::read(bytes, 0)?;
            if object.tag != SEQUENCE || !rest.is_empty() {
                return Err(object.wrong("one SEQUENCE belongs here"));
            }
            let mut fields = object.fields()?;
            Ok(Self {
                statuses: fields
                    .required(constructed(0), "peStatus", |o| o.list(SEQUENCE, PeStatus::read))?,
                aborted: fields.optional(context(1), "profileInstallationAborted", |o| o.null())?.is_some(),
                message: fields.optional(context(2), "statusMessage", |o| {
                    String::from_utf8(o.octets(0, 256)?).map_err(|_| o.bad("no UTF-8 text"))
                })?,
                extra: fields.rest()?,
            })
        };
        read(bytes).map_err(|fault: Fault| ResponseError { path: fault.path, cause: fault.cause })
    }
}

/// Bytes that are no answer of a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("EUICCResponse {path}: {cause}")]
pub struct ResponseError {
    /// Names from the outermost field to the one that is wrong.
    pub path: String,
    /// What is wrong with it.
    pub cause: String,
}

impl PeStatus {
    fn read(object: &Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        let status = PeStatusCode(fields.required(context(0), "status", |o| o.integer(0xffff))? as u16);
        let read = Self {
            status,
            identification: fields
                .optional(context(1), "identification", |o| o.integer(0x7fff))?
                .map(|n| n as u16),
            additional: fields
                .optional(context(2), "additional-information", |o| o.integer(255))?
                .map(|n| n as u8),
            offset: fields.optional(context(3), "offset", |o| o.integer(0x7fff_ffff))?,
        };
        fields.rest()?;
        Ok(read)
    }

    fn write(&self, w: &mut Writer) {
        w.integer(context(0), u32::from(self.status.0));
        let numbers = [self.identification.map(u32::from), self.additional.map(u32::from), self.offset];
        for (number, value) in (1..).zip(numbers) {
            if let Some(value) = value {
                w.integer(context(number), value);
            }
        }
    }
}

impl From<&PackageError> for PeStatus {
    fn from(error: &PackageError) -> Self {
        Self {
            status: error.status,
            identification: error.identification,
            additional: None,
            offset: error.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ElementRef;
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn answers_as_the_module_says() {
        assert_eq!(hex::encode(EuiccResponse::installed(&[]).encode()), "3007a0053003800100");
        let error = PackageError {
            element: ElementRef { index: 7, name: "usim" },
            identification: Some(8),
            path: "ef-imsi".into(),
            cause: "content goes 3 bytes beyond the end of the file — ".repeat(3),
            status: PeStatusCode::BAD_VALUES,
            offset: Some(300),
        };
        let refused = EuiccResponse::refused(&error);
        let message = refused.message.as_deref().unwrap();
        assert!(message.starts_with("element 7 (usim), ef-imsi: content") && message.len() <= 64);
        let bytes = refused.encode();
        assert!(
            hex::encode(&bytes).starts_with("3052a00c300a8001038101088302012c8100"),
            "{}",
            hex::encode(&bytes)
        );
        assert_eq!(EuiccResponse::decode(&bytes), Ok(refused));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for hex in ["", "3000", "3007a0053003800100ff", "3009a0073005800100810180"] {
            assert!(EuiccResponse::decode(&hex::decode(hex).unwrap()).is_err(), "{hex}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(
            bytes in bent(hex::decode("3014a00c300a8001038101088302012c8100820268 69".replace(' ', "")).unwrap()),
        ) {
            match EuiccResponse::decode(&bytes) {
                Ok(read) => prop_assert_eq!(EuiccResponse::decode(&read.encode()), Ok(read)),
                Err(error) => prop_assert!(!error.cause.is_empty()),
            }
        }

        #[test]
        fn what_is_written_reads_back(
            statuses in proptest::collection::vec(
                (any::<u16>(), proptest::option::of(0u16..0x8000), any::<Option<u8>>(), proptest::option::of(0u32..0x8000_0000)), 0..4),
            aborted in any::<bool>(), message in proptest::option::of("[a-z]{2,64}"),
        ) {
            let statuses = statuses.into_iter().map(|(status, identification, additional, offset)| {
                PeStatus { status: PeStatusCode(status), identification, additional, offset }
            }).collect();
            let response = EuiccResponse { statuses, aborted, message, extra: Vec::new() };
            prop_assert_eq!(EuiccResponse::decode(&response.encode()), Ok(response));
        }
    }
}
