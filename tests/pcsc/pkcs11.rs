//! A PKCS#11 module for IoT SAFE (such as ThalesGroup's iot-safe-middleware-pkcs11) that reaches the applet through
//! the modem of `cellbed card modem`: signatures, and mutual TLS 1.3 of curl with the key in the card.
//!
//! IOT_SAFE_PKCS11_MODULE names the module, IOT_SAFE_PKCS11_DEVICE the serial line that it opens (`/dev/ttyACM0`).
//! The module sees a `/dev` of its own, in which that line is the modem.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::lab::{PROFILE, Served, wait};
use crate::support::{from_variable, need, on_path};

/// A `/dev` that differs from the machine's in one line: $1 is a scratch folder, $2 the line, $3 what it leads to.
const OWN_DEV: &str = "mount --rbind /dev \"$1\" && mount -t tmpfs none /dev && ln -s \"$1\"/* /dev/ && \
                       ln -sfn \"$3\" \"$2\" && shift 3 && exec \"$@\"";

const SELECT: &str = "01A4040007A0000005590010";
/// The identifier of the device's key as the module gives it: the digits 01 in ASCII.
const KEY: &str = "3031";

struct Bench {
    folder: TempDir,
    module: PathBuf,
    device: String,
    served: Served,
}

impl Bench {
    /// `None`, and says what is therefore not shown, where the machine lacks something.
    fn start(unproved: &str) -> Option<Self> {
        let module = need("pkcs11", unproved, from_variable("IOT_SAFE_PKCS11_MODULE"))?;
        assert!(module.is_file(), "IOT_SAFE_PKCS11_MODULE: there is no {}", module.display());
        need("opensc", unproved, on_path("pkcs11-tool"))?;
        for program in ["curl", "openssl"] {
            need(program, unproved, on_path(program))?;
        }
        let may =
            Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success());
        let may = may.then_some(()).ok_or("only root may have a /dev of its own".to_owned());
        need("namespaces", unproved, may)?;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dev")).unwrap();
        let link = folder.path().join("modem");
        let child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .args(["card", "modem", PROFILE, "--trace", "--link", link.to_str().unwrap()])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let served = Served::new(child);
        served.wait_for("is behind the modem");
        let device = env::var("IOT_SAFE_PKCS11_DEVICE").unwrap_or_else(|_| "/dev/ttyACM0".to_owned());
        Some(Self { folder, module, device, served })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A program whose serial line is the modem.
    fn program(&self, program: &str) -> Command {
        let line = fs::read_link(self.path("modem")).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", OWN_DEV, "sh", &self.path("dev"), &self.device])
            .arg(line)
            .arg(program)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn pkcs11(&self, args: &[&str]) -> String {
        let mut tool = self.program("pkcs11-tool");
        let tool = tool.arg("--module").arg(&self.module).args(["--login", "--pin", "0000"]).args(args);
        succeeded("pkcs11-tool", &tool.output().unwrap())
    }

    fn openssl(&self, args: &[&str]) -> String {
        let output = Command::new("openssl").args(args).current_dir(self.folder.path()).output().unwrap();
        succeeded("openssl", &output)
    }

    /// Makes the card's keys and puts a certificate for the device's key into its file, as enrolment does.
    fn enrol(&self) {
        let line = &mut OpenOptions::new().read(true).write(true).open(self.path("modem")).unwrap();
        assert_eq!(transmit(line, SELECT), "9000");
        let key = transmit(line, "01B900000384010100");
        // The module wants a public key in each container whose identifier a certificate has too.
        assert!(transmit(line, "01B900000384010200").ends_with("9000"));
        let point = key.split("4104").nth(1).unwrap();
        let head = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
        let point = point.strip_suffix("9000").unwrap();
        fs::write(self.path("device.pub.der"), hex::decode(format!("{head}{point}")).unwrap()).unwrap();
        self.openssl(&["pkey", "-pubin", "-inform", "DER", "-in", "device.pub.der", "-out", "device.pub"]);
        let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        self.openssl(
            &[&["req", "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt"], &new[..]]
                .concat(),
        );
        let server = ["-subj", "/CN=server", "-addext", "subjectAltName=DNS:localhost"];
        let by = ["-CA", "ca.crt", "-CAkey", "ca.key"];
        let out = ["req", "-x509", "-keyout", "server.key", "-out", "server.crt"];
        self.openssl(&[&out[..], &server, &by, &new].concat());
        let device = ["x509", "-new", "-force_pubkey", "device.pub", "-subj", "/CN=device", "-days", "2"];
        self.openssl(&[&device[..], &by, &["-out", "device.crt"]].concat());
        self.openssl(&["x509", "-in", "device.crt", "-outform", "DER", "-out", "device.der"]);
        let certificate = fs::read(self.path("device.der")).unwrap();
        for (part, bytes) in certificate.chunks(100).enumerate() {
            let (offset, length) = (100 * part, bytes.len());
            let data = format!("83010153{length:02X}{}", hex::encode_upper(bytes));
            let update = format!("01D6{offset:04X}{:02X}{data}", data.len() / 2);
            assert_eq!(transmit(line, &update), "9000");
        }
    }
}

/// AT+CSIM with one command; the response.
fn transmit(line: &mut File, apdu: &str) -> String {
    write!(line, "AT+CSIM={},\"{apdu}\"\r", apdu.len()).unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\r\nOK\r\n") {
        let mut buffer = [0; 256];
        let count = line.read(&mut buffer).unwrap();
        answer += std::str::from_utf8(&buffer[..count]).unwrap();
        assert!(!answer.contains("ERROR"), "{answer}");
    }
    let response = answer.split("+CSIM: ").nth(1).unwrap();
    response.split('"').nth(1).unwrap().to_owned()
}

fn succeeded(program: &str, output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program} ended with {}: {text}", output.status);
    text
}

#[test]
fn a_pkcs_11_module_signs_and_verifies_with_the_card() {
    let Some(bench) = Bench::start("a PKCS#11 module signs with the card") else { return };
    bench.enrol();
    let objects = bench.pkcs11(&["--list-objects"]);
    assert!(objects.contains("Private Key Object; EC") && objects.contains("never extractable"), "{objects}");
    fs::write(bench.path("text"), "a text").unwrap();
    fs::write(bench.path("other"), "another").unwrap();
    bench.openssl(&["dgst", "-sha256", "-binary", "-out", "hash", "text"]);
    for (mechanism, input) in [("ECDSA-SHA256", "text"), ("ECDSA", "hash")] {
        let common = ["-m", mechanism, "--id", KEY, "--signature-format", "openssl"];
        bench.pkcs11(&[&["--sign", "-i", input, "-o", "signature"][..], &common].concat());
        // Somebody else's code says that the signature is one of the key that the card told.
        bench.openssl(&["dgst", "-sha256", "-verify", "device.pub", "-signature", "signature", "text"]);
        let verify = |input: &str| {
            bench.pkcs11(&[&["--verify", "-i", input, "--signature-file", "signature"][..], &common].concat())
        };
        assert!(verify(input).contains("Signature is valid"));
    }
    assert!(bench.served.wait_for("COMPUTE SIGNATURE UPDATE").contains("9000"));
    assert_eq!(bench.served.terminate(), Some(0));
}

#[test]
fn curl_does_mutual_tls_with_the_key_in_the_card() {
    let unproved = "curl does mutual TLS with the key in the card";
    let Some(bench) = Bench::start(unproved) else { return };
    bench.enrol();
    let engine = Command::new("openssl").args(["engine", "pkcs11"]).output().unwrap();
    let found =
        engine.status.success().then_some(()).ok_or("there is no engine pkcs11 of OpenSSL".to_owned());
    if need("pkcs11", unproved, found).is_none() {
        return;
    }
    let module = bench.module.display();
    let configuration = format!(
        "openssl_conf = main\n[main]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n\
         engine_id = pkcs11\nMODULE_PATH = {module}\ninit = 0\n"
    );
    fs::write(bench.path("openssl.cnf"), configuration).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = server(bench.folder.path(), port);
    let url = format!("https://localhost:{port}/");
    let curl = |args: &[&str]| {
        let connect = format!("localhost:{port}:127.0.0.1:{port}");
        let mut curl = bench.program("curl");
        let curl = curl.args([
            "-sS",
            "--http1.0",
            "--max-time",
            "20",
            "--cacert",
            "ca.crt",
            "--connect-to",
            &connect,
        ]);
        curl.env("OPENSSL_CONF", bench.path("openssl.cnf")).args(args).arg(&url).output().unwrap()
    };
    let nobody = curl(&[]);
    let key = "pkcs11:id=%30%31;type=private;pin-value=0000";
    let device = curl(&["--engine", "pkcs11", "--key-type", "ENG", "--key", key, "--cert", "device.crt"]);
    server.kill().unwrap();
    server.wait().unwrap();

    assert!(!nobody.status.success(), "the server demands a certificate");
    let page = succeeded("curl", &device);
    assert!(page.contains("TLSv1.3"), "{page}");
    let log = fs::read_to_string(bench.path("server.log")).unwrap();
    assert!(log.contains("depth=0 CN = device\nverify return:1"), "{log}");
    assert!(bench.served.wait_for("COMPUTE SIGNATURE UPDATE").contains("9000"));
    assert_eq!(bench.served.terminate(), Some(0));
}

/// A server that takes TLS 1.3 with a certificate of the authority, and nothing else.
fn server(folder: &Path, port: u16) -> Child {
    let log = File::create(folder.join("server.log")).unwrap();
    let child = Command::new("openssl")
        .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-tls1_3", "-www"])
        .args(["-cert", "server.crt", "-key", "server.key", "-CAfile", "ca.crt"])
        .args(["-Verify", "1", "-verify_return_error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    wait("openssl s_server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    child
}
