//! The JSON Schemas of the lab's files, generated from their types. Editors read them from `lab/schema/`, people the
//! pages that are made from them in `docs/reference/`.

mod markdown;

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

/// The pages of the reference, one for each schema, with the names of their files: Markdown.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        (
            "scenario.md",
            page::<Scenario>(
                "Scenarios",
                "A scenario says what happens, in a TOML file of `lab/scenarios/`. It knows roles, no vendors.",
            ),
        ),
        (
            "bench.md",
            page::<Bench>(
                "Benches",
                "A bench says who plays which role, and over which links, in a TOML file of `lab/benches/`.",
            ),
        ),
        (
            "sim-profile.md",
            page::<SimProfile>(
                "SIM profiles",
                "A SIM profile says what is on a card, in a TOML file of `sim-profiles/`. Cards and subscribers that \
                 are made from one file count on from its values.",
            ),
        ),
    ]
}

fn page<T: JsonSchema>(title: &str, introduction: &str) -> String {
    let introduction =
        format!("{introduction} This page is made from the types that read it: `cellbed schema --markdown`.");
    markdown::page(title, &introduction, schemars::schema_for!(T).as_value())
}

fn text<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    // The alternate form is indented; a schema is a tree of plain JSON and always prints.
    format!("{:#}\n", schema.as_value())
}
