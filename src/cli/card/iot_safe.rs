//! `cellbed card iot-safe`: the self-test of an IoT SAFE applet.

use super::{Done, Inserted, insert};
use crate::cli::args::CardIotSafeArgs;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::Terminal;
use crate::reader::iot_safe::{Dialect, Kind, Object, Report, Verdict, self_test};

/// Tests the applet and prints what was found.
pub(super) fn main(args: &CardIotSafeArgs) -> Done {
    let Inserted { mut slot, .. } = insert(&args.card)?;
    let report = self_test(&mut Terminal::new(&mut slot), args.write)?;
    terminal::page(&text(&report));
    Ok(if report.passed() { Exit::Pass } else { Exit::Failed })
}

fn text(report: &Report) -> Page {
    if report.answers_to.is_empty() {
        return row!("no IoT SAFE applet answers, by the AID of GSMA, Thales or CIRA");
    }
    let mut text = row!("applet        answers to the AIDs of {}", report.answers_to.join(", "));
    if let Some(name) = &report.name {
        text += row!("name          {name}");
    }
    text += dialect(&report.dialect);
    text += row!("") + row!("objects");
    for object in &report.objects {
        text += line(object);
    }
    text += row!("") + row!("checks");
    for check in &report.checks {
        let verdict = match check.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Absent => "absent",
            Verdict::Skipped => "skipped",
        };
        text += row!("{verdict:>9}  {:<20}{}", check.name, check.detail);
    }
    let count = |verdict| report.checks.iter().filter(|check| check.verdict == verdict).count();
    text += row!("");
    text += row!(
        "{} passed, {} failed, {} absent, {} skipped",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::Absent),
        count(Verdict::Skipped)
    );
    text
}

fn dialect(dialect: &Dialect) -> Page {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(", ");
    let mut text = row!("class bytes   {}", hex(&dialect.classes));
    for (class, bytes) in &dialect.signature_length {
        let plural = if *bytes == 1 { "" } else { "s" };
        text += row!("tag 33        length on {bytes} byte{plural} with class {class:02X}");
    }
    let without_le = match dialect.announces {
        Some(true) => "announces data with 61xx",
        Some(false) => "gives data at once",
        None => "gives nothing",
    };
    text += row!("without Le    {without_le}");
    if !dialect.sessions.is_empty() {
        let sessions: Vec<String> = dialect.sessions.iter().map(u8::to_string).collect();
        text += row!("sessions      {}", sessions.join(", "));
    }
    let opens = if dialect.opens_channel_by_select { "opens" } else { "does not open" };
    text + row!("channel 1     {opens} by SELECT alone")
}

fn line(object: &Object) -> Page {
    let kind = match object.kind {
        Kind::PrivateKey => "private key",
        Kind::PublicKey => "public key",
        Kind::File => "file",
        Kind::Secret => "secret",
    };
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| words.push(word.to_owned());
    if object.kind != Kind::File {
        let functions = [
            (Object::SIGNATURE, "sign"),
            (Object::KEY_GENERATION, "generate"),
            (Object::KEY_AGREEMENT, "agree"),
            (Object::KEY_DERIVATION, "derive"),
        ];
        add(object.key_type_name());
        functions.iter().filter(|(bit, _)| object.may(*bit)).for_each(|(_, word)| add(word));
    }
    for (bit, word) in [(Object::READ, "read"), (Object::UPDATE, "update")] {
        if object.access & bit != 0 {
            add(word);
        }
    }
    if object.kind == Kind::File {
        add(&format!("{} bytes", object.size));
    } else if !object.filled {
        add("empty");
    }
    words.retain(|word| !word.is_empty());
    let id = hex::encode_upper(&object.id);
    row!("  {kind:<12}{id:<4}{:<12}{}", object.label, words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::card::test_card;

    #[test]
    fn a_table_of_results() {
        let report = self_test(&mut Terminal::new(&mut test_card(|_| ())), true).unwrap();
        assert!(report.passed());
        // The name and the tail of the checks are the virtual card's, and change with it.
        let text = text(&report);
        assert!(text.contains("     pass  sign full text"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn no_applet_is_a_finding() {
        let report = Report {
            answers_to: Vec::new(),
            name: None,
            objects: Vec::new(),
            dialect: Dialect::default(),
            checks: Vec::new(),
        };
        assert!(!report.passed());
        assert!(text(&report).starts_with("no IoT SAFE applet answers"));
    }
}
