//! Compares a parsed TOML value with the JSON Schema of what it should be (the part of draft 2020-12 that
//! schemars writes for plain types), in words for the author of the file.

use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::diagnostic::{Diagnostic, suggest};

/// What a comparison found.
pub(super) struct Findings {
    pub problems: Vec<Diagnostic>,
    /// Something is wrong that keeps the value from being read: more than an unknown key.
    pub unreadable: bool,
}

/// Compares `root` with `schema`. Unknown keys are reported and taken out of `root`.
pub(super) fn check(
    root: &mut Spanned<DeValue<'_>>,
    schema: &Value,
    source: &Arc<NamedSource<String>>,
) -> Findings {
    let findings = Findings { problems: Vec::new(), unreadable: false };
    let mut checker = Checker { definitions: &schema["$defs"], source, findings };
    checker.value(root, schema, "the file");
    checker.findings
}

struct Checker<'s> {
    definitions: &'s Value,
    source: &'s Arc<NamedSource<String>>,
    findings: Findings,
}

impl<'s> Checker<'s> {
    /// `what` names the value in messages, as in "`count`".
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>, schema: &'s Value, what: &str) {
        let schema = self.resolve(schema, value.get_ref());
        let span = value.span();
        if let Some(known) = constants(schema) {
            let refused = &schema["x-refused"];
            return self.constant(value.get_ref(), span, (&known, refused), what);
        }
        let expected = expected_type(schema);
        match (value.get_mut(), expected) {
            (DeValue::Table(table), "object") => self.table(table, span, schema, what),
            (DeValue::Array(items), "array") => self.array(items, span, schema, what),
            (DeValue::Integer(integer), "integer") => self.integer(integer, span, schema, what),
            (DeValue::String(text), "string") => {
                if text.trim().is_empty() && schema["minLength"].as_u64() > Some(0) {
                    self.wrong(span, format!("{what} is empty"), "needs a text", None);
                }
            }
            (DeValue::Boolean(_), "boolean") | (DeValue::Float(_), "number") | (_, "") => {}
            (found, expected) => {
                let message = format!("{what} takes {}, not {}", type_name(expected), value_name(found));
                let advice = type_advice(found, expected, what);
                self.wrong(span, message, format!("this is {}", value_name(found)), advice);
            }
        }
    }

    fn table(&mut self, table: &mut DeTable<'_>, span: Range<usize>, schema: &'s Value, what: &str) {
        let properties = &schema["properties"];
        let closed = schema["additionalProperties"] == Value::Bool(false);
        let mut unknown = Vec::new();
        for (key, value) in table.iter_mut() {
            let name = key.get_ref().as_ref();
            match properties.get(name) {
                Some(schema) => self.value(value, schema, &format!("`{name}`")),
                None if closed => unknown.push((name.to_owned(), key.span())),
                None => {}
            }
        }
        for (name, span) in unknown {
            table.remove(name.as_str());
            let message = format!("unknown key `{name}` in {what}");
            let known = properties.as_object().into_iter().flat_map(Map::keys);
            let help = suggest(&name, known.map(String::as_str));
            self.problem(span, message, "not a key here", help);
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(key) {
                let meaning = properties.get(key).and_then(|p| p["description"].as_str());
                let help = meaning.map(|m| format!("`{key}`: {}", m.lines().next().unwrap_or(m)));
                self.wrong(span.clone(), format!("{what} lacks `{key}`"), "it belongs here", help);
            }
        }
    }

    fn array(&mut self, items: &mut DeArray<'_>, span: Range<usize>, schema: &'s Value, what: &str) {
        if items.is_empty() && schema["minItems"].as_u64() > Some(0) {
            self.wrong(span, format!("{what} is empty"), "needs at least one", None);
        }
        for (i, item) in items.iter_mut().enumerate() {
            self.value(item, &schema["items"], &format!("{what} {}", i + 1));
        }
    }

    fn integer(&mut self, integer: &DeInteger<'_>, span: Range<usize>, schema: &Value, what: &str) {
        let format_max = match schema["format"].as_str() {
            Some("uint8") => i128::from(u8::MAX),
            Some("uint16") => i128::from(u16::MAX),
            Some("uint32") => i128::from(u32::MAX),
            Some("uint64") => i128::from(u64::MAX),
            _ => i128::from(i64::MAX),
        };
        let bound = |key: &str| schema[key].as_i64().map(i128::from);
        let least = bound("minimum").unwrap_or(i64::MIN.into());
        let most = bound("maximum").unwrap_or(format_max);
        // Digits that do not fit 128 bits are out of any range.
        let found = i128::from_str_radix(integer.as_str(), integer.radix());
        if !found.is_ok_and(|n| (least..=most).contains(&n)) {
            let message = format!("{what} is {integer}, it takes {least} to {most}");
            self.wrong(span, message, "out of range", None);
        }
    }

    /// `refused` says why some values that one might look for are not there.
    fn constant(
        &mut self,
        found: &DeValue<'_>,
        span: Range<usize>,
        (known, refused): (&[&str], &Value),
        what: &str,
    ) {
        match found {
            DeValue::String(text) if known.contains(&text.as_ref()) => {}
            DeValue::String(text) => {
                let message = format!("{what} cannot be \"{text}\"");
                match refused[text.to_lowercase()].as_str() {
                    Some(why) => self.wrong(span, message, "not permitted", Some(why.to_owned())),
                    None => self.wrong(span, message, "unknown value", suggest(text, known.iter().copied())),
                }
            }
            other => {
                let message = format!("{what} takes a string, not {}", value_name(other));
                let advice = suggest("", known.iter().copied());
                self.wrong(span, message, format!("this is {}", value_name(other)), advice);
            }
        }
    }

    /// Follows references, takes the value out of "this or nothing", and of several alternatives the one for a table
    /// or a whole number where `found` is one.
    fn resolve(&self, mut schema: &'s Value, found: &DeValue<'_>) -> &'s Value {
        // A schema of ours nests references two deep; the bound keeps a circle from hanging the program.
        for _ in 0..8 {
            if schema["$ref"].is_string() {
                schema = self.named(schema);
            } else if let Some(any) = schema["anyOf"].as_array() {
                let some = || any.iter().filter(|one| one["type"] != "null");
                let kind = |one: &'s Value| expected_type(self.named(one));
                let fits = |one: &&'s Value| match found {
                    DeValue::Table(_) => kind(one) == "object",
                    DeValue::Integer(_) => kind(one) == "integer",
                    _ => !["object", "integer"].contains(&kind(one)),
                };
                let is_table = matches!(found, DeValue::Table(_));
                let nearly = |one: &&'s Value| !is_table && kind(one) != "object";
                let one = some().find(fits).or_else(|| some().find(nearly)).or_else(|| some().next());
                let Some(one) = one else { break };
                schema = one;
            } else {
                break;
            }
        }
        schema
    }

    /// The schema that `schema` refers to; itself where it is no reference.
    fn named(&self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
            Some(name) => &self.definitions[name],
            None => schema,
        }
    }

    fn problem(&mut self, span: Range<usize>, message: String, label: &str, help: Option<String>) {
        self.findings.problems.push(Diagnostic::new(self.source, span, message, label, help));
    }

    /// A problem that keeps the value from being read.
    fn wrong(&mut self, span: Range<usize>, message: String, label: impl AsRef<str>, help: Option<String>) {
        self.findings.unreadable = true;
        self.problem(span, message, label.as_ref(), help);
    }
}

/// The strings that an enumeration allows; `None` where the schema is not one.
fn constants(schema: &Value) -> Option<Vec<&str>> {
    let alternatives = match (&schema["oneOf"], &schema["enum"]) {
        (Value::Array(alternatives), _) => alternatives.iter().collect(),
        (_, Value::Array(_)) => vec![schema],
        _ if schema["const"].is_string() => vec![schema],
        _ => return None,
    };
    let mut known = Vec::new();
    for one in alternatives {
        known.extend(one["const"].as_str());
        known.extend(one["enum"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    Some(known)
}

fn expected_type(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(one) => one,
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).find(|t| *t != "null").unwrap_or("")
        }
        _ => "",
    }
}

fn type_name(schema_type: &str) -> &str {
    match schema_type {
        "object" => "a table",
        "array" => "an array",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "a string",
    }
}

fn value_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn type_advice(found: &DeValue<'_>, expected: &str, what: &str) -> Option<String> {
    let name = what.trim_matches('`');
    match (found, expected) {
        (DeValue::String(_), "integer" | "boolean") => Some("write it without quotes".to_owned()),
        (DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_), "string") => {
            Some("write it in quotes".to_owned())
        }
        (DeValue::Table(_), "array") => Some(format!("write the header with two brackets: [[{name}]]")),
        (DeValue::Array(_), "object") => Some(format!("write the header with one bracket: [{name}]")),
        (_, "array") => Some(format!("write it in brackets: {name} = [...]")),
        _ => None,
    }
}
