//! Links to files and directories, when all files are known (TCA profile interoperability clause 8.3, `linkPath`).
//!
//! A link may lead through other links. Each is resolved once, those that it leads through before it.

use std::collections::BTreeMap;

use super::super::der::Fault;
use super::super::error::PeStatusCode;
use super::super::image::FileKind;
use super::{Assembly, Late, identifiers};

/// Where the path of a link ends.
enum End {
    /// At this file, which is no link.
    File(usize),
    /// At a link that is not resolved, or before one that it leads through.
    Link(usize),
    Nowhere,
}

impl Assembly {
    pub(super) fn resolve_links(&mut self) -> Result<(), Late> {
        let paths: BTreeMap<usize, Vec<u8>> = std::mem::take(&mut self.links).into_iter().collect();
        let mut children: BTreeMap<(usize, u16), usize> = BTreeMap::new();
        for (place, file) in self.image.files.iter().enumerate().skip(1) {
            children.entry((file.parent, file.id)).or_insert(place);
        }
        let mut resolved: BTreeMap<usize, usize> = BTreeMap::new();
        for link in paths.keys() {
            // Links that wait for the last one of them.
            let mut waiting = vec![*link];
            while let Some(&place) = waiting.last() {
                if resolved.contains_key(&place) {
                    waiting.pop();
                    continue;
                }
                let path = paths.get(&place).map_or(&[][..], Vec::as_slice);
                match self.end(path, &children, &resolved) {
                    End::File(to) => {
                        resolved.insert(place, to);
                        waiting.pop();
                    }
                    // What waits for itself is among the last as many as there are links.
                    End::Link(next) if waiting.len() <= paths.len() => waiting.push(next),
                    End::Link(_) => {
                        let cause = format!("{} is a link that leads back to links", hex::encode(path));
                        return Err(self.broken_link(place, cause));
                    }
                    End::Nowhere => {
                        let cause = format!("there is no file {}", hex::encode(path));
                        return Err(self.broken_link(place, cause));
                    }
                }
            }
        }
        for (place, to) in resolved {
            self.image.files[place].kind = FileKind::Link { to };
        }
        Ok(())
    }

    fn end(
        &self,
        path: &[u8],
        children: &BTreeMap<(usize, u16), usize>,
        resolved: &BTreeMap<usize, usize>,
    ) -> End {
        let mut at = 0;
        for id in identifiers(path) {
            let Some(&child) = children.get(&(at, id)) else { return End::Nowhere };
            at = match self.image.files[child].kind {
                FileKind::Link { .. } => match resolved.get(&child) {
                    Some(to) => *to,
                    None => return End::Link(child),
                },
                _ => child,
            };
        }
        End::File(at)
    }

    fn broken_link(&self, place: usize, cause: String) -> Late {
        let file = &self.image.files[place];
        let fault = Fault::new(PeStatusCode::BAD_VALUES, cause).within("linkPath").within(file.name);
        (file.element, fault)
    }
}
