//! Text from outside, made safe for a screen: the one place where it is escaped (CWE-150).
//!
//! What a file, a card or a peer says may hold characters that move a cursor, change colours, break a line or turn the
//! reading order around. [`one_line`] escapes these and leaves everything else as it is. [`Page`] is made of lines that
//! have gone through it, and is all that the command line prints text from.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::ops::{Add, AddAssign, Deref};

/// `text` on one line: whatever could move a cursor, break a line or turn the reading order is escaped.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_disruptive) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_disruptive(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    Cow::Owned(line)
}

/// The characters of C0 and C1 (U+0000 to U+001F, U+007F to U+009F), line and paragraph separators, the controls of the
/// Unicode Bidirectional Algorithm (UAX #9), and the byte order mark.
pub fn is_disruptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` with each disruptive character replaced by one that takes as many bytes, so that places in it stay where they
/// are. Line feeds, those with a carriage return before them, and tabs stay.
pub fn in_place(text: &str) -> Cow<'_, str> {
    let stays = |at: usize, c: char| {
        !is_disruptive(c) || matches!(c, '\n' | '\t') || c == '\r' && text[at + 1..].starts_with('\n')
    };
    if text.char_indices().all(|(at, c)| stays(at, c)) {
        return Cow::Borrowed(text);
    }
    let shown = |(at, c): (usize, char)| match c.len_utf8() {
        _ if stays(at, c) => c,
        1 => '?',
        2 => '·',
        _ => '\u{fffd}',
    };
    Cow::Owned(text.char_indices().map(shown).collect())
}

/// `text` as one word of a POSIX shell: as it is where that is safe, otherwise in single quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

/// Lines to print, each of which is one line whatever stood in the values that it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page(String);

impl Page {
    /// A page without lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// A page of one line. Blanks at its end go.
    pub fn line(text: impl Display) -> Self {
        let text = text.to_string();
        Self(format!("{}\n", one_line(text.trim_end_matches(' '))))
    }

    /// The lines of `text`, which is made of lines: for what nobody outside has a hand in, or whose format is lines.
    pub fn lines(text: &str) -> Self {
        text.lines().map(Self::line).collect()
    }

    /// A title in the first `width` columns and what stands beside it; further lines of a list have no title.
    pub fn titled(width: usize, title: &str, value: impl Display) -> Self {
        Self::line(format_args!("{title:<width$}{value}"))
    }

    /// What is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Page {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AddAssign<Page> for Page {
    fn add_assign(&mut self, more: Page) {
        self.0.push_str(&more.0);
    }
}

impl Add<Page> for Page {
    type Output = Page;
    fn add(mut self, more: Page) -> Page {
        self += more;
        self
    }
}

impl FromIterator<Page> for Page {
    fn from_iter<I: IntoIterator<Item = Page>>(pages: I) -> Self {
        pages.into_iter().fold(Page::new(), Page::add)
    }
}

/// One line of a [`Page`], written as for `format!`.
macro_rules! row {
    ($($part:tt)*) => {
        $crate::kernel::Page::line(::std::format_args!($($part)*))
    };
}
pub(crate) use row;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_leaves_its_line() {
        assert_eq!(one_line("plain · text"), "plain · text");
        assert_eq!(one_line("Größe 📶"), "Größe 📶");
        assert_eq!(one_line("a\r\n\x1b[31mb\u{202e}c"), "a\\r\\n\\u{1b}[31mb\\u{202e}c");
        assert_eq!(Page::line("a\nerror: b  ").as_str(), "a\\nerror: b\n");
        assert_eq!((row!("{}", "x\u{9b}2J") + row!("y")).as_str(), "x\\u{9b}2J\ny\n");
    }

    #[test]
    fn a_shell_takes_a_word_for_what_it_is() {
        assert_eq!(shell_word("lab/scenarios/zero-touch.toml"), "lab/scenarios/zero-touch.toml");
        assert_eq!(shell_word("a;b$(x).toml"), "'a;b$(x).toml'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }

    proptest! {
        #[test]
        fn a_page_has_no_disruptive_character(texts in prop::collection::vec(any::<String>(), 0..5)) {
            let page: Page = texts.iter().map(Page::line).collect();
            prop_assert_eq!(page.as_str().matches('\n').count(), texts.len());
            prop_assert!(!page.as_str().contains(|c| c != '\n' && is_disruptive(c)));
        }

        #[test]
        fn what_is_replaced_in_place_is_as_long(text: String) {
            let shown = in_place(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert!(!shown.contains(|c| !matches!(c, '\n' | '\t' | '\r') && is_disruptive(c)));
        }
    }
}
