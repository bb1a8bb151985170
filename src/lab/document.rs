//! A TOML file read against the JSON Schema of a type, so that everything that is wrong with it is named at
//! once and where it stands. The schema comes from the type itself: what editors are told, what is checked
//! here and what is read are one.

use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::FileKind;
use super::conform;
use super::diagnostic::Diagnostic;

/// A parsed file and the problems found in it so far.
pub(super) struct Document<'a> {
    source: Arc<NamedSource<String>>,
    root: Spanned<DeValue<'a>>,
    problems: Vec<Diagnostic>,
}

impl<'a> Document<'a> {
    /// Parses `text`, the content of the file called `name`.
    pub(super) fn parse(text: &'a str, name: &str) -> Self {
        let source = Arc::new(NamedSource::new(name, without_secrets(text)).with_language("TOML"));
        let (table, errors) = DeTable::parse_recoverable(text);
        let problems = errors
            .iter()
            .map(|e| Diagnostic::new(&source, e.span().unwrap_or(0..0), e.message(), "not TOML", None))
            .collect();
        let span = table.span();
        Self { source, root: Spanned::new(span, DeValue::Table(table.into_inner())), problems }
    }

    /// What the file is, by the tables that only one kind has; `None` where it has none of them.
    pub(super) fn kind(&self) -> Option<FileKind> {
        let has = |keys: &[&str]| keys.iter().any(|key| self.root().key(key).exists());
        if has(&["roles", "capture", "link", "base_station"]) {
            Some(FileKind::Bench)
        } else {
            let of_profile =
                || has(&["imsi", "iccid", "eid", "authentication"]).then_some(FileKind::SimProfile);
            let of_scenario = has(&["device", "steps", "expect", "fault", "network"]);
            of_scenario.then_some(FileKind::Scenario).or_else(of_profile)
        }
    }

    /// Refuses a file that is plainly of another kind, instead of naming each of its keys.
    pub(super) fn expect_kind(&self, wanted: FileKind) -> Result<(), Vec<Diagnostic>> {
        match self.kind() {
            Some(kind) if kind != wanted && self.problems.is_empty() => {
                let message = format!("this is a {}, where a {} is wanted", kind.name(), wanted.name());
                Err(vec![Diagnostic::new(&self.source, 0..0, message, "this file", None)])
            }
            _ => Ok(()),
        }
    }

    /// Reads a `T`. Unknown keys are reported and left out, so that the rest can still be judged; `None`
    /// where what remains is not a `T`.
    pub(super) fn read<T: DeserializeOwned + JsonSchema>(&mut self) -> Option<T> {
        if !self.problems.is_empty() {
            return None;
        }
        let schema = schemars::schema_for!(T).to_value();
        let findings = conform::check(&mut self.root, &schema, &self.source);
        self.problems = findings.problems;
        if findings.unreadable {
            return None;
        }
        let DeValue::Table(table) = self.root.get_ref().clone() else { return None };
        match T::deserialize(Deserializer::from(Spanned::new(self.root.span(), table))) {
            Ok(value) => Some(value),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                self.problems.push(Diagnostic::new(&self.source, span, error.message(), "here", None));
                None
            }
        }
    }

    /// The top of the file, to look up places from.
    pub(super) fn root(&self) -> Place<'_, 'a> {
        Place { value: Some(&self.root), span: 0..0 }
    }

    /// Notes a problem at `span`.
    pub(super) fn problem(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        self.problems.push(Diagnostic::new(&self.source, span, message, label, help));
    }

    /// `value` where nothing is wrong, or else everything that is, in the order of the file.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => {
                if self.problems.is_empty() {
                    self.problem(0..0, "the file cannot be read", "here", None);
                }
                self.problems.sort_by_key(|p| p.span.start);
                Err(self.problems)
            }
        }
    }
}

/// The keys of files of the lab whose values no diagnostic draws.
const SECRETS: [&str; 17] = [
    "k",
    "op",
    "opc",
    "top",
    "topc",
    "ki",
    "kic",
    "kid",
    "dek",
    "pre_shared_key",
    "pin1",
    "pin2",
    "puk1",
    "puk2",
    "adm1",
    "adm",
    "password",
];

/// `text` with letters and digits of the values of [`SECRETS`] as asterisks, so that every place in it stays where it is.
fn without_secrets(text: &str) -> String {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut hidden = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut secret = false;
        let mut word = String::new();
        // Up to the end of the line: a value that is not well written does not end where it should.
        for c in line.chars() {
            match c {
                _ if secret && c.is_alphanumeric() => hidden.extend(std::iter::repeat_n('*', c.len_utf8())),
                '=' => {
                    secret |= SECRETS.contains(&word.to_ascii_lowercase().as_str());
                    hidden.push(c);
                }
                c => hidden.push(c),
            }
            if is_key(c) {
                word.push(c);
            } else if !matches!(c, ' ' | '\t' | '"' | '\'') {
                word.clear();
            }
        }
    }
    hidden
}

/// A place in a file. Where a key or item is absent, the place of what should hold it.
#[derive(Clone)]
pub(super) struct Place<'d, 'a> {
    value: Option<&'d Spanned<DeValue<'a>>>,
    span: Range<usize>,
}

impl<'d, 'a> Place<'d, 'a> {
    /// The value of `key` in this table.
    pub(super) fn key(self, key: &str) -> Self {
        let value = match self.value.map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => table.get(key),
            _ => None,
        };
        self.step_to(value)
    }

    /// Item `index` of this array, counted from 0.
    pub(super) fn item(self, index: usize) -> Self {
        let value = match self.value.map(Spanned::get_ref) {
            Some(DeValue::Array(items)) => items.get(index),
            _ => None,
        };
        self.step_to(value)
    }

    fn step_to(self, value: Option<&'d Spanned<DeValue<'a>>>) -> Self {
        Self { value, span: value.map_or(self.span, Spanned::span) }
    }

    /// Whether the key or item is there.
    pub(super) fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// The bytes of the source that this place covers.
    pub(super) fn span(self) -> Range<usize> {
        self.span
    }
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn values_of_secrets_are_asterisks_and_nothing_moves() {
        for (text, hidden) in [
            ("k = \"46 5b\"\nimsi = \"001\"\n", "k = \"** **\"\nimsi = \"001\"\n"),
            ("a = { apn = \"x\", opc = \"cd63\" }", "a = { apn = \"x\", opc = \"****\" }"),
            ("\"adm1\"=TEST", "\"adm1\"=****"),
            ("kind = \"a\"\r\npin1 = 0000", "kind = \"a\"\r\npin1 = ****"),
        ] {
            assert_eq!(without_secrets(text), hidden);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_keeps_its_length(text: String) {
            proptest::prop_assert_eq!(without_secrets(&text).len(), text.len());
        }
    }
}
