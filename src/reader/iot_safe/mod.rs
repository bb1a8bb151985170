//! A self-test of an IoT SAFE applet (GSMA IoT.04, IoT.05): what objects it has, which of the dialects that
//! clients in the field speak it understands, and which features work. What a card signs, agrees on or draws is
//! checked here with other code than the card's.

mod applet;
mod features;
mod object;

pub use object::{Kind, Object};

use applet::Applet;

use super::info::IOT_SAFE;
use super::{ExploreError, Terminal};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Pass,
    /// It is not as it should be.
    Fail,
    /// The applet does not have the feature: IoT.05 leaves it to the card.
    Absent,
    /// Not tried; the detail says why.
    Skipped,
}

/// One check of the self-test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, in words.
    pub detail: String,
}

/// How an applet speaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialect {
    /// Class bytes, without the channel, that it takes.
    pub classes: Vec<u8>,
    /// Bytes of the length of a signature (tag 33), by the class byte of the command.
    pub signature_length: Vec<(u8, usize)>,
    /// Whether data is announced with `61xx` where the command has no Le.
    pub announces: Option<bool>,
    /// Session numbers that it takes.
    pub sessions: Vec<u8>,
    /// Whether channel 1 opens by selecting the applet on it, as some modems' clients do.
    pub opens_channel_by_select: bool,
}

/// What the self-test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose AIDs the applet answers to.
    pub answers_to: Vec<&'static str>,
    /// What it calls itself.
    pub name: Option<String>,
    /// The objects of its store.
    pub objects: Vec<Object>,
    /// How it speaks.
    pub dialect: Dialect,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether there is an applet and nothing that was tried failed.
    pub fn passed(&self) -> bool {
        !self.answers_to.is_empty() && self.checks.iter().all(|check| check.verdict != Verdict::Fail)
    }
}

/// Tests the applet of the card. Without `write` nothing on the card changes; with it, key pairs are
/// generated and public keys are put, but only where nothing is that outlives a reset.
pub fn self_test(terminal: &mut Terminal<'_>, write: bool) -> Result<Report, ExploreError> {
    let mut report = Report {
        answers_to: Vec::new(),
        name: None,
        objects: Vec::new(),
        dialect: Dialect::default(),
        checks: Vec::new(),
    };
    let mut selected = None;
    for (name, aid) in IOT_SAFE {
        if terminal.select_applet(aid)?.is_ok() {
            report.answers_to.push(name);
            selected.get_or_insert(aid);
        }
    }
    let Some(aid) = selected else { return Ok(report) };
    report.dialect.opens_channel_by_select = opens_channel_by_select(terminal, aid)?;
    terminal.select_applet(aid)?.map_err(|status| ExploreError::Refused { command: "SELECT", status })?;
    let mut applet = Applet::new(terminal);
    report.dialect.classes = applet.classes()?;
    report.dialect.announces = applet.announces()?;
    report.name = applet.name()?;
    match applet.objects()? {
        Ok(objects) => report.objects = objects,
        Err(status) => report.checks.push(Check {
            name: "object list",
            verdict: Verdict::Fail,
            detail: format!("GET DATA gave {status}"),
        }),
    }
    features::test(&mut applet, &mut report, write)?;
    Ok(report)
}

/// Selects the applet on channel 1 without MANAGE CHANNEL, and closes the channel again.
fn opens_channel_by_select(terminal: &mut Terminal<'_>, aid: &[u8]) -> Result<bool, ExploreError> {
    use crate::wire::Command;
    let select = Command::new(0x01, 0xa4, 0x04, 0x00).with_data(aid);
    let opened = terminal.send("SELECT", select)?.said().is_ok();
    if opened {
        terminal.send("MANAGE CHANNEL", Command::new(0x00, 0x70, 0x80, 0x01))?;
    }
    Ok(opened)
}
