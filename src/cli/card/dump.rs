//! `cellbed card dump`: the file tree of a card with its contents, as text and as JSON.

use serde_json::{Value, json};

use super::{Done, Inserted, insert};
use crate::cli::args::CardDumpArgs;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::{Content, Entry, Holds, Structure, Terminal, meaning, walk};

/// What may be printed.
#[derive(Clone, Copy)]
struct Shown {
    identifiers: bool,
    keys: bool,
}

impl Shown {
    /// What the content of `entry` holds where it is not printed for that; `None` where it is printed.
    fn withheld(self, entry: &Entry) -> Option<&'static str> {
        match entry.holds {
            Holds::Identifiers if !self.identifiers => Some("identifiers"),
            Holds::Keys if !self.keys => Some("keys"),
            _ => None,
        }
    }
}

/// Prints the tree.
pub(super) fn main(args: &CardDumpArgs) -> Done {
    let Inserted { mut slot, atr } = insert(&args.card)?;
    let entries = walk(&mut Terminal::new(&mut slot))?;
    let shown = Shown { identifiers: args.show_identifiers, keys: args.show_keys };
    if args.json {
        terminal::json(&json(&atr, &entries, shown));
    } else {
        terminal::page(&text(&entries, shown));
    }
    Ok(if entries.is_empty() { Exit::Failed } else { Exit::Pass })
}

fn text(entries: &[Entry], shown: Shown) -> Page {
    let mut text = row!("{:<28}{:<6}{:<22}{:>6}  access", "file", "id", "structure", "bytes");
    for entry in entries {
        let depth = entry.path.len().saturating_sub(1);
        let name = format!("{}{}", "  ".repeat(depth), entry.path.last().map_or("", String::as_str));
        let id = entry.id.map_or_else(String::new, |id| format!("{id:04X}"));
        let structure = entry.structure.to_string();
        let size = match entry.structure {
            Structure::Directory | Structure::Unknown => String::new(),
            _ => entry.size.to_string(),
        };
        text += row!("{name:<28}{id:<6}{structure:<22}{size:>6}  {:<8}", entry.access);
        for line in contents(entry, shown) {
            text += row!("{}{line}", "  ".repeat(depth + 2));
        }
    }
    if entries.is_empty() {
        text += row!("the card has none of the files that a UICC has");
    }
    text
}

/// The lines under an entry.
fn contents(entry: &Entry, shown: Shown) -> Vec<String> {
    if let Some(aid) = &entry.aid {
        return vec![format!("AID {}", hex::encode_upper(aid))];
    }
    match &entry.content {
        Content::None => Vec::new(),
        Content::NoAccess(status) => vec![format!("no access: {status}, {}", meaning(*status))],
        Content::NotReadable => vec!["not read: the structure is not one that is read here".to_owned()],
        Content::Bytes(_) | Content::Records(_) if shown.withheld(entry).is_some() => {
            vec![format!("not shown without --show-{}", shown.withheld(entry).unwrap_or_default())]
        }
        Content::Bytes(bytes) => vec![bytes_shown(bytes)],
        Content::Records(records) => numbered(records),
    }
}

fn bytes_shown(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "empty".to_owned()
    } else if bytes.iter().all(|byte| *byte == 0xff) {
        "erased".to_owned()
    } else {
        hex::encode(bytes)
    }
}

/// A line per record; records at the end that are all erased share one.
fn numbered(records: &[Vec<u8>]) -> Vec<String> {
    let erased = |record: &Vec<u8>| record.iter().all(|byte| *byte == 0xff);
    let used = records.iter().rposition(|record| !erased(record)).map_or(0, |last| last + 1);
    let line = |(n, record): (usize, &Vec<u8>)| format!("{}: {}", n + 1, bytes_shown(record));
    let mut lines: Vec<String> = records[..used].iter().enumerate().map(line).collect();
    match records.len() - used {
        0 => {}
        1 => lines.push(format!("{}: erased", records.len())),
        _ => lines.push(format!("{} to {}: erased", used + 1, records.len())),
    }
    lines
}

fn json(atr: &[u8], entries: &[Entry], shown: Shown) -> Value {
    let files: Vec<Value> = entries.iter().map(|entry| file(entry, shown)).collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "atr": hex::encode_upper(atr), "files": files })
}

fn file(entry: &Entry, shown: Shown) -> Value {
    let mut file = json!({ "path": entry.path.join("/") });
    let mut set = |key: &str, value: Value| file[key] = value;
    if let Some(id) = entry.id {
        set("id", format!("{id:04X}").into());
    }
    if let Some(aid) = &entry.aid {
        set("aid", hex::encode_upper(aid).into());
    }
    let (kind, records) = match entry.structure {
        Structure::Directory => ("directory", None),
        Structure::Transparent => ("transparent", None),
        Structure::LinearFixed { record, count } => ("linear fixed", Some((record, count))),
        Structure::Cyclic { record, count } => ("cyclic", Some((record, count))),
        Structure::BerTlv => ("BER-TLV", None),
        Structure::Unknown => ("unknown", None),
    };
    set("structure", kind.into());
    if let Some((record, count)) = records {
        set("record_bytes", record.into());
        set("records", count.into());
    }
    if entry.structure != Structure::Directory {
        set("bytes", entry.size.into());
    }
    if let Some(sfi) = entry.sfi {
        set("sfi", sfi.into());
    }
    set("access", entry.access.to_string().into());
    if entry.structure != Structure::Directory {
        let (key, value) = content(entry, shown);
        set(key, value);
    }
    file
}

fn content(entry: &Entry, shown: Shown) -> (&'static str, Value) {
    match &entry.content {
        Content::NoAccess(status) => ("no_access", status.to_string().into()),
        Content::None | Content::NotReadable => ("content", Value::Null),
        Content::Bytes(_) | Content::Records(_) if shown.withheld(entry).is_some() => {
            ("withheld", shown.withheld(entry).into())
        }
        Content::Bytes(bytes) => ("content", hex::encode(bytes).into()),
        Content::Records(records) => ("content", records.iter().map(hex::encode).collect::<Vec<_>>().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::card::test_card;

    const MASKED: Shown = Shown { identifiers: false, keys: false };
    const ALL: Shown = Shown { identifiers: true, keys: true };

    fn entries() -> Vec<Entry> {
        walk(&mut Terminal::new(&mut test_card(|p| p.pin.enabled = false))).unwrap()
    }

    /// The files that every version of the virtual card has.
    fn few() -> Vec<Entry> {
        let names = ["MF", "ADF.USIM", "EF.DIR", "EF.ICCID", "EF.IMSI", "EF.Keys", "EF.AD", "EF.EPSNSC"];
        let mut entries = entries();
        entries.retain(|e| {
            names.contains(&e.path.last().unwrap().as_str()) && !e.path.contains(&"DF.GSM".to_owned())
        });
        entries
    }

    #[test]
    fn as_text() {
        insta::assert_snapshot!(text(&few(), MASKED));
    }

    #[test]
    fn as_json() {
        insta::assert_snapshot!(format!("{:#}", json(&[0x3b, 0x00], &few(), ALL)));
    }

    #[test]
    fn nothing_that_names_the_subscriber_is_in_a_masked_dump() {
        let (text, json) = (text(&entries(), MASKED), json(&[], &entries(), MASKED).to_string());
        for secret in ["0809101000000000", "988812010000000010f1"] {
            assert!(!text.contains(secret) && !json.contains(secret), "{secret}");
        }
    }

    #[test]
    fn a_closed_file_says_its_status_word() {
        let entries = walk(&mut Terminal::new(&mut test_card(|p| p.pin.enabled = true))).unwrap();
        let text = text(&entries, ALL);
        assert!(text.contains("no access: 6982"), "{text}");
    }

    #[test]
    fn erased_records_share_a_line() {
        assert_eq!(numbered(&[vec![1], vec![0xff], vec![0xff], vec![0xff]]), ["1: 01", "2 to 4: erased"]);
        assert_eq!(numbered(&[vec![0xff], vec![2], vec![0xff]]), ["1: erased", "2: 02", "3: erased"]);
    }
}
