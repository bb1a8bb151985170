//! `cellbed card program`: the files of a SIM profile into a programmable test card.

use super::{CardToolError, Done, Inserted, insert, profile};
use crate::cli::args::{AdmKey, CardProgramArgs};
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::lab::catalogue;
use crate::reader::identity::{self, mask};
use crate::reader::program::{NOT_WRITTEN, Planned, Written, apply, plan};
use crate::reader::{Terminal, meaning};

/// Prints the plan, and carries it out unless it is a dry run.
pub(super) fn main(args: &CardProgramArgs) -> Done {
    let error = |source| CardToolError::Personalise { path: args.profile.clone(), source };
    let mut profile = profile(&args.profile)?;
    let (mut index, mut adm) = (args.index, args.adm);
    if let (Some(path), Some(digits)) = (&args.table, &args.in_table) {
        let table = catalogue::table(path)?;
        let place = table.find(digits).ok_or_else(|| CardToolError::NotInTable {
            path: path.clone(),
            digits: mask(digits),
            cards: table.len(),
        })?;
        index = u32::try_from(place).unwrap_or(u32::MAX);
        adm = adm.or_else(|| table.adm1(place).map(|code| AdmKey(code.0)));
        profile.table = Some(table);
    }
    if adm.is_none() && !args.dry_run {
        return Err(CardToolError::NoAdm);
    }
    let subscriber = profile.personalise(index).map_err(error)?;
    let Inserted { mut slot, .. } = insert(&args.card)?;
    let terminal = &mut Terminal::new(&mut slot);
    let planned = plan(terminal, &subscriber)?;
    terminal::page(&of_plan(&planned));
    terminal::page(&not_written());
    let Some(adm) = adm.filter(|_| !args.dry_run) else {
        terminal::page(&(row!("") + row!("dry run: nothing was written")));
        return Ok(Exit::Pass);
    };
    let written = apply(terminal, &planned, &adm.0, args.card.force)?;
    terminal::page(&of_results(&planned, &written));
    Ok(if succeeded(&planned, &written) { Exit::Pass } else { Exit::Failed })
}

fn of_plan(planned: &[Planned]) -> Page {
    let mut text = row!("to write");
    for file in planned {
        let from = match &file.present {
            Ok(content) => shown(file, content),
            Err(status) => format!("({status})"),
        };
        let what = if file.in_order() {
            "in order".to_owned()
        } else {
            format!("{from} -> {}", shown(file, &file.wanted))
        };
        text += row!("  {:<14}{what}", file.name);
    }
    text
}

/// Content that names the subscriber is masked: digits where it is digits, and a length where it is not.
fn shown(file: &Planned, content: &[u8]) -> String {
    let digits = match file.name {
        "EF.IMSI" => identity::imsi(content).map(|imsi| imsi.as_str().to_owned()),
        "EF.ICCID" => identity::iccid_digits(content),
        _ => None,
    };
    match digits {
        Some(digits) => identity::mask(&digits),
        None if file.identifies => format!("({} bytes)", content.len()),
        None => hex::encode(content),
    }
}

fn not_written() -> Page {
    let mut text = row!("not written");
    for (what, why) in NOT_WRITTEN {
        text += row!("  {what:<18}{why}");
    }
    text
}

fn of_results(planned: &[Planned], written: &[Written]) -> Page {
    let mut text = row!("") + row!("written");
    for (file, written) in planned.iter().zip(written) {
        let result = match written {
            Written::Done => "written and read back".to_owned(),
            Written::InOrder => "was in order".to_owned(),
            Written::Refused(status) => format!("refused: {status}, {}", meaning(*status)),
            Written::Unseen(status) => {
                format!("written, but cannot be read back: {status}, {}; try --pin", meaning(*status))
            }
            Written::Different => "DIFFERS from what was written".to_owned(),
        };
        text += row!("  {:<14}{result}", file.name);
    }
    text
}

/// Whether every file is as it shall be, but for those that a card need not let be written.
fn succeeded(planned: &[Planned], written: &[Written]) -> bool {
    planned.iter().zip(written).all(|(file, written)| match written {
        Written::Done | Written::InOrder => true,
        Written::Refused(_) => file.optional,
        Written::Unseen(_) | Written::Different => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimProfile;
    use crate::cli::card::test_card;

    #[test]
    fn the_plan_and_its_results() {
        let toml = include_str!("../../../sim-profiles/lte-test.toml");
        let other = SimProfile::parse(toml).unwrap().personalise(4).unwrap();
        let mut slot = test_card(|_| ());
        let terminal = &mut Terminal::new(&mut slot);
        let planned = plan(terminal, &other).unwrap();
        let text = of_plan(&planned) + not_written();
        assert!(!text.contains("00101000000000"), "{text}");
        let written = apply(terminal, &planned, b"88888888", false).unwrap();
        assert!(succeeded(&planned, &written));
        insta::assert_snapshot!(text + of_results(&planned, &written));
    }

    #[test]
    fn only_what_a_card_may_refuse_may_be_refused() {
        let toml = include_str!("../../../sim-profiles/lte-test.toml");
        let p = SimProfile::parse(toml).unwrap().personalise(4).unwrap();
        let planned = plan(&mut Terminal::new(&mut test_card(|_| ())), &p).unwrap();
        let refused = Written::Refused(crate::wire::StatusWord::SECURITY_STATUS);
        let mut written = vec![Written::Done; planned.len()];
        let place = |name: &str| planned.iter().position(|file| file.name == name).unwrap();
        written[place("EF.ICCID")] = refused;
        assert!(succeeded(&planned, &written));
        written[place("EF.IMSI")] = refused;
        assert!(!succeeded(&planned, &written));
    }
}
