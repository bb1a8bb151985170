//! A JSON Schema as a page for people: one table for each kind of section that a file has.
//!
//! It knows what `schemars` writes for the lab's types: objects, lists, words with a meaning each, and references to
//! definitions. What it does not know it shows as nothing more than a value.

use std::fmt::Write;

use serde_json::Value;

/// The page of one schema, in Markdown, with `title` as its heading. The tables come in the order of the definitions;
/// a type that has a section of its own is linked, with the anchors that mdBook and forges make of headings.
pub fn page(title: &str, introduction: &str, schema: &Value) -> String {
    let page = Page { definitions: &schema["$defs"] };
    let mut text = format!("# {title}\n\n{introduction}\n\n## The file\n\n");
    page.section(schema, &mut text);
    for (name, definition) in page.definitions.as_object().into_iter().flatten() {
        if has_section(definition) {
            let _ = write!(text, "\n## {}\n\n", heading(name));
            if let Some(description) = definition["description"].as_str() {
                let _ = write!(text, "{}\n\n", one_line(description));
            }
            page.section(definition, &mut text);
        }
    }
    text
}

struct Page<'a> {
    definitions: &'a Value,
}

impl Page<'_> {
    fn section(&self, schema: &Value, text: &mut String) {
        if let Some(properties) = schema["properties"].as_object() {
            text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
            for (key, property) in properties {
                let default = self.default(schema, key, property);
                let meaning = property["description"].as_str().map(one_line).unwrap_or_default();
                let _ =
                    writeln!(text, "| `{key}` | {} | {default} | {} |", self.kind(property), cell(&meaning));
            }
        } else if let Some(values) = schema["oneOf"].as_array() {
            text.push_str("| value | meaning |\n|---|---|\n");
            for value in values {
                let meaning = value["description"].as_str().map(one_line).unwrap_or_default();
                let _ = writeln!(text, "| {} | {} |", self.kind(value), cell(&meaning));
            }
        } else {
            let _ = writeln!(text, "Type: {}.", self.kind(schema));
        }
    }

    fn default(&self, schema: &Value, key: &str, property: &Value) -> String {
        let required =
            schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == key));
        match property.get("default") {
            _ if required => "required".to_owned(),
            // That of a table stands at its keys.
            Some(Value::Object(_)) | None => String::new(),
            Some(value) => cell(&format!("`{value}`")),
        }
    }

    /// The type of a value, ready for the cell of a table.
    fn kind(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            let definition = &self.definitions[name];
            return if has_section(definition) {
                format!("[{}](#{})", words(name), words(name).replace(' ', "-"))
            } else {
                self.kind(definition)
            };
        }
        if let Some(word) = schema["const"].as_str() {
            return cell(&format!("`{word}`"));
        }
        if let Some(listed) = schema["enum"].as_array() {
            let listed: Vec<_> = listed.iter().map(|value| format!("`{value}`")).collect();
            return cell(&listed.join(" or "));
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let choices: Vec<_> = choices
                .iter()
                .filter(|choice| choice["type"] != "null")
                .map(|choice| self.kind(choice))
                .collect();
            return choices.join(" or ");
        }
        match type_of(schema) {
            Some("array") => {
                let bounds = range(&schema["minItems"], &schema["maxItems"]);
                format!("list of {}{bounds}", self.kind(&schema["items"]))
            }
            Some("string") => match schema["pattern"].as_str() {
                Some(pattern) => cell(&format!("string as `{pattern}`")),
                None => "string".to_owned(),
            },
            Some(number @ ("integer" | "number")) => {
                format!("{number}{}", range(&schema["minimum"], &schema["maximum"]))
            }
            Some(other) => other.to_owned(),
            None => "value".to_owned(),
        }
    }
}

/// Whether a definition is worth a heading: it has keys, or values that mean something.
fn has_section(definition: &Value) -> bool {
    ["properties", "oneOf", "anyOf"].iter().any(|form| definition.get(*form).is_some())
}

/// The type beside `null`, which says only that a key may be left out.
fn type_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.as_str(),
    }
}

fn range(least: &Value, most: &Value) -> String {
    let bounds = match (least.as_u64(), most.as_u64()) {
        (Some(least), Some(most)) if least == most => format!("{least}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) if least > 0 => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        _ => return String::new(),
    };
    format!(", {bounds}")
}

/// `DeviceGroup` as `Device group`.
fn heading(name: &str) -> String {
    let words = words(name);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `DeviceGroup` as `device group`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn one_line(description: &str) -> String {
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What would end the cell of a table is escaped.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::page;

    #[test]
    fn keys_types_defaults_and_values_are_on_the_page() {
        let schema = json!({
            "properties": {
                "name": { "type": "string", "description": "Its\nname.", "pattern": "^(a|b)$" },
                "count": { "type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 3 },
                "way": { "anyOf": [{ "$ref": "#/$defs/TheWay" }, { "type": "null" }] },
                "codes": { "type": "array", "items": { "$ref": "#/$defs/Code" }, "minItems": 1 }
            },
            "required": ["name"],
            "$defs": {
                "TheWay": { "description": "How.", "oneOf": [{ "const": "in", "description": "Inwards." }] },
                "Code": { "type": "string" }
            }
        });
        let expected = "# Title\n\nWhat it is.\n\n## The file\n\n\
            | key | type | default | meaning |\n|---|---|---|---|\n\
            | `codes` | list of string, at least 1 |  |  |\n\
            | `count` | integer, 1 to 9 | `3` |  |\n\
            | `name` | string as `^(a\\|b)$` | required | Its name. |\n\
            | `way` | [the way](#the-way) |  |  |\n\
            \n## The way\n\nHow.\n\n| value | meaning |\n|---|---|\n| `in` | Inwards. |\n";
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&page("Title", "What it is.", &schema)), sorted(expected));
    }
}
