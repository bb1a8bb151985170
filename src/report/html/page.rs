//! The page around its chart and ladder.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::{DEVICES_TIMED, Span, chart, loops};
use crate::event::Verdict;
use crate::kernel::Duration;
use crate::report::summary::verdict_name;
use crate::report::text::{count, html, readable, short_hex};
use crate::report::{ExpectationRow, LAB_KEYS, LedgerKeyKind, RunSummary, StepRow, StepTimes};
use crate::wire::Proto;

const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

/// Every step of a device has its row at once in runs of so many devices; in larger ones, on demand.
const DEVICES_LISTED: u32 = 3;
/// The most rows of what did not pass, and of expectations.
const EXCEPTIONS_MAX: usize = 50;

/// What lies beside the page in the directory of its run.
const FILES: [&str; 5] = ["transcript.txt", "trace.pcapng", "events.jsonl", "metrics.json", "junit.xml"];

/// Writes the page, with what `ladder` writes as its last section.
pub(super) fn write<W: Write>(
    out: &mut W,
    summary: &RunSummary,
    spans: &[Span],
    ladder: impl FnOnce(&mut W) -> io::Result<()>,
) -> io::Result<()> {
    head(out, summary)?;
    banner(out, summary)?;
    writeln!(out, "<main>")?;
    facts(out, summary)?;
    steps(out, summary)?;
    chart::write(out, summary, spans)?;
    loops::write(out, summary)?;
    ladder(out)?;
    about(out, summary)?;
    write!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

fn head(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    // The page asks nothing of any network, and no script but its own can run in it.
    let script = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'sha256-{script}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} · {} · cellbed</title>\n<style>\n{STYLE}</style>\n</head>\n",
        html(&summary.facts.scenario),
        verdict_name(summary.verdict)
    )
}

fn banner(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    let verdict = verdict_name(summary.verdict);
    let (steps, of_steps) = summary.steps_passed();
    let (met, expected) = summary.expectations_met();
    let expectations = match expected {
        0 => String::new(),
        _ => format!(", {met} of {} met", count(expected, "expectation")),
    };
    write!(
        out,
        "<body class=\"is-{verdict}\">\n<header class=\"banner\">\n\
         <p class=\"mark\">{MARK}<span>cellbed</span> run report</p>\n\
         <h1>{}</h1>\n<p class=\"lead\">{}</p>\n\
         <div class=\"verdict\" role=\"status\">{}<div><strong>{verdict}</strong>\
         <span>{steps} of {} passed{expectations}</span></div></div>\n",
        html(&summary.facts.scenario),
        html(&summary.facts.summary),
        icon(summary.verdict),
        count(of_steps, "step"),
    )?;
    if let Some(reason) = &summary.reason {
        writeln!(out, "<p class=\"reason\"><b>First reason</b> {}</p>", html(reason))?;
    }
    writeln!(out, "</header>")
}

fn facts(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    let facts = &summary.facts;
    let time = |time: Option<_>| time.map_or_else(|| "not measured".to_owned(), readable);
    let list = [
        ("Bench", html(&facts.bench).into_owned()),
        ("Radio", facts.rat.name().to_owned()),
        ("Devices", facts.devices.to_string()),
        ("Seed", facts.seed.to_string()),
        ("Virtual time", readable(summary.virtual_time)),
        ("Processor time", time(summary.cpu_time)),
        ("Wall clock", time(summary.wall_time)),
    ];
    let of_place = summary.provenance.as_ref().map(|at| {
        let digests =
            at.read.iter().map(|file| format!("{} {}", file.path, &file.sha256[..file.sha256.len().min(16)]));
        [
            ("Began", html(&at.started).into_owned()),
            ("Host", html(&at.host).into_owned()),
            ("Read, SHA-256", html(&digests.collect::<Vec<_>>().join(", ")).into_owned()),
        ]
    });
    let registration = facts.registration.as_ref().map(|told| ("Registration", html(told).into_owned()));
    writeln!(out, "<section aria-label=\"Run\" class=\"facts\">\n<dl>")?;
    for (name, value) in list.into_iter().chain(registration).chain(of_place.into_iter().flatten()) {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    writeln!(
        out,
        "</dl>\n<p class=\"rerun\"><span>Keys</span>{LAB_KEYS}</p>\n\
         <p class=\"rerun\"><span>Rerun</span><code id=\"rerun\">{}</code>\
         <button type=\"button\" id=\"copy\" hidden>Copy</button></p>\n</section>",
        html(&summary.rerun)
    )
}

/// Whether every device has one key, one certificate and one subscription.
fn audit(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    let Some(audit) = &summary.audit else { return Ok(()) };
    writeln!(out, "<h3>Audit</h3>\n<p>{}</p>", html(&audit.told()))?;
    if audit.findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "<ul>")?;
    for finding in &audit.findings {
        writeln!(out, "<li>{} {}</li>", pill(Verdict::Fail), html(&finding.to_string()))?;
    }
    writeln!(out, "</ul>")
}

fn steps(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    writeln!(out, "<section aria-labelledby=\"steps\">\n<h2 id=\"steps\">Steps</h2>")?;
    let all: Vec<&StepRow> = summary.steps.iter().collect();
    match summary.facts.devices {
        ..=DEVICES_LISTED => step_rows(out, summary.facts.devices > 1, &all)?,
        devices => {
            spread_rows(out, &summary.step_times())?;
            exceptions(out, &all)?;
            if devices <= DEVICES_TIMED {
                writeln!(out, "<details class=\"each\"><summary>Every step of every device</summary>")?;
                step_rows(out, true, &all)?;
                writeln!(out, "</details>")?;
            }
        }
    }
    expectations(out, &summary.expectations)?;
    audit(out, summary)?;
    writeln!(out, "</section>")
}

/// What did not pass, where not every step has its row.
fn exceptions(out: &mut impl Write, all: &[&StepRow]) -> io::Result<()> {
    let mut rows: Vec<&StepRow> = all.iter().copied().filter(|row| row.verdict != Verdict::Pass).collect();
    let number = rows.len();
    if number == 0 {
        return Ok(());
    }
    rows.truncate(EXCEPTIONS_MAX);
    writeln!(out, "<h3>What did not pass <small>{} of {number}</small></h3>", rows.len())?;
    step_rows(out, true, &rows)
}

fn step_rows(out: &mut impl Write, several: bool, rows: &[&StepRow]) -> io::Result<()> {
    let device = if several { "<th scope=\"col\">Device</th>" } else { "" };
    let measured = rows.iter().any(|row| row.cpu_time.is_some());
    writeln!(
        out,
        "<div class=\"wide\"><table class=\"rows\">\n<thead><tr><th scope=\"col\">Verdict</th>{device}\
         <th scope=\"col\">Step</th><th scope=\"col\">What was found</th>\
         <th scope=\"col\" class=\"n\">Virtual time</th>{}</tr></thead>\n<tbody>",
        cpu_head("CPU time", measured)
    )?;
    for row in rows {
        let device = if several { format!("<td>{}</td>", row.device) } else { String::new() };
        let remark = match row.remark() {
            "" => String::new(),
            remark => format!("<span class=\"remark is-{}\">{remark}</span> ", verdict_name(row.verdict)),
        };
        writeln!(
            out,
            "<tr><td>{}</td>{device}<th scope=\"row\">{}</th><td class=\"found\">{remark}{}</td>\
             <td class=\"n\">{}</td>{}</tr>",
            pill(row.verdict),
            row.step,
            html(&short_hex(&row.finding)),
            readable(row.virtual_time),
            cpu_cell(row.cpu_time, measured)
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}

/// The head of a column of processor times, where there are any.
fn cpu_head(title: &str, measured: bool) -> String {
    if measured { format!("<th scope=\"col\" class=\"n\">{title}</th>") } else { String::new() }
}

fn cpu_cell(time: Option<Duration>, measured: bool) -> String {
    if !measured {
        return String::new();
    }
    format!("<td class=\"n\">{}</td>", time.map_or_else(|| "–".to_owned(), readable))
}

fn spread_rows(out: &mut impl Write, steps: &[StepTimes]) -> io::Result<()> {
    let measured = steps.iter().any(|times| times.cpu_time.is_some());
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Step</th>\
         <th scope=\"col\" class=\"n\">Devices</th><th scope=\"col\" class=\"n\">Passed</th>\
         <th scope=\"col\" class=\"n\">Refused</th><th scope=\"col\" class=\"n\">Least time</th>\
         <th scope=\"col\" class=\"n\">Median</th><th scope=\"col\" class=\"n\">Most</th>{}</tr></thead>\n<tbody>",
        cpu_head("CPU time, all", measured)
    )?;
    for times in steps {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>{}</tr>",
            times.step,
            times.devices,
            times.passed,
            times.refused,
            readable(times.min),
            readable(times.median),
            readable(times.max),
            cpu_cell(times.cpu_time, measured)
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}

fn expectations(out: &mut impl Write, rows: &[ExpectationRow]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // What went wrong first: of many, only so many are shown.
    let mut sorted: Vec<&ExpectationRow> = rows.iter().collect();
    sorted.sort_by_key(|row| std::cmp::Reverse(row.verdict));
    sorted.truncate(EXCEPTIONS_MAX);
    let shown = match rows.len() {
        ..=EXCEPTIONS_MAX => String::new(),
        all => format!(" <small>{EXCEPTIONS_MAX} of {all}</small>"),
    };
    writeln!(
        out,
        "<h3>Expectations{shown}</h3>\n<div class=\"wide\"><table class=\"rows\">\n<thead><tr>\
         <th scope=\"col\">Verdict</th><th scope=\"col\" class=\"found\">What was expected</th></tr></thead>\n<tbody>"
    )?;
    for row in sorted {
        let (verdict, told) = (pill(row.verdict), html(&row.told()).into_owned());
        writeln!(out, "<tr><td>{verdict}</td><td class=\"found\">{told}</td></tr>")?;
    }
    writeln!(out, "</tbody>\n</table></div>")
}

/// Traffic, other counts, versions and where the rest is.
fn about(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    writeln!(out, "<div class=\"columns\">")?;
    traffic(out, &summary.counters)?;
    let others = summary.counters.iter().filter(|(name, _)| !is_traffic(name));
    pairs(out, "Counts", others.map(|(name, value)| (name.as_str(), value.to_string())))?;
    pairs(out, "Ledger", ledger(summary).into_iter().flatten())?;
    pairs(out, "Versions", summary.versions.iter().map(|v| (v.name.as_str(), v.value.clone())))?;
    writeln!(
        out,
        "<section aria-labelledby=\"files\">\n<h2 id=\"files\">Beside this page</h2>\n<ul class=\"files\">"
    )?;
    let others = summary.provenance.iter().flat_map(|at| at.files.iter().map(String::as_str));
    for file in FILES.into_iter().chain(others) {
        writeln!(out, "<li><a href=\"{0}\">{0}</a></li>", html(file))?;
    }
    writeln!(out, "</ul>\n</section>\n</div>")
}

/// What somebody needs who is shown the ledger later.
fn ledger(summary: &RunSummary) -> Option<[(&'static str, String); 3]> {
    let ledger = summary.ledger.as_ref()?;
    let keys = match ledger.keys {
        LedgerKeyKind::Lab => {
            "lab keys: they follow from the seed, and prove nothing to anybody who knows it"
        }
        LedgerKeyKind::Own => "keys of its own",
    };
    Some([
        ("head", format!("block {}, {}", ledger.block, ledger.head)),
        ("checkpoint key", ledger.verifier_key.clone()),
        ("keys", keys.to_owned()),
    ])
}

fn is_traffic(name: &str) -> bool {
    name.starts_with("events.") || name.starts_with("bytes.")
}

fn traffic(out: &mut impl Write, counters: &BTreeMap<String, u64>) -> io::Result<()> {
    let of = |what: &str, proto: Proto| counters.get(&format!("{what}.{}", proto.name())).copied();
    let rows =
        Proto::ALL.into_iter().filter_map(|proto| Some((proto, of("events", proto)?, of("bytes", proto)?)));
    let rows: Vec<(Proto, u64, u64)> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=\"traffic\">\n<h2 id=\"traffic\">Traffic</h2>\n<table>\n<thead><tr>\
         <th scope=\"col\">Protocol</th><th scope=\"col\" class=\"n\">Messages</th>\
         <th scope=\"col\" class=\"n\">Bytes</th></tr></thead>\n<tbody>"
    )?;
    for (proto, messages, bytes) in rows {
        let (name, class) = (proto.name(), super::ladder::class(proto));
        writeln!(
            out,
            "<tr><th scope=\"row\"><span class=\"p {class}\">{name}</span></th><td class=\"n\">{messages}</td>\
             <td class=\"n\">{bytes}</td></tr>"
        )?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}

fn pairs<'a>(
    out: &mut impl Write,
    title: &str,
    rows: impl Iterator<Item = (&'a str, String)>,
) -> io::Result<()> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "<section aria-label=\"{title}\">\n<h2>{title}</h2>\n<table>\n<tbody>")?;
    for (name, value) in rows {
        writeln!(out, "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td></tr>", html(name), html(&value))?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}

fn pill(verdict: Verdict) -> String {
    let name = verdict_name(verdict);
    format!("<span class=\"pill is-{name}\">{}{name}</span>", icon(verdict))
}

/// A verdict must not rest on colour alone: each has its own sign.
fn icon(verdict: Verdict) -> String {
    let path = match verdict {
        Verdict::Pass => "M6 12.5l4 4 8-9",
        Verdict::Inconclusive => "M9 9.5a3 3 0 1 1 4.2 2.7c-.8.4-1.2.9-1.2 1.8M12 17.2v.1",
        Verdict::Fail => "M7.5 7.5l9 9M16.5 7.5l-9 9",
        Verdict::Interrupted => "M9 7.5v9M15 7.5v9",
        Verdict::Error => "M12 6.5v7M12 17v.1",
    };
    format!(
        "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"12\"/>\
         <path d=\"{path}\"/></svg>"
    )
}

/// Four bars of reception.
const MARK: &str = "<svg viewBox=\"0 0 20 16\" aria-hidden=\"true\"><path d=\"M0 11h4v5H0zM5.3 7.5h4V16h-4zM10.7 \
                    4h4v12h-4zM16 0h4v16h-4z\"/></svg>";
