//! What goes through the contacts of a virtual card, printed.

use std::time::{Duration, Instant};

use crate::cli::terminal;
use crate::wire::Label;
use crate::wire::Namer;

/// Prints what goes through a card's contacts, by names: keys, PIN codes and results are not shown.
pub struct Trace {
    card: u32,
    namer: Namer,
    began: Instant,
}

impl Trace {
    pub fn new(card: u32) -> Self {
        Self { card, namer: Namer::default(), began: Instant::now() }
    }

    pub fn reset(&mut self) {
        self.namer = Namer::default();
        self.line(format_args!("RESET"));
    }

    pub fn exchange(&mut self, command: &[u8], response: &[u8], took: Duration) {
        let (asked, answered) = self.namer.describe(command, response);
        let (asked, answered) = (text(&asked), text(&answered));
        let (sent, received) = (command.len(), response.len());
        let took = took.as_micros();
        self.line(format_args!("{asked:48} {sent:3} > {answered:20} {received:3}  {took:6} us"));
    }

    fn line(&self, what: std::fmt::Arguments<'_>) {
        let (at, card) = (self.began.elapsed().as_secs_f64(), self.card);
        terminal::line(format_args!("{at:10.4} card{card} {what}"));
    }
}

fn text(label: &Label) -> String {
    let fields = label.fields.iter().map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(label.name.to_string()).chain(fields).collect()
}
