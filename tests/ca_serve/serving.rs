//! An authority that is served, and a client's folder in which curl and OpenSSL work.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::support::need_command;

const CLIENTS: &str = r#"
[[client]]
name = "sensor-1"
hosts = ["sensor-1.test"]
user = "one"
password = "first secret"

[[client]]
name = "sensor-2"
user = "two"
password = "second secret"
"#;

/// What the program says with these arguments: its exit code, and both of its streams.
pub fn cellbed(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cellbed")).args(args).output().unwrap();
    (output.status.code().unwrap(), text(&output))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A folder with an authority and a file of clients.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        let (code, said) = cellbed(&["ca", "new", place.path("ca").to_str().unwrap()]);
        assert_eq!(code, 0, "{said}");
        place.put("clients.toml", CLIENTS.as_bytes());
        std::fs::set_permissions(place.path("clients.toml"), std::fs::Permissions::from_mode(0o600)).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn get(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// What `cellbed ca VERB` says of the folder.
    pub fn ca(&self, verb: &str, more: &[&str]) -> (i32, String) {
        cellbed(&[&["ca", verb, self.path("ca").to_str().unwrap()], more].concat())
    }
}

/// A server that runs; it ends with the test.
pub struct Serving {
    child: Child,
    pub est: SocketAddr,
    /// Where relying parties ask, as the server says it.
    pub status: String,
    pub place: Place,
}

impl Serving {
    pub fn start(args: &[&str]) -> Self {
        Self::of(Place::new(), args)
    }

    pub fn of(place: Place, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .args(["ca", "serve"])
            .arg(place.path("ca"))
            .args(["--listen", "127.0.0.1:0", "--status", "127.0.0.1:0", "--clients"])
            .arg(place.path("clients.toml"))
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut after = |title: &str| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let rest = line.strip_prefix(title);
            rest.unwrap_or_else(|| panic!("{line:?} does not begin with {title:?}")).trim().to_owned()
        };
        let est = after("EST");
        let est = est.strip_prefix("https://").unwrap().strip_suffix("/.well-known/est").unwrap();
        let est = est.parse().unwrap();
        let status = after("status");
        after("root");
        after("clients");
        // Nobody reads what it says while it serves, and it may say as much as it likes.
        thread::spawn(move || out.lines().map_while(Result::ok).for_each(drop));
        Self { child, est, status, place }
    }

    /// Ends it as a person at the terminal does, and leaves the folder.
    pub fn interrupt(mut self) -> Place {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let folder = std::mem::replace(&mut self.place.folder, TempDir::new().unwrap());
        Place { folder }
    }

    /// What an operation of EST is called.
    pub fn url(&self, operation: &str) -> String {
        format!("https://{}/.well-known/est/{operation}", self.est)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// curl and OpenSSL in the folder of a server's place.
pub struct Tools<'a> {
    place: &'a Place,
}

impl<'a> Tools<'a> {
    /// `None` where one of them is missing, which is said.
    pub fn new(place: &'a Place, unproved: &str) -> Option<Self> {
        (need_command("openssl", unproved) && need_command("curl", unproved)).then_some(Self { place })
    }

    /// What OpenSSL says, and whether it is content.
    pub fn openssl(&self, arguments: &str) -> (bool, String) {
        self.run("openssl", &arguments.split(' ').collect::<Vec<_>>())
    }

    pub fn passes(&self, arguments: &str) -> String {
        let (passed, said) = self.openssl(arguments);
        assert!(passed, "openssl {arguments}: {said}");
        said
    }

    fn run(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let output =
            Command::new(program).current_dir(self.place.folder.path()).args(arguments).output().unwrap();
        (output.status.success(), text(&output))
    }

    /// What curl gets of `url`, with TLS under the authority's root: the status, and all header fields. The body is in
    /// `body`. Status 0 where there was no answer.
    pub fn curl(&self, url: &str, arguments: &[&str]) -> (u16, String) {
        let common = [
            "-sS",
            "--noproxy",
            "*",
            "--cacert",
            "ca/ca.pem",
            "-o",
            "body",
            "-D",
            "head",
            "-w",
            "%{http_code}",
        ];
        for old in ["head", "body"] {
            let _ = std::fs::remove_file(self.place.path(old));
        }
        let output = Command::new("curl")
            .current_dir(self.place.folder.path())
            .args(common)
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        let status = String::from_utf8_lossy(&output.stdout).parse().unwrap_or(0);
        let head = std::fs::read_to_string(self.place.path("head")).unwrap_or_default();
        (status, head + &String::from_utf8_lossy(&output.stderr))
    }

    /// Makes a key, and a request for it with these options of `openssl req`.
    pub fn csr(&self, name: &str, options: &str) {
        self.passes(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
        self.csr_of(name, name, options);
    }

    /// A request for the key of `key`.
    pub fn csr_of(&self, name: &str, key: &str, options: &str) {
        self.passes(&format!("req -new -key {key}.key {options} -outform DER -out {name}.der"));
        self.passes(&format!("base64 -in {name}.der -out {name}.b64"));
    }

    /// Sends the request `name` to an operation, and leaves the certificate in `NAME.pem` where there is one.
    pub fn enrol(&self, serving: &Serving, operation: &str, name: &str, arguments: &[&str]) -> (u16, String) {
        let body = format!("@{name}.b64");
        let kind = ["-H", "Content-Type: application/pkcs10", "--data-binary", &body];
        let answer = self.curl(&serving.url(operation), &[&kind, arguments].concat());
        if answer.0 == 200 {
            self.passes("base64 -A -d -in body -out body.p7");
            self.passes(&format!("pkcs7 -inform DER -in body.p7 -print_certs -out {name}.pem"));
        }
        answer
    }

    /// The first line of the body: a refusal's word and sentence.
    pub fn word(&self) -> String {
        let body = std::fs::read(self.place.path("body")).unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        body.split(": ").next().unwrap_or_default().to_owned()
    }

    /// The serial number of a certificate.
    pub fn serial(&self, name: &str) -> String {
        let said = self.passes(&format!("x509 -in {name}.pem -noout -serial"));
        said.trim().strip_prefix("serial=").unwrap().to_lowercase()
    }

    pub fn place(&self) -> &Path {
        self.place.folder.path()
    }
}
