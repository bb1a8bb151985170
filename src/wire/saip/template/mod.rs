//! The file templates of the specification (annex A): which files an element makes, and what they are unless the
//! element says otherwise.

mod csim;
mod isim;
mod mf;
mod telecom;
mod usim;

use super::der::Oid;

/// The template identifiers are below this one.
const ROOT: [u32; 5] = [2, 23, 143, 1, 2];

/// A template of one version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    /// The element that uses it.
    pub(super) element: &'static str,
    /// Number below [`ROOT`].
    number: u32,
    /// Versions that there are; the first has no arc of its own.
    versions: u8,
    /// Whether files are made that the element does not mention.
    pub(super) by_default: bool,
    /// Where its first directory, or its files if it has none, belong.
    pub(super) place: Place,
    rows: &'static [Row],
}

/// Where a template belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the MF.
    Root,
    /// In the MF.
    Mf,
    /// In the ADF of the USIM that was made last.
    Usim,
    Isim,
    Csim,
    /// In the application that was made last.
    AnyApplication,
}

/// What a template says of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The version of the template that first says this.
    since: u8,
    /// Zero for an ADF, whose temporary identifier the element gives.
    pub(super) id: u16,
    pub(super) shape: Shape,
    /// Record of EF.ARR.
    pub(super) rule: u8,
    /// Short file identifier; zero for none.
    pub(super) sfi: u8,
    pub(super) pattern: Pattern,
    /// Expected to be updated often.
    pub(super) busy: bool,
    /// Directory of the same template that it is in; empty for the first one.
    pub(super) within: &'static str,
}

/// What a file of a template is. Zero stands for a size that the element has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Directory,
    Application,
    Transparent(u16),
    /// Records, bytes of each.
    Linear(u16, u16),
    Cyclic(u16, u16),
    BerTlv,
}

/// What a file of a template holds. For files of records this goes for each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `FF` throughout.
    Erased,
    /// These bytes; the last one fills the rest.
    Fill(&'static [u8]),
    /// `FF`, and these bytes at the end.
    Ending(&'static [u8]),
    /// These bytes again and again.
    Repeat(&'static [u8]),
}

const fn row(name: &'static str, id: u16, shape: Shape, rule: u8, sfi: u8) -> Row {
    Row { name, since: 1, id, shape, rule, sfi, pattern: Pattern::Erased, busy: false, within: "" }
}

const fn directory(name: &'static str, id: u16) -> Row {
    row(name, id, Shape::Directory, 14, 0)
}

const fn application(name: &'static str) -> Row {
    row(name, 0, Shape::Application, 14, 0)
}

const fn transparent(name: &'static str, id: u16, size: u16, rule: u8, sfi: u8) -> Row {
    row(name, id, Shape::Transparent(size), rule, sfi)
}

/// `shape` is how many records there are and the bytes of each.
const fn linear(name: &'static str, id: u16, shape: (u16, u16), rule: u8, sfi: u8) -> Row {
    row(name, id, Shape::Linear(shape.0, shape.1), rule, sfi)
}

const fn cyclic(name: &'static str, id: u16, shape: (u16, u16), rule: u8, sfi: u8) -> Row {
    row(name, id, Shape::Cyclic(shape.0, shape.1), rule, sfi)
}

const fn ber_tlv(name: &'static str, id: u16, rule: u8, sfi: u8) -> Row {
    row(name, id, Shape::BerTlv, rule, sfi)
}

impl Row {
    const fn fill(self, bytes: &'static [u8]) -> Self {
        Self { pattern: Pattern::Fill(bytes), ..self }
    }

    const fn ending(self, bytes: &'static [u8]) -> Self {
        Self { pattern: Pattern::Ending(bytes), ..self }
    }

    const fn repeat(self, bytes: &'static [u8]) -> Self {
        Self { pattern: Pattern::Repeat(bytes), ..self }
    }

    const fn busy(self) -> Self {
        Self { busy: true, ..self }
    }

    const fn within(self, directory: &'static str) -> Self {
        Self { within: directory, ..self }
    }

    const fn since(self, version: u8) -> Self {
        Self { since: version, ..self }
    }
}

/// All templates, by the number of their element in the ASN.1 module.
static TEMPLATES: &[Template] = &[
    mf::MF,
    mf::CD,
    telecom::TELECOM,
    usim::USIM,
    usim::OPT_USIM,
    isim::ISIM,
    isim::OPT_ISIM,
    telecom::PHONEBOOK,
    usim::GSM_ACCESS,
    csim::CSIM,
    csim::OPT_CSIM,
    mf::EAP,
    usim::DF_5GS,
    usim::DF_SAIP,
    usim::DF_SNPN,
    usim::DF_5GPROSE,
];

/// Names of the file fields of an element, in the order of the ASN.1 module.
pub(super) fn names(element: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for row in TEMPLATES.iter().filter(|template| template.element == element).flat_map(|t| t.rows) {
        if !names.contains(&row.name) {
            names.push(row.name);
        }
    }
    names
}

/// The template that `oid` names, with its version.
pub(super) fn find(oid: &Oid) -> Option<(&'static Template, u8)> {
    let arcs = oid.arcs();
    let (number, version) = match arcs.strip_prefix(&ROOT)? {
        [number] => (*number, 1),
        [number, version @ 2..=255] => (*number, *version as u8),
        _ => return None,
    };
    let template = TEMPLATES.iter().find(|template| template.number == number)?;
    (version <= template.versions).then_some((template, version))
}

/// The identifier of the template of `element` in `version`.
pub fn oid(element: &str, version: u8) -> Option<Oid> {
    let template = TEMPLATES.iter().find(|template| template.element == element)?;
    let mut arcs = ROOT.to_vec();
    arcs.push(template.number);
    if version > 1 {
        arcs.push(u32::from(version));
    }
    (1..=template.versions).contains(&version).then(|| Oid::new(&arcs))
}

impl Template {
    /// The files of `version`, in the order of the ASN.1 module. One that a later version added comes as that
    /// version has it, and is marked by `false`.
    pub(super) fn rows(&self, version: u8) -> Vec<(Row, bool)> {
        let mut rows: Vec<(Row, bool)> = Vec::new();
        for row in self.rows {
            let known = row.since <= version;
            match rows.iter_mut().find(|(own, _)| own.name == row.name) {
                None => rows.push((*row, known)),
                Some(own) if known => *own = (*row, true),
                Some(_) => {}
            }
        }
        rows
    }
}

impl Pattern {
    /// Fills a file, or a record.
    pub(super) fn apply(self, part: &mut [u8]) {
        match self {
            Self::Erased => part.fill(0xff),
            Self::Fill(bytes) => fill(part, bytes),
            Self::Ending(bytes) => {
                part.fill(0xff);
                let (start, from) =
                    (part.len().saturating_sub(bytes.len()), bytes.len().saturating_sub(part.len()));
                part[start..].copy_from_slice(&bytes[from..]);
            }
            Self::Repeat(bytes) => repeat(part, bytes),
        }
    }
}

/// `bytes`, of which the last one fills the rest (ETSI TS 102 222 clause 6.3.2.2.2, tag `C1`).
pub(super) fn fill(part: &mut [u8], bytes: &[u8]) {
    let last = bytes.last().copied().unwrap_or(0xff);
    for (at, byte) in part.iter_mut().enumerate() {
        *byte = bytes.get(at).copied().unwrap_or(last);
    }
}

/// `bytes` again and again (ETSI TS 102 222 clause 6.3.2.2.2, tag `C2`).
pub(super) fn repeat(part: &mut [u8], bytes: &[u8]) {
    for (byte, pattern) in part.iter_mut().zip(bytes.iter().cycle()) {
        *byte = *pattern;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sound() {
        for template in TEMPLATES {
            for version in 1..=template.versions {
                let found = find(&oid(template.element, version).unwrap()).unwrap();
                assert_eq!((found.0.element, found.1), (template.element, version));
                let rows = template.rows(version);
                assert_eq!(rows.len(), names(template.element).len());
                for (at, (row, _)) in rows.iter().enumerate() {
                    let before = &rows[..at];
                    let home = row.within.is_empty() || before.iter().any(|(own, _)| own.name == row.within);
                    assert!(home && (1..=14).contains(&row.rule) && row.sfi <= 30, "{}", row.name);
                    let siblings = before.iter().filter(|(own, _)| own.within == row.within);
                    for (other, _) in siblings {
                        assert_ne!(other.id, row.id, "{} {}", other.name, row.name);
                        assert!(row.sfi == 0 || other.sfi != row.sfi, "{} {}", other.name, row.name);
                    }
                }
            }
        }
        assert!(find(&Oid::new(&[2, 23, 143, 1, 2, 4, 3])).is_none());
        assert!(find(&Oid::new(&[2, 23, 143, 1, 2])).is_none());
    }

    #[test]
    fn patterns_fill_whatever_room_there_is() {
        let applied = |pattern: Pattern, size: usize| {
            let mut part = vec![0xaa; size];
            pattern.apply(&mut part);
            hex::encode(part)
        };
        assert_eq!(applied(Pattern::Erased, 2), "ffff");
        assert_eq!(applied(Pattern::Fill(&[7, 9]), 4), "07090909");
        assert_eq!(applied(Pattern::Fill(&[7, 9]), 1), "07");
        assert_eq!(applied(Pattern::Ending(&[1, 2]), 4), "ffff0102");
        assert_eq!(applied(Pattern::Ending(&[1, 2]), 1), "02");
        assert_eq!(applied(Pattern::Repeat(&[1, 2]), 5), "0102010201");
    }
}
