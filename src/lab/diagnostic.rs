//! What is wrong with a file of the lab: where it stands, why, and the way out.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::kernel::text::{in_place, one_line};

/// One problem in one file, with the place that it stands at.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What stands at the place, in a few words.
    pub label: String,
    /// The bytes of the source that are meant.
    pub span: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
    source: Arc<NamedSource<String>>,
}

impl Diagnostic {
    /// A problem at `span` of the file that `source` holds.
    pub fn new(
        source: &Arc<NamedSource<String>>,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let end = source.inner().len();
        let span = span.start.min(end)..span.end.min(end);
        let line = |text: String| one_line(&text).into_owned();
        let (message, label, help) = (line(message.into()), line(label.into()), help.map(line));
        Self { message, label, span, help, source: Arc::clone(source) }
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Line and column of the place, in characters from 1.
    pub fn place(&self) -> (usize, usize) {
        let before = self.source.inner().get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        (line, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
    }

    /// The problem with its lines of the source drawn around it, ready to print.
    pub fn render(&self, colour: bool, width: usize) -> String {
        // What is drawn around the problem are lines of a file, and its name.
        let source =
            NamedSource::new(one_line(self.source.name()), in_place(self.source.inner()).into_owned());
        let safe = Self { source: Arc::new(source.with_language("TOML")), ..self.clone() };
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
        let mut text = String::new();
        match handler.render_report(&mut text, &safe) {
            Ok(()) => text,
            Err(fmt::Error) => format!("{}: {}\n", one_line(self.file()), self.message),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some(self.label.clone()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// How many problems there are in which file, for a last line.
pub fn count(problems: &[Diagnostic]) -> String {
    match problems {
        [] => "no problem".to_owned(),
        [one] => format!("{}: {one}", one.file()),
        [first, ..] => format!("{}: {} problems, the first: {first}", first.file(), problems.len()),
    }
}

/// Words that people bring along, and what is meant by them here.
const MEANT: [(&str, &str); 6] = [
    ("pass", "done"),
    ("passed", "done"),
    ("success", "done"),
    ("fail", "refused"),
    ("failed", "refused"),
    ("rejected", "refused"),
];

/// The advice for a word that is not among the `known` ones: the nearest of them, and all of them where
/// they are few.
pub fn suggest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    // What other tools say for it, where the letters lead elsewhere.
    let meant =
        MEANT.iter().find(|(said, meant)| *said == word && known.contains(meant)).map(|(_, meant)| *meant);
    let nearest = meant.or_else(|| nearest(word, known.iter().copied()))?;
    let all = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    Some(match known.len() {
        1 => format!("the only one known here is `{nearest}`"),
        2..=24 => format!("did you mean `{nearest}`? known here: {all}"),
        _ => format!("did you mean `{nearest}`?"),
    })
}

/// The one of `known` that looks most like `word`; the first of them where several do.
fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let mut best: Option<(&str, f64)> = None;
    for candidate in known {
        let likeness = strsim::jaro_winkler(&word, &candidate.to_lowercase());
        if best.is_none_or(|(_, so_far)| likeness > so_far) {
            best = Some((candidate, likeness));
        }
    }
    best.map(|(candidate, _)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named() {
        assert_eq!(
            suggest("profil", ["count", "profile"]).unwrap().split('?').next(),
            Some("did you mean `profile`")
        );
        assert!(suggest("LTE-TEST", ["nb-test", "lte-test"]).unwrap().contains("mean `lte-test`"));
        let outcome = suggest("pass", ["done", "refused", "not-reached"]).unwrap();
        assert!(outcome.starts_with("did you mean `done`?"), "{outcome}");
        assert_eq!(suggest("x", []), None);
    }

    #[test]
    fn a_span_beyond_the_source_is_cut() {
        let source = Arc::new(NamedSource::new("a.toml", "x = 1".to_owned()));
        let problem = Diagnostic::new(&source, 3..900, "bad", "here", None);
        assert_eq!((problem.span.clone(), problem.place()), (3..5, (1, 4)));
        assert!(problem.render(false, 80).contains("a.toml"));
    }
}
