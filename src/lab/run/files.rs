//! The files of a run's folder while they are written: each names itself where it cannot be, and what tells of a run that
//! did not come to its end is there from the beginning.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::Run;
use crate::crypto::Tally;
use crate::crypto::tls::KeyLogSink;
use crate::event::{Body, Event};
use crate::io::files;
use crate::kernel::Instant;
use crate::lab::audit::folder::{BOOKS, CERTIFICATES, LEDGER};
use crate::lab::recorder::Recorder;
use crate::lab::{LabError, provenance};
use crate::report::{Metrics, Provenance, RunFacts, RunSummary, View};

/// How much of a file is gathered before it is written: a run of many devices writes tens of megabytes.
const BUFFER_BYTES: usize = 128 << 10;

/// A file of the folder. Its errors name it.
pub(super) struct NamedFile {
    path: PathBuf,
    file: Option<File>,
}

impl NamedFile {
    /// The file at `path`, which is open.
    pub(super) fn open(path: PathBuf, file: File) -> BufWriter<Self> {
        BufWriter::with_capacity(BUFFER_BYTES, Self { path, file: Some(file) })
    }

    /// The file at `path`, which keeps what it holds until something is written to it.
    pub(super) fn later(path: PathBuf) -> BufWriter<Self> {
        BufWriter::with_capacity(BUFFER_BYTES, Self { path, file: None })
    }

    fn named<T>(&mut self, act: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        let done = match &mut self.file {
            Some(file) => act(file),
            None => files::create(&self.path).and_then(|file| act(self.file.insert(file))),
        };
        done.map_err(|cause| match cause.kind() {
            // A writer tries again by itself.
            io::ErrorKind::Interrupted => cause,
            kind => io::Error::new(kind, format!("{}: {}", self.path.display(), files::told(&cause))),
        })
    }
}

impl Write for NamedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.named(|file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        // A file that was not begun has nothing to flush.
        if self.file.is_some() { self.named(Write::flush) } else { Ok(()) }
    }
}

impl Run {
    /// Where and when the run is, with the names of the files that it leaves.
    pub(super) fn provenance(&self, key_log: bool) -> Provenance {
        let mut files = vec![BOOKS, CERTIFICATES, LEDGER];
        files.extend(key_log.then_some("sslkeylog.txt"));
        provenance::now(self.read.clone(), &files)
    }

    /// Writes what is known before the run as the metrics of one that did not come to its end: where the process is ended
    /// from outside, they stay so.
    pub(super) fn begin(
        &self,
        out: impl Write,
        facts: &RunFacts,
        provenance: &Provenance,
    ) -> Result<(), LabError> {
        let mut recorder = Recorder::new(&self.scenario, true);
        recorder.interrupted(Instant::ZERO);
        let mut summary = recorder.finish(facts.clone(), Instant::ZERO, &Tally::new());
        summary.reason = Some("the run did not come to its end: its process was ended".to_owned());
        summary.rerun = format!("{} --seed {}", self.rerun, self.scenario.seed);
        summary.provenance = Some(provenance.clone());
        summary.expectations.clear();
        Metrics::new(out).finish(&summary).map_err(LabError::Output)
    }
}

/// Writes the TLS secrets as they come (the `SSLKEYLOGFILE` format, RFC 9850), so that memory does not keep
/// them.
pub(super) struct KeyLogFile<W> {
    pub(super) out: W,
    pub(super) sink: KeyLogSink,
}

impl<W: Write> KeyLogFile<W> {
    fn drain(&mut self) -> io::Result<()> {
        self.sink.take().iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }
}

impl<W: Write> View for KeyLogFile<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event.body {
            Body::StepEnded { .. } => self.drain(),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        self.drain()?;
        self.out.flush()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test reads files")]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_nothing_is_named() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut file = NamedFile::open("runs/x/trace.pcapng".into(), full);
        file.write_all(b"x").unwrap();
        let error = file.flush().unwrap_err().to_string();
        assert_eq!(
            error,
            "runs/x/trace.pcapng: the disk is full; free some space, or name a place on another disk"
        );
    }

    #[test]
    fn a_file_for_later_keeps_what_it_holds_until_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        std::fs::write(&path, "begun").unwrap();
        let mut file = NamedFile::later(path.clone());
        file.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "begun");
        file.write_all(b"end").unwrap();
        file.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "end");
    }
}
