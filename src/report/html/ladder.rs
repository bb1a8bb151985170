//! The ladder: parties as columns, messages as arrows, time downwards. Each message opens to its fields and
//! bytes. Filters are check boxes and style rules, so that they work without any script.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::chart::step_class;
use super::{Arrow, Content, DEVICES_KEPT, DUMP_BYTES_MAX, LeftOut, Row, Tunnel};
use crate::event::{Actor, Outcome, StateChange, StepId};
use crate::kernel::{Duration, Instant};
use crate::report;
use crate::report::text::{brief, count, fields, html, one_line, seconds, user_plane};
use crate::wire::Proto;

/// Columns from the card outwards: name and what it stands for.
const LANES: [(&str, &str); 20] = [
    ("Card", "card"),
    ("Device", "dev"),
    ("Modem", "ue"),
    ("eNB", "enb"),
    ("MME", "mme"),
    ("HSS", "hss"),
    ("Gateway", "gw"),
    ("Switch", "switch"),
    ("Controller", "control"),
    ("eIM", "eim"),
    ("SM-DS", "smds"),
    ("SM-DP+", "smdp"),
    ("CA", "ca"),
    ("Registrar", "registrar"),
    ("Ledger", "ledger"),
    ("Cloud", "cloud"),
    ("Lab", "lab"),
    ("Guard", "guard"),
    ("Updates", "updates"),
    ("Services", "services"),
];

/// How many columns hold the text of nearly any message.
const TEXT_COLUMNS: usize = 4;

/// The class, and name in filters, of a protocol.
pub(super) fn class(proto: Proto) -> &'static str {
    match proto {
        Proto::Apdu => "apdu",
        Proto::Emm => "emm",
        Proto::Esm => "esm",
        Proto::Rrc => "rrc",
        Proto::S1ap => "s1ap",
        Proto::GtpU => "gtpu",
        Proto::S6a => "s6a",
        Proto::Tls => "tls",
        Proto::Http => "http",
        Proto::Est => "est",
        Proto::Es9p => "es9p",
        Proto::Es11 => "es11",
        Proto::Esipa => "esipa",
        Proto::Mqtt => "mqtt",
        Proto::Evm => "evm",
        Proto::Cwt => "cwt",
        Proto::Openflow => "openflow",
    }
}

/// Writes the section.
pub(super) fn write(
    out: &mut impl Write,
    rows: &[Row],
    several: bool,
    left_out: &LeftOut,
    not_recorded: Option<&report::LeftOut>,
) -> io::Result<()> {
    let lanes = Lanes::of(rows);
    writeln!(out, "<section aria-labelledby=\"ladder\" class=\"ladder\">\n<h2 id=\"ladder\">Ladder</h2>")?;
    notice(out, left_out, not_recorded)?;
    filters(out, rows, several)?;
    writeln!(out, "<div class=\"scroll\"><div class=\"lanes\" style=\"--n:{}\">", lanes.places.len().max(1))?;
    lanes.write_head(out)?;
    for row in rows {
        let at = seconds(row.at - Instant::ZERO);
        match &row.content {
            Content::Message(arrow) => message(out, &lanes, row, &at, arrow, several)?,
            Content::Tunnel(tunnel) => tunnelled(out, &lanes, &at, tunnel, several)?,
            Content::State(state) => note(out, &lanes, row, state, several)?,
            Content::StepStarted(step) => step_started(out, row, *step, several)?,
            Content::StepEnded(step, took, outcome) => step_ended(out, row, *step, *took, outcome, several)?,
        }
    }
    writeln!(out, "</div></div>\n</section>")
}

/// Which parties have a column, and which.
struct Lanes {
    /// Place of each used lane in [`LANES`], and the parties seen on it.
    places: BTreeMap<usize, Vec<Actor>>,
}

impl Lanes {
    fn of(rows: &[Row]) -> Self {
        let mut places: BTreeMap<usize, Vec<Actor>> = BTreeMap::new();
        let mut see = |actor: Actor| {
            let seen = places.entry(lane(actor)).or_default();
            if let Err(at) = seen.binary_search(&actor) {
                seen.insert(at, actor);
            }
        };
        for row in rows {
            match &row.content {
                Content::Message(arrow) => {
                    see(arrow.from);
                    see(arrow.to);
                }
                Content::State(state) => see(state.actor),
                Content::Tunnel(_) => {
                    see(Actor::enb(1));
                    see(Actor::GATEWAY);
                }
                Content::StepStarted(_) | Content::StepEnded(..) => {}
            }
        }
        Self { places }
    }

    /// The column of `actor`, from 0.
    fn column(&self, actor: Actor) -> usize {
        self.places.range(..lane(actor)).count()
    }

    fn write_head(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "<div class=\"heads\"><span class=\"t\">s</span>")?;
        for (place, actors) in &self.places {
            let (title, name) = LANES[*place];
            let who = match actors.as_slice() {
                [one] => one.to_string(),
                all => format!("{name} ×{}", all.len()),
            };
            write!(out, "<span><b>{title}</b><small>{who}</small></span>")?;
        }
        writeln!(out, "</div>")
    }

    /// Whether the text of an arrow between these columns begins at its left end: at the sender's where the
    /// arrow is long enough to hold it, else at the end that has more room beyond it.
    fn reads_rightwards(&self, from: usize, to: usize) -> bool {
        if from.abs_diff(to) >= TEXT_COLUMNS { from < to } else { from + to < self.places.len() }
    }
}

fn lane(actor: Actor) -> usize {
    actor.role.lane().into()
}

fn notice(
    out: &mut impl Write,
    left_out: &LeftOut,
    not_recorded: Option<&report::LeftOut>,
) -> io::Result<()> {
    let LeftOut { of_other_devices, too_late, log_is_not_whole } = *left_out;
    if log_is_not_whole {
        writeln!(
            out,
            "<p class=\"notice\">The event log from which this page was drawn is not whole: messages and times \
             are missing here. Verdicts and counts are those of the run.</p>"
        )?;
    }
    if let Some(not_recorded) = not_recorded {
        writeln!(
            out,
            "<p class=\"notice\">Not recorded, neither here nor in any other file: {}. Verdicts, times and counts are \
             those of all devices.</p>",
            html(&not_recorded.told())
        )?;
    }
    if of_other_devices + too_late == 0 {
        return Ok(());
    }
    write!(out, "<p class=\"notice\">Not on this page:")?;
    if of_other_devices > 0 {
        write!(out, " {} of other devices than the first {DEVICES_KEPT};", count(of_other_devices, "row"))?;
    }
    if too_late > 0 {
        write!(out, " {} that came when it was full;", count(too_late, "row"))?;
    }
    writeln!(out, " events.jsonl and transcript.txt have them all.</p>")
}

fn filters(out: &mut impl Write, rows: &[Row], several: bool) -> io::Result<()> {
    let mut counts: BTreeMap<Proto, u64> = BTreeMap::new();
    for row in rows {
        match &row.content {
            Content::Message(arrow) => *counts.entry(arrow.proto).or_default() += 1,
            Content::Tunnel(tunnel) => *counts.entry(Proto::GtpU).or_default() += tunnel.up.0 + tunnel.down.0,
            _ => {}
        }
    }
    writeln!(out, "<form class=\"filters\">\n<fieldset><legend>Show</legend>")?;
    for (proto, n) in counts {
        let class = class(proto);
        writeln!(
            out,
            "<label class=\"p {class}\"><input type=\"checkbox\" id=\"f-{class}\" checked>{} <small>{n}</small></label>",
            proto.name()
        )?;
    }
    writeln!(
        out,
        "<label class=\"p\"><input type=\"checkbox\" id=\"f-state\" checked>States</label></fieldset>"
    )?;
    if several {
        writeln!(
            out,
            "<fieldset><legend>Device</legend>\n\
             <label class=\"p\"><input type=\"radio\" name=\"d\" id=\"d-all\" checked>All</label>"
        )?;
        for device in 1..=DEVICES_KEPT {
            if rows.iter().any(|row| row.device == Some(device)) {
                writeln!(
                    out,
                    "<label class=\"p\"><input type=\"radio\" name=\"d\" id=\"d-{device}\">{device}</label>"
                )?;
            }
        }
        writeln!(out, "</fieldset>")?;
    }
    writeln!(
        out,
        "<fieldset id=\"tools\" hidden><input type=\"search\" id=\"find\" placeholder=\"Find a message\" \
         aria-label=\"Find a message\"><button type=\"button\" id=\"open\">Open all</button>\
         <button type=\"button\" id=\"close\">Close all</button></fieldset>\n</form>"
    )
}

fn step_started(out: &mut impl Write, row: &Row, step: StepId, several: bool) -> io::Result<()> {
    let class = step_class(step.step);
    let of = match row.device {
        Some(device) if several => format!(" <small>device {device}</small>"),
        _ => String::new(),
    };
    writeln!(out, "<h3 class=\"row step {class}\"{}>{step}{of}</h3>", data(row))
}

fn step_ended(
    out: &mut impl Write,
    row: &Row,
    step: StepId,
    took: Duration,
    outcome: &Outcome,
    several: bool,
) -> io::Result<()> {
    let (word, why) = match outcome {
        Outcome::Done { proof } => ("done", proof.clone()),
        Outcome::Refused { reason, detail } if detail.is_empty() => ("refused", reason.to_string()),
        Outcome::Refused { reason, detail } => ("refused", format!("{reason} ({detail})")),
    };
    let of = match row.device {
        Some(device) if several => format!(", device {device},"),
        _ => String::new(),
    };
    let (data, took, why) = (data(row), seconds(took), html(&brief(&why)).into_owned());
    writeln!(
        out,
        "<p class=\"row end {word}\"{data}><b>{step}{of} {word}</b> in {took} s <span>{why}</span></p>"
    )
}

fn data(row: &Row) -> String {
    row.device.map_or_else(String::new, |device| format!(" data-d=\"{device}\""))
}

/// Which device a row belongs to, where that may be in doubt.
fn badge(row: &Row, several: bool) -> String {
    match row.device {
        Some(device) if several => format!("<i>{device}</i>"),
        _ => String::new(),
    }
}

fn message(
    out: &mut impl Write,
    lanes: &Lanes,
    row: &Row,
    at: &str,
    arrow: &Arrow,
    several: bool,
) -> io::Result<()> {
    let (class, from, to) = (class(arrow.proto), lanes.column(arrow.from), lanes.column(arrow.to));
    let direction = match from.cmp(&to) {
        std::cmp::Ordering::Less => "right",
        std::cmp::Ordering::Equal => "self",
        std::cmp::Ordering::Greater => "left",
    };
    let side = if lanes.reads_rightwards(from, to) { "" } else { " flip" };
    writeln!(
        out,
        "<details class=\"row m {class}\"{}><summary><span class=\"t\">{}{at}</span>\
         <span class=\"lane {direction}{side}\" style=\"--a:{};--b:{}\"><span class=\"sr\">{} to {}: </span>\
         <span class=\"label\"><small>{}</small> <b>{}</b> <em>{}</em></span><span class=\"arrow\"></span></span>\
         </summary>",
        data(row),
        badge(row, several),
        from.min(to),
        from.max(to),
        arrow.from,
        arrow.to,
        arrow.proto.name(),
        html(&one_line(&arrow.name)),
        html(&fields(&arrow.fields)),
    )?;
    inside(out, arrow)?;
    writeln!(out, "</details>")
}

/// What a message opens to.
fn inside(out: &mut impl Write, arrow: &Arrow) -> io::Result<()> {
    write!(out, "<div class=\"in\"><p><b>{}</b> {} &gt; {}", html(&arrow.name), arrow.from, arrow.to)?;
    if arrow.length > 0 {
        write!(out, " · {} · SHA-256 {}…", count(arrow.length as u64, "byte"), arrow.digest)?;
    }
    write!(out, "</p>")?;
    if !arrow.fields.is_empty() {
        write!(out, "<dl>")?;
        for (name, value) in &arrow.fields {
            write!(out, "<dt>{}</dt><dd>{}</dd>", html(name), html(value))?;
        }
        write!(out, "</dl>")?;
    }
    if !arrow.head.is_empty() {
        write!(out, "<pre>{}</pre>", html(&dump(&arrow.head)))?;
    }
    if arrow.length > arrow.head.len() {
        let more = arrow.length - DUMP_BYTES_MAX;
        write!(out, "<p>{} more in events.jsonl</p>", count(more as u64, "byte"))?;
    }
    write!(out, "</div>")
}

/// Offset, hexadecimal, printable characters: sixteen bytes a line.
fn dump(bytes: &[u8]) -> String {
    let line = |(i, bytes): (usize, &[u8])| {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = bytes.iter().map(|byte| if matches!(byte, 0x20..=0x7e) { char::from(*byte) } else { '.' });
        format!("{:04x}  {:47}  {}", i * 16, hex.join(" "), text.collect::<String>())
    };
    bytes.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn tunnelled(
    out: &mut impl Write,
    lanes: &Lanes,
    at: &str,
    tunnel: &Tunnel,
    several: bool,
) -> io::Result<()> {
    let (from, to) = (lanes.column(Actor::enb(1)), lanes.column(Actor::GATEWAY));
    let side = if lanes.reads_rightwards(from, to) { "" } else { " flip" };
    let of = if several { " of all devices" } else { "" };
    writeln!(
        out,
        "<div class=\"row tunnel gtpu\"><span class=\"t\">{at}</span>\
         <span class=\"lane both{side}\" style=\"--a:{from};--b:{to}\"><span class=\"label\"><small>GTP-U</small> \
         <em>user plane{of} until {} s: {}</em></span><span class=\"arrow\"></span></span></div>",
        seconds(tunnel.last - Instant::ZERO),
        user_plane(tunnel.up, tunnel.down)
    )
}

fn note(
    out: &mut impl Write,
    lanes: &Lanes,
    row: &Row,
    state: &StateChange,
    several: bool,
) -> io::Result<()> {
    let column = lanes.column(state.actor);
    let side = if lanes.reads_rightwards(column, column) { "" } else { " flip" };
    let machine = if state.machine.is_empty() {
        String::new()
    } else {
        format!("<small>{}</small> ", html(state.machine))
    };
    writeln!(
        out,
        "<div class=\"row note\"{}><span class=\"t\">{}</span><span class=\"lane{side}\" style=\"--a:{column};--b:{column}\">\
         <span class=\"sr\">{}: </span><span class=\"label\">{machine}{} <em>{}</em></span></span></div>",
        data(row),
        badge(row, several),
        state.actor,
        html(&one_line(&state.change)).replace("-&gt;", "→"),
        html(&fields(&state.fields)),
    )
}
