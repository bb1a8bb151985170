//! The JSON Schemas of the lab's files, generated from their types. Editors read them from `lab/schema/`.

use schemars::JsonSchema;

use super::{Bench, Scenario};
use crate::card::SimProfile;

/// Each schema with the name of its file, ready to write.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("scenario.schema.json", text::<Scenario>()),
        ("bench.schema.json", text::<Bench>()),
        ("sim-profile.schema.json", text::<SimProfile>()),
    ]
}

fn text<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    // The alternate form is indented; a schema is a tree of plain JSON and always prints.
    format!("{:#}\n", schema.as_value())
}
