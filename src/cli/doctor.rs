//! `cellbed doctor`: what this machine has for a lab, and what each absence costs.

use std::process::ExitCode;

use owo_colors::{OwoColorize, Style};

use super::args::DoctorArgs;
use super::exit::Exit;
use super::terminal;
use crate::io::doctor::{self, Finding};
use crate::kernel::text::one_line;

/// Prints what was looked for. An absence is no error: the virtual bench needs none of it.
pub fn main(args: &DoctorArgs) -> ExitCode {
    let findings = doctor::examine();
    if args.json {
        let json = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "findings": findings });
        terminal::json(&json);
    } else {
        terminal::own(table(&findings, terminal::colours_output()).as_bytes());
    }
    Exit::Pass.into()
}

fn table(findings: &[Finding], colour: bool) -> String {
    let width = findings.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (word, style) =
            if finding.found { ("found", Style::new().green()) } else { ("absent", Style::new().yellow()) };
        let word = format!("{word:>8}");
        let word = if colour { word.style(style).to_string() } else { word };
        text += &format!("{word}  {:width$}  {}\n", finding.name, one_line(&finding.detail));
        if !finding.found {
            let indent = " ".repeat(8 + 2 + width + 2);
            text +=
                &format!("{indent}without it: {}\n{indent}to get it:  {}\n", finding.cost, finding.remedy);
        }
    }
    let found = findings.iter().filter(|f| f.found).count();
    text + &format!("\n{found} of {} found. The virtual bench needs none of them.\n", findings.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_says_what_it_costs() {
        let finding = |name, found, detail: &str| Finding {
            name,
            found,
            detail: detail.to_owned(),
            cost: "captures are not cross-checked",
            remedy: "apt install tshark",
        };
        let findings = [finding("TUN", true, "/dev/net/tun"), finding("tshark", false, "no tshark in PATH")];
        insta::assert_snapshot!(table(&findings, false), @r##"
       found  TUN     /dev/net/tun
      absent  tshark  no tshark in PATH
                      without it: captures are not cross-checked
                      to get it:  apt install tshark

    1 of 2 found. The virtual bench needs none of them.
    "##);
        assert!(table(&findings, true).contains("\u{1b}[32m"));
    }
}
