//! The documents: the reference is what the program says of itself, links lead somewhere, and commands are understood.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cellbed::cli::args::Cli;
use cellbed::cli::reference;
use clap::Parser;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of the book, by its path below `docs/`.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What mdBook has made.
                folders.extend((path != root().join("docs/book")).then_some(path));
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// Lines of `text` that are not in a block of code, or only those that are.
fn lines(text: &str, code: bool) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !fence && inside == code
    })
}

/// Where the links of a page lead, in the order of the page.
fn links(text: &str) -> Vec<&str> {
    let outside = lines(text, false).flat_map(|line| line.split("](").skip(1));
    outside.filter_map(|rest| rest.split_once(')').map(|(target, _)| target)).collect()
}

/// The anchors of a page's headings, as mdBook and forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines(text, false).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c => (c.is_alphanumeric() || c == '-' || c == '_').then_some(c),
                })
                .collect()
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    for page in pages().into_iter().chain([root().join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.is_file(), "{}: {link} leads nowhere", page.display());
            let known = || anchors(&fs::read_to_string(&target).unwrap());
            assert!(
                anchor.is_empty() || known().contains(anchor),
                "{}: no heading for {link}",
                page.display()
            );
        }
    }
}

#[test]
fn every_page_is_in_the_summary_once() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut listed: Vec<_> = links(&summary).into_iter().map(|link| docs.join(link)).collect();
    listed.sort();
    let pages: Vec<_> = pages().into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect();
    assert_eq!(listed, pages);
}

#[test]
fn the_reference_is_what_the_program_says_of_itself() {
    for (name, text) in reference::pages() {
        let committed = fs::read_to_string(root().join("docs/reference").join(name)).unwrap_or_default();
        assert!(
            committed == text,
            "{name} is out of step: run `cargo run -- schema --markdown docs/reference`"
        );
    }
}

/// The words of a command as a shell makes them, up to what follows it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (None, '#') if words.last().is_some_and(String::is_empty) => break,
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    let end =
        words.iter().position(|word| matches!(word.as_str(), "|" | ">" | "&" | "&&")).unwrap_or(words.len());
    words.truncate(end);
    words
}

#[test]
fn the_words_of_a_command_are_those_of_a_shell() {
    assert_eq!(words("cellbed a 'b c'  --d=\"e\"   # f"), ["cellbed", "a", "b c", "--d=e"]);
    assert_eq!(words("cellbed a > file"), ["cellbed", "a"]);
}

/// What stands in the documents for a value.
fn filled_in(word: String) -> String {
    match word.as_str() {
        "RAND" | "AUTN" | "K" | "OPC" => "00".repeat(16),
        "KEY" => "00".repeat(8),
        _ => word,
    }
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut understood = 0;
    for page in pages().into_iter().chain([root().join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        // A command may go on in the next line.
        let text = text.replace("\\\n", " ");
        for line in lines(&text, true) {
            let Some(command) = line.strip_prefix("$ ").filter(|command| command.starts_with("cellbed "))
            else {
                continue;
            };
            let words: Vec<_> = words(command).into_iter().map(filled_in).collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                assert!(!error.use_stderr(), "{}: {command}\n{error}", page.display());
            }
            understood += 1;
        }
    }
    assert!(understood > 40, "only {understood} commands were found");
}

/// Every source file and script in which a test may stand, as one text.
fn tests_of_the_house() -> String {
    let mut text = String::new();
    let mut folders =
        vec![root().join("src"), root().join("tests"), root().join("vendor"), root().join("fuzz")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "py") {
                text += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

/// What stands in backticks.
fn in_code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_finding_names_a_test_or_a_scenario_that_exists() {
    let text = fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let sources = tests_of_the_house();
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| input")) {
        let cells: Vec<_> = row.replace("\\|", " ").trim_matches('|').split('|').map(str::to_owned).collect();
        // The last table has two columns and no proof.
        let proof = match cells.as_slice() {
            [_, _] => continue,
            [_, _, _, proof] => proof,
            _ => panic!("{row}\nhas {} columns", cells.len()),
        };
        let mut proofs = 0;
        for name in in_code(proof) {
            let exists = sources.contains(&format!("fn {name}("))
                || sources.contains(&format!("def {name}("))
                || root().join(format!("lab/scenarios/{name}.toml")).is_file()
                || root().join(name).exists();
            assert!(exists, "{row}\n`{name}` is no test, scenario or file");
            proofs += 1;
        }
        assert!(proofs > 0, "{row}\nhas no proof");
    }
}

/// Of the pages that say what an attacker gets: in each table the column that names the tests, and every name in it.
#[test]
fn every_attack_names_a_test_or_a_scenario_that_exists() {
    let sources = tests_of_the_house();
    let exists = |name: &str| {
        // A test by its path, or by its end where the line would be too long; a module of tests.
        let last = name.rsplit("::").next().unwrap_or_default().rsplit(' ').next().unwrap_or_default();
        let test = match last.strip_prefix('…') {
            Some(end) => format!("{end}()"),
            None => format!("fn {last}()"),
        };
        sources.contains(&test)
            || sources.contains(&format!("mod {last};"))
            || root().join(format!("lab/scenarios/{last}.toml")).is_file()
            || root().join(name).exists()
    };
    let mut proofs = 0;
    for page in ["security", "ca"] {
        let text = fs::read_to_string(root().join(format!("docs/{page}.md"))).unwrap();
        let mut column = None;
        for line in text.lines() {
            if !line.starts_with('|') {
                column = None;
                continue;
            }
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            match column {
                None => {
                    let names = |cell: &&str| cell.starts_with("shown by") || **cell == *"test";
                    column = Some(cells.iter().position(names));
                }
                Some(Some(at)) if !line.starts_with("|---") => {
                    let cell = cells.get(at).unwrap_or_else(|| panic!("{page}: {line}\nhas no proof"));
                    for name in in_code(cell) {
                        assert!(exists(name), "{page}: {line}\n`{name}` is no test, scenario or file");
                        proofs += 1;
                    }
                    assert!(
                        cell.contains('`') || cell.starts_with("the same"),
                        "{page}: {line}\nhas no proof"
                    );
                }
                Some(_) => {}
            }
        }
    }
    assert!(proofs > 50, "only {proofs} proofs were found");
}

/// What was run says when, as a day; what was not says so.
#[test]
fn every_program_of_others_was_run_on_a_day_or_was_not_run() {
    let text = fs::read_to_string(root().join("docs/interop.md")).unwrap();
    let mut rows = 0;
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| peer")) {
        let cells: Vec<_> =
            row.replace("\\|", " ").trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        assert_eq!(cells.len(), 6, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}\nhas an empty cell");
        let date = cells[4].as_str();
        let day = date.len() == 10
            && date
                .char_indices()
                .all(|(at, c)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() });
        assert!(day || date == "not run", "{row}\n{date} is no day");
        assert_eq!(date == "not run", cells[5] == "not run", "{row}\nis run, or it is not");
        rows += 1;
    }
    assert!(rows > 15, "only {rows} programs");
}
