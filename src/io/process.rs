//! Other programs: where they are, and what they print. Nothing here waits longer than it was told to.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The most that is read of what a program prints, in bytes.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ProcessError {
    #[error("cannot start {}: {}", program.display(), super::files::told(cause))]
    Start { program: PathBuf, cause: io::Error },
    #[error("{} did not end within {} s and was killed", program.display(), limit.as_secs_f32())]
    TimedOut { program: PathBuf, limit: Duration },
}

/// The program called `name` in the folders of `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Runs `program` without input and returns what it prints on either stream, its standard output first.
pub fn output(program: &Path, args: &[&str], limit: Duration) -> Result<String, ProcessError> {
    let start = |cause| ProcessError::Start { program: program.to_owned(), cause };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let deadline = Instant::now() + limit;
    let streams = [child.stdout.take().map(read_all), child.stderr.take().map(read_all)];
    let ended = wait_until(&mut child, deadline);
    if !ended {
        // It may have ended just now: then there is nothing to kill, and nothing to report.
        let _ = child.kill();
        let _ = child.wait();
        return Err(ProcessError::TimedOut { program: program.to_owned(), limit });
    }
    // A program that it left behind may hold the streams open: what has come until the deadline counts.
    let rest = |stream: mpsc::Receiver<Vec<u8>>| {
        stream.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_default()
    };
    let bytes: Vec<u8> = streams.into_iter().flatten().flat_map(rest).collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_all(stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still what the program printed; nobody may be waiting any more.
        let _ = stream.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        let _ = done.send(bytes);
    });
    result
}

fn wait_until(child: &mut Child, deadline: Instant) -> bool {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) if Instant::now() < deadline => thread::sleep(pause),
            Ok(None) | Err(_) => return false,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended() {
        let sleep = find("sleep").expect("every Unix has sleep");
        let watch = Instant::now();
        let outcome = output(&sleep, &["30"], Duration::from_millis(100));
        assert!(matches!(outcome, Err(ProcessError::TimedOut { .. })), "{outcome:?}");
        assert!(watch.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn both_streams_are_read() {
        let sh = find("sh").expect("every Unix has sh");
        let text = output(&sh, &["-c", "echo out; echo err >&2"], Duration::from_secs(10)).unwrap();
        assert_eq!(text, "out\nerr\n");
        let missing = output(Path::new("no/such/program"), &[], Duration::from_secs(1));
        assert!(matches!(missing, Err(ProcessError::Start { .. })));
    }
}
