//! The house rules that no compiler checks: who may import whom, how long a file may be, and what a tracked
//! file may not say. A new edge between folders shows up as a changed snapshot.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use cellbed::wire::Reason;

/// Folder -> folders that it imports.
type Graph = BTreeMap<String, BTreeSet<String>>;

const LINES_MAX: usize = 620;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "runs", "node_modules"].contains(&name.as_str()) && !name.starts_with(".git") {
                found.extend(files_under(&path));
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn rust_sources() -> Vec<PathBuf> {
    let mut files = files_under(&root().join("src"));
    files.retain(|file| file.extension().is_some_and(|e| e == "rs"));
    files
}

/// The path of a source file inside `src`, as module names: `src/card/slot.rs` is `[card, slot]`.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut path: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if ["mod", "lib", "main"].contains(&path.last().unwrap().as_str()) {
        path.pop();
    }
    path
}

/// The code of a file as it ships: no comments, and no test module at its end.
fn shipped_code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let opens_tests = lines.peek().is_some_and(|next| next.trim_start().starts_with("mod tests {"));
        if line.trim() == "#[cfg(test)]" && opens_tests {
            break;
        }
        code += line.split("//").next().unwrap_or(line);
        code.push('\n');
    }
    code
}

/// The names that stand at the root of the crate in `code`, which belongs to the module `path`.
fn roots_named(code: &str, path: &[String]) -> BTreeSet<String> {
    let up_to_root = "super::".repeat(path.len());
    let mut named = BTreeSet::new();
    let mut prefixes = vec!["crate::"];
    if !path.is_empty() {
        prefixes.push(&up_to_root);
    }
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            named.extend(first_names(&code[at + prefix.len()..]));
        }
    }
    named
}

/// The first name of a path, or the first names of every path in a group: `{a::b, c}` names a and c.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn module_graph() -> Graph {
    let sources = rust_sources();
    let folders: BTreeSet<String> = sources.iter().filter_map(|f| module_path(f).first().cloned()).collect();
    let mut graph: Graph = folders.iter().map(|folder| (folder.clone(), BTreeSet::new())).collect();
    for file in &sources {
        let path = module_path(file);
        let (Some(folder), false) = (path.first(), path.iter().any(|part| part == "tests")) else { continue };
        let code = shipped_code(&fs::read_to_string(file).unwrap());
        for name in roots_named(&code, &path) {
            if folders.contains(&name) && name != *folder {
                graph.get_mut(folder).unwrap().insert(name);
            }
        }
    }
    graph
}

/// The layers that ARCHITECTURE.md and lib.rs promise, the lowest first.
fn layers() -> Vec<Vec<String>> {
    let order = |file: &str| {
        let map = fs::read_to_string(root().join(file)).unwrap();
        let line =
            map.lines().map(|line| line.trim_start_matches("//!").trim()).find(|l| l.starts_with("cli ->"));
        line.unwrap_or_else(|| panic!("{file} tells the order")).to_owned()
    };
    let line = order("ARCHITECTURE.md");
    assert_eq!(order("src/lib.rs"), line, "both draw one line");
    let layer = |text: &str| {
        text.trim().trim_matches(['{', '}']).split(',').map(|name| name.trim().to_owned()).collect()
    };
    line.rsplit("->").map(layer).collect()
}

#[test]
fn the_module_graph_is_the_one_that_was_reviewed() {
    let lines = module_graph().into_iter().map(|(folder, imports)| {
        let imports: Vec<String> = imports.into_iter().collect();
        format!(
            "{folder} -> {}\n",
            if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") }
        )
    });
    insta::assert_snapshot!("module_graph", lines.collect::<String>());
}

#[test]
fn each_folder_imports_only_what_stands_below_it() {
    let layers = layers();
    let layer_of = |folder: &str| layers.iter().position(|layer| layer.iter().any(|name| name == folder));
    for (folder, imports) in module_graph() {
        let own =
            layer_of(&folder).unwrap_or_else(|| panic!("src/{folder} has no place in the map of lib.rs"));
        for import in imports {
            assert!(
                layer_of(&import).is_some_and(|layer| layer < own),
                "src/{folder} imports src/{import}, which does not stand below it"
            );
        }
    }
}

#[test]
fn a_crate_that_is_kept_behind_a_module_is_named_there_only() {
    let kept: [(&str, &[&str]); 4] = [
        ("oxirush_nas", &["wire"]),
        ("oxirush_s1ap", &["wire"]),
        ("oxirush_gtp_u", &["wire"]),
        ("oxirush_security", &["wire", "crypto"]),
    ];
    for file in rust_sources() {
        let path = module_path(&file);
        let text = fs::read_to_string(&file).unwrap();
        for (name, folders) in kept {
            let at_home = path.first().is_some_and(|folder| folders.contains(&folder.as_str()));
            assert!(
                at_home || !text.contains(name),
                "{} names {name}, which is for {folders:?}",
                file.display()
            );
        }
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let path = ["card".to_owned(), "slot".to_owned()];
    let code = shipped_code(
        "use crate::event::Event; // crate::never\nuse crate::{id::{Imsi, Eid}, sim};\n\
         fn f() { crate::wire::go(); super::super::ca::go(); super::own(); }\n\
         #[cfg(test)]\nmod tests { use crate::net; }\n",
    );
    let found: Vec<String> = roots_named(&code, &path).into_iter().collect();
    assert_eq!(found, ["ca", "event", "id", "sim", "wire"]);
}

/// Every path that `code` names: each `use` spelt out, and those that stand in the code itself. A `pub use` is marked.
fn paths_named(code: &str) -> Vec<(bool, Vec<String>)> {
    let mut paths = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for statement in code.split_inclusive(';') {
        let at = statement.rfind("use ").filter(|at| {
            let line = statement[..*at].rsplit('\n').next().unwrap_or_default().trim_start();
            line.is_empty() || line.starts_with("pub")
        });
        let (before, tree) =
            at.map_or((statement, None), |at| (&statement[..at], Some(&statement[at + 4..])));
        if let Some(tree) = tree {
            let shown = before.rsplit('\n').next().unwrap_or_default().trim_start().starts_with("pub");
            spell_out(&[], tree.trim_end_matches(';'), &mut |path| paths.push((shown, path)));
        }
        for word in before.split(|c| !is_name(c)).filter(|word| word.contains("::")) {
            paths.push((false, word.split("::").map(str::to_owned).collect()));
        }
    }
    paths
}

/// The paths of a use tree: `a::{b, c::d as e}` is a::b and a::c::d.
fn spell_out(prefix: &[String], tree: &str, found: &mut dyn FnMut(Vec<String>)) {
    let mut depth = 0;
    let branches = tree.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    for branch in branches.map(str::trim).filter(|branch| !branch.is_empty()) {
        let (names, group) = match branch.split_once('{') {
            Some((names, group)) => (names.trim_end_matches("::"), group.strip_suffix('}')),
            None => (branch.split(" as ").next().unwrap_or(branch), None),
        };
        let named = names.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let path: Vec<String> = prefix.iter().cloned().chain(named).collect();
        match group {
            Some(group) => spell_out(&path, group, found),
            None => found(path),
        }
    }
}

/// Module -> what it names in other modules, and module -> what it hands on by `pub use`.
struct Names {
    modules: BTreeSet<Vec<String>>,
    handed_on: BTreeMap<(Vec<String>, String), Vec<String>>,
}

impl Names {
    /// The path from the root of the crate, where `path` stands in the module `from`.
    fn path_from_root(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let ups = path.iter().take_while(|name| *name == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (from, &path[1..]),
            "super" => (&from[..from.len().checked_sub(ups)?], &path[ups..]),
            child if self.modules.contains(&[from, &[child.to_owned()]].concat()) => (from, path),
            _ => return None,
        };
        Some([base, rest].concat())
    }

    /// The module that defines what `path` names.
    fn home_of(&self, mut path: Vec<String>) -> Vec<String> {
        // A name is handed on once or twice, never this often.
        for _ in 0..8 {
            let depth = (0..=path.len()).rev().find(|n| self.modules.contains(&path[..*n])).unwrap_or(0);
            let module = path[..depth].to_vec();
            let Some(name) = path.get(depth) else { return module };
            match self.handed_on.get(&(module.clone(), name.clone())) {
                Some(origin) => path = [origin, &path[depth + 1..]].concat(),
                None => return module,
            }
        }
        path
    }
}

/// File -> files whose definitions it names. A module and what stands inside it are one: between those there is no edge.
fn file_graph() -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Vec<String>, PathBuf> = rust_sources()
        .into_iter()
        .map(|file| (module_path(&file), file))
        .filter(|(path, _)| !path.iter().any(|part| part == "tests" || part.ends_with("_tests")))
        .collect();
    let shown = |path: &Vec<String>| {
        let inside = files[path].strip_prefix(root().join("src")).unwrap();
        inside.to_string_lossy().replace('\\', "/")
    };
    let mut names = Names { modules: files.keys().cloned().collect(), handed_on: BTreeMap::new() };
    let mut named: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (module, file) in &files {
        for (public, path) in paths_named(&shipped_code(&fs::read_to_string(file).unwrap())) {
            let Some(path) = names.path_from_root(module, &path) else { continue };
            if let (true, Some(name)) = (public, path.last()) {
                names.handed_on.insert((module.clone(), name.clone()), path.clone());
            } else {
                named.push((module.clone(), path));
            }
        }
    }
    let mut graph: BTreeMap<String, BTreeSet<String>> =
        files.keys().map(|module| (shown(module), BTreeSet::new())).collect();
    for (module, path) in named {
        let home = names.home_of(path);
        if files.contains_key(&home) && !home.starts_with(&module) && !module.starts_with(&home) {
            graph.get_mut(&shown(&module)).unwrap().insert(shown(&home));
        }
    }
    graph
}

/// The sets of files that reach one another.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            open.extend(graph[file].iter().filter(|next| seen.insert((*next).clone())));
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|file| (file, reached(file))).collect();
    let circle = |file: &&String| -> BTreeSet<String> {
        reach[file].iter().filter(|other| reach[other].contains(*file)).cloned().collect()
    };
    graph.keys().map(|file| circle(&file)).filter(|circle| circle.len() > 1).collect()
}

/// The circles of ARCHITECTURE.md: the first column of the table names their files.
fn circles_told() -> BTreeSet<BTreeSet<String>> {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = map.split_once("\n## Circles\n").expect("ARCHITECTURE.md tells of circles");
    let section = section.split("\n## ").next().unwrap_or(section);
    let files = |row: &str| -> BTreeSet<String> {
        let first = row.split('|').nth(1).unwrap_or_default();
        first.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    section.lines().filter(|line| line.starts_with("| `")).map(files).collect()
}

#[test]
fn files_that_name_each_other_stand_in_the_map_with_the_reason() {
    let (found, told) = (circles(&file_graph()), circles_told());
    let new: Vec<_> = found.difference(&told).collect();
    assert!(new.is_empty(), "cut these circles, or tell in ARCHITECTURE.md why they stay: {new:#?}");
    let gone: Vec<_> = told.difference(&found).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md tells of circles that are no more: {gone:#?}");
}

#[test]
fn circles_are_found_whichever_way_round() {
    let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "a")];
    let mut graph: BTreeMap<String, BTreeSet<String>> =
        ["a", "b", "c", "d", "e"].map(|file| (file.to_owned(), BTreeSet::new())).into();
    for (from, to) in edges {
        graph.get_mut(from).unwrap().insert(to.to_owned());
    }
    assert_eq!(circles(&graph), [["b", "c"].map(str::to_owned).into()].into());
    let code = "pub use a::{b, c::{d as e}};\nfn f() { super::g::h(); }\nuse x::y;\n";
    let found: Vec<String> = paths_named(code).into_iter().map(|(_, path)| path.join("/")).collect();
    assert_eq!(found, ["a/b", "a/c/d", "super/g/h", "x/y"]);
}

#[test]
fn no_source_file_is_too_long() {
    let lines = |file: &PathBuf| fs::read_to_string(file).unwrap().lines().count();
    let long: Vec<_> = rust_sources().into_iter().filter(|file| lines(file) > LINES_MAX).collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines: {long:?}");
}

/// Standard output and standard error are written in one file, in which text from outside is escaped; what goes past that
/// is made of nothing from outside.
#[test]
fn what_is_printed_goes_through_the_one_place_that_escapes_it() {
    let prints = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!(", "::stdout()", "::stderr()"];
    let mut past = Vec::new();
    for file in rust_sources() {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let code = shipped_code(&fs::read_to_string(&file).unwrap());
        let printed = prints.iter().filter(|print| code.contains(**print));
        let own = code.contains("terminal::own(");
        if name != "src/cli/terminal.rs" && !name.contains("tests") {
            past.extend(printed.map(|print| format!("{name}: {print}")));
            let known = ["src/cli/doctor.rs", "src/cli/generate.rs"];
            past.extend((own && !known.contains(&name.as_str())).then(|| format!("{name}: terminal::own")));
        }
    }
    assert!(past.is_empty(), "printed past src/cli/terminal.rs: {past:#?}");
}

/// What git tracks, or everything where this is no checkout.
#[test]
fn every_reason_of_a_refusal_is_given_by_somebody() {
    let of_table = root().join("src/wire/reason.rs");
    let sources: Vec<String> = rust_sources()
        .iter()
        .filter(|file| **file != of_table)
        .map(|file| shipped_code(&fs::read_to_string(file).unwrap()))
        .collect();
    for word in Reason::words() {
        // Its own way to be written, or the word of an error that is made a reason.
        let (variant, text) = (format!("Reason::{:?}", Reason::of(word)), format!("\"{word}\""));
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        let given = sources.iter().any(|code| {
            code.contains(&text)
                || code.match_indices(&variant).any(|(at, found)| ends(&code[at + found.len()..]))
        });
        assert!(given, "nobody gives the reason {word}");
    }
}

#[test]
fn every_word_of_the_euicc_and_its_assistant_is_a_reason() {
    let mut words = BTreeSet::new();
    for file in ["error.rs", "es10.rs", "download.rs"] {
        let code = shipped_code(&fs::read_to_string(root().join("src/esim/lpa").join(file)).unwrap());
        for line in code.lines().map(str::trim) {
            let Some((pattern, value)) = line.split_once(" => \"") else { continue };
            let of_code = pattern == "_" || pattern.bytes().all(|b| b.is_ascii_digit());
            if of_code || pattern.starts_with("Self::") {
                // Commands of a package have names of ASN.1, reasons are words.
                let is_word = |word: &&str| {
                    word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                };
                words.extend(value.strip_suffix("\",").filter(is_word).map(str::to_owned));
            }
        }
    }
    assert!(words.len() > 40, "{words:?}");
    let unknown: Vec<_> = words.iter().filter(|word| !Reason::of(word).is_known()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_error_says_whose_fault_it_is() {
    // What is below them reports values, not parties; io and cli are asked by nobody.
    let without = ["id", "kernel", "wire", "crypto", "io", "report", "cli"];
    let mut missing = Vec::new();
    for file in rust_sources() {
        let path = module_path(&file);
        if path.first().is_none_or(|folder| without.contains(&folder.as_str())) {
            continue;
        }
        let code = shipped_code(&fs::read_to_string(&file).unwrap());
        let errors = code.lines().filter_map(|line| line.strip_prefix("pub enum ")?.strip_suffix(" {"));
        for error in errors.filter(|name| name.ends_with("Error")) {
            let opening = format!("\nimpl {error} {{");
            let own = code.split(opening.as_str()).skip(1).filter_map(|rest| rest.split("\n}").next());
            if !own.into_iter().any(|body| body.contains("pub fn blame(&self) -> Blame")) {
                missing.push(format!("{}::{error}", path.join("::")));
            }
        }
    }
    assert!(missing.is_empty(), "no `fn blame`: {missing:?}");
}

fn tracked_files() -> Vec<PathBuf> {
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match git {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_terminator('\0')
            .map(|name| root().join(name))
            .filter(|file| file.is_file())
            .collect(),
        _ => files_under(root()),
    }
}

#[test]
fn no_tracked_file_names_a_place_of_one_machine() {
    let mut places: Vec<String> = ["home", "root", "Users"].map(|folder| format!("/{folder}/")).into();
    places.push(format!("{}/", root().display()));
    for file in tracked_files() {
        // What is not text has no paths to read.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| line.contains(place.as_str())) {
                panic!("{}:{} says {place}", file.display(), number + 1);
            }
        }
    }
}

/// The whole of a test may be skipped, but not without a word: only `tests/support` says so, and counts.
#[test]
fn nothing_but_the_one_helper_skips_a_test() {
    let said = [["skip", "ped: "].concat(), ["is not ", "installed\")"].concat()];
    let mut files = rust_sources();
    files.extend(
        files_under(&root().join("tests")).into_iter().filter(|file| !file.ends_with("support/mod.rs")),
    );
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            let prints = ["println!(", "print!(", "stderr()"].iter().any(|print| line.contains(print));
            let skips = prints && said.iter().any(|said| line.contains(said.as_str()));
            assert!(!skips, "{}:{}: use tests/support::need", file.display(), number + 1);
        }
    }
}

const SKIPS: &str = "CELLBED_TEST_SKIPS";

/// What the test below starts: it lacks two things.
#[test]
fn lacks_two_things() {
    if env::var_os(SKIPS).is_none() {
        return;
    }
    for (name, cause) in [("tshark", "it is\nnot there"), ("lpac", "LPAC names none")] {
        assert_eq!(support::need(name, "nothing much", Err::<(), _>(cause.to_owned())), None);
    }
    assert_eq!(support::need("curl", "nothing much", Ok(7)), Some(7));
}

#[test]
fn a_skip_is_said_and_counted_and_fails_where_it_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let counted = folder.path().join("skipped.txt");
    let run = |require: &str| {
        let mut tests = Command::new(env::current_exe().unwrap());
        let tests =
            tests.args(["lacks_two_things", "--exact"]).env(SKIPS, "1").env("CELLBED_SKIPPED", &counted);
        let output = tests.env("CELLBED_REQUIRE", require).output().unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let lines = "skipped: tshark: it is not there; not shown: nothing much (lacks_two_things)\n\
                 skipped: lpac: LPAC names none; not shown: nothing much (lacks_two_things)\n";
    let (passed, said) = run("");
    assert!(passed, "{said}");
    assert!(lines.lines().all(|line| said.contains(line)), "{said}");
    assert_eq!(fs::read_to_string(&counted).unwrap(), lines);
    let (passed, said) = run("openssl,curl");
    assert!(passed, "{said}");
    for (require, cause) in [
        ("all", "tshark: it is\nnot there; CELLBED_REQUIRE asks for it: apt-get install tshark"),
        ("curl, lpac", "lpac: LPAC names none; CELLBED_REQUIRE asks for it: build lpac"),
        ("tshrak", "CELLBED_REQUIRE names \"tshrak\"; there are all, tshark,"),
    ] {
        let (passed, said) = run(require);
        assert!(!passed && said.contains(cause), "{require}: {said}");
    }
}

/// CONTRIBUTING.md tells how everything that tests may need is named.
#[test]
fn every_need_stands_in_contributing() {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    for need in support::NEEDS {
        assert!(text.contains(&format!("`{}`", need.name)), "{}", need.name);
    }
}

/// Where shipped code plants a tree of randomness in a number, and why: whatever is drawn there is public.
const SEEDED: [(&str, &str); 11] = [
    ("card/euicc/package.rs", "a package is tried, and what it made is thrown away"),
    ("cli/card/mod.rs", "the card of tests"),
    ("cli/esim/bench.rs", "bench esim simulates both sides"),
    ("cli/guard.rs", "generated traffic, and what is learned of it"),
    ("cli/pki.rs", "pki new --seed, which says so"),
    ("cli/yardstick.rs", "what a signature costs"),
    ("esim/pki/lab.rs", "the lab's hierarchy, which is called public"),
    ("esim/test_euicc.rs", "the eUICC of tests"),
    ("io/entropy.rs", "a seed that the user asks for, which is said"),
    ("kernel/rng.rs", "the definition"),
    ("world/setup.rs", "a run"),
];

#[test]
fn seeds_are_planted_in_simulations_only() {
    let planted: Vec<String> = rust_sources()
        .iter()
        .filter(|file| !module_path(file).iter().any(|part| part.ends_with("tests")))
        .filter(|file| {
            let code = shipped_code(&fs::read_to_string(file).unwrap());
            ["RngTree::new(", "from_public_seed("].iter().any(|call| code.contains(call))
        })
        .map(|file| file.strip_prefix(root().join("src")).unwrap().display().to_string())
        .collect();
    let known: Vec<&str> = SEEDED.iter().map(|(file, _)| *file).collect();
    assert_eq!(planted, known, "what is served or kept draws from io::entropy");
}
