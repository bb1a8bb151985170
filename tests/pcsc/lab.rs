//! A pcscd with two virtual readers that nobody else sees: in a mount namespace of its own, with its socket in a
//! scratch folder. Everything that is started here is ended here, by its process identifier.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{need, on_path};

pub const PROFILE: &str = "sim-profiles/lte-test.toml";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const PATIENCE: Duration = Duration::from_secs(20);

/// The service on its own `/run`: the one of the machine is neither seen nor touched.
const START: &str = "mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind \"$1\" /run/pcscd && \
                     exec pcscd --foreground --config \"$2\"";

/// Sends the commands of its arguments to the card, fetches what `61xx` announces, and prints each answer.
const SEND: &str = "\
import sys
from smartcard.System import readers
from smartcard.util import toHexString
card = [r for r in readers() if r.name == sys.argv[1]][0].createConnection()
card.connect()
for text in sys.argv[2:]:
    data, sw1, sw2 = card.transmit(list(bytes.fromhex(text)))
    if sw1 == 0x61:
        data, sw1, sw2 = card.transmit([int(text[:2], 16) & 3, 0xc0, 0, 0, sw2])
    print(bytes(data + [sw1, sw2]).hex())
";

/// Holds the card, says so, and stays.
const HOLD: &str = "\
import sys, time
from smartcard.scard import *
context = SCardEstablishContext(SCARD_SCOPE_USER)[1]
card = SCardConnect(context, sys.argv[1], SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T0)
print('held' if card[0] == SCARD_S_SUCCESS else card, flush=True)
time.sleep(60)
";

pub struct Lab {
    folder: TempDir,
    pcscd: Child,
    port: u16,
    python: PathBuf,
}

impl Lab {
    /// Starts a pcscd; `None`, and says what is therefore not shown, where the machine lacks something.
    pub fn start(unproved: &str) -> Option<Self> {
        let python = need("pcscd", unproved, find())?;
        let may = runs("unshare", &["--mount", "true"]);
        let may = may.then_some(()).ok_or("only root may give pcscd a /run of its own".to_owned());
        need("namespaces", unproved, may)?;
        Some(Self::start_with(python))
    }

    /// The same for a test in which cellbed itself goes to the readers.
    pub fn start_with_readers(unproved: &str) -> Option<Self> {
        let built = cfg!(feature = "pcsc").then_some(()).ok_or("built without the feature `pcsc`".to_owned());
        need("readers", unproved, built)?;
        Self::start(unproved)
    }

    fn start_with(python: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_ports();
        for name in ["run", "conf"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let reader = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{port:#x}\nLIBPATH {DRIVER}\nCHANNELID {port:#x}\n"
        );
        fs::write(folder.path().join("conf/vpcd"), reader).unwrap();
        let pcscd = pcscd(folder.path());
        let lab = Self { folder, pcscd, port, python };
        lab.wait_for_service();
        lab
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the first virtual reader listens.
    pub fn vpcd(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn socket(&self) -> PathBuf {
        self.path().join("run/pcscd.comm")
    }

    fn wait_for_service(&self) {
        wait("pcscd", || self.socket().exists());
    }

    /// Kills the service.
    pub fn stop_service(&mut self) {
        self.pcscd.kill().unwrap();
        self.pcscd.wait().unwrap();
        let _ = fs::remove_file(self.socket());
    }

    pub fn service_pid(&self) -> u32 {
        self.pcscd.id()
    }

    pub fn start_service(&mut self) {
        self.pcscd = pcscd(self.path());
        self.wait_for_service();
    }

    /// A program that uses this lab's pcscd.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env("PCSCLITE_CSOCK_NAME", self.socket())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null());
        command
    }

    pub fn cellbed(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_cellbed")).args(args).output().unwrap()
    }

    /// `cellbed card serve` for one card in the first reader.
    pub fn serve(&self, args: &[&str]) -> Served {
        self.serve_card(PROFILE, args)
    }

    /// The same with the card of another profile.
    pub fn serve_card(&self, profile: &str, args: &[&str]) -> Served {
        let mut command = self.command(env!("CARGO_BIN_EXE_cellbed"));
        let child = command
            .args(["card", "serve", profile, "--vpcd", &self.vpcd()])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let served = Served::new(child);
        served.wait_for("is in the reader");
        self.wait_for_card();
        served
    }

    /// `cellbed esim serve` on a free port of its own.
    pub fn serve_profiles(&self, args: &[&str]) -> Served {
        let mut command = self.command(env!("CARGO_BIN_EXE_cellbed"));
        command.args(["esim", "serve", "--listen", "127.0.0.1:0"]).args(args);
        Served::new(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until pcscd shows a card with its ATR.
    pub fn wait_for_card(&self) {
        wait("the card", || {
            let scan = self.command("pcsc_scan").arg("-c").output().unwrap();
            String::from_utf8_lossy(&scan.stdout).contains("ATR: 3B")
        });
    }

    /// A program that has the card for itself.
    pub fn hold(&self) -> Child {
        let mut python = self.command(&self.python);
        let python = python.args(["-c", HOLD, "Virtual PCD 00 00"]).stdout(Stdio::piped());
        let mut holder = python.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        holder
    }

    /// Sends commands to the card through python3-pyscard; the answers, status words included, in hexadecimal.
    pub fn send(&self, commands: &[&str]) -> Vec<String> {
        let mut python = self.command(&self.python);
        let output = python.args(["-c", SEND, "Virtual PCD 00 00"]).args(commands).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.pcscd.kill();
        let _ = self.pcscd.wait();
    }
}

/// A `cellbed card serve` or `cellbed card modem`, and what it prints.
pub struct Served {
    child: Child,
    lines: Receiver<String>,
}

impl Served {
    pub fn new(mut child: Child) -> Self {
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line that contains `text`.
    pub fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it does not say {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "SIGTERM does not end it");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done`.
pub fn wait(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what} does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn pcscd(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("pcscd.log")).unwrap();
    Command::new("unshare")
        .args(["--mount", "sh", "-c", START, "sh"])
        .args([folder.join("run"), folder.join("conf")])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Two ports in a row that nobody uses: the driver listens on both.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

fn runs(program: &str, args: &[&str]) -> bool {
    let outcome = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    outcome.is_ok_and(|status| status.success())
}

/// The machine's Python with pyscard, where the service, its driver and its programs are there as well.
fn find() -> Result<PathBuf, String> {
    if !Path::new(DRIVER).exists() {
        return Err("vsmartcard-vpcd is not installed".to_owned());
    }
    for program in ["pcscd", "pcsc_scan", "opensc-tool"] {
        on_path(program)?;
    }
    let python = ["python3", "/usr/bin/python3"].into_iter().find(|p| runs(p, &["-c", "import smartcard"]));
    python.map(PathBuf::from).ok_or_else(|| "python3-pyscard is not installed".to_owned())
}

/// What was printed on both streams, when the program ended with `code`.
pub fn ended(code: i32, output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}
