//! `cellbed bench strangers` in small: who is known is served beside those whom nobody knows.
#![allow(clippy::disallowed_methods, reason = "a test starts the program")]

use std::process::Command;

use serde_json::Value;

/// What the program prints with these arguments, and its exit code.
fn strangers(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["bench", "strangers", "--json"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let read = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{errors}"));
    (output.status.code(), read)
}

#[test]
fn a_good_client_is_served_among_strangers() {
    let (code, rows) = strangers(&["--connections", "600", "--requests", "30", "--attaches", "0"]);
    assert_eq!(code, Some(0), "{rows:#}");
    for (row, server) in rows["servers"].as_array().unwrap().iter().zip(["esim serve", "ca serve"]) {
        assert_eq!(row["server"], server);
        assert_eq!(row["strangers"]["connections"], 600, "{row:#}");
        for phase in ["quiet", "crowded"] {
            assert_eq!(row[phase]["unserved"], 0, "{row:#}");
            assert!(row[phase]["requests"].as_u64().unwrap() >= 30, "{row:#}");
        }
        // Three of five say nothing more, which are more than one address has: the oldest gave way.
        assert!(row["gave_way"].as_u64().unwrap() > 100, "{row:#}");
        assert_eq!(row["turned_away"], 0, "{row:#}");
    }
    assert_eq!(rows["servers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wait_that_is_too_long_is_a_threshold() {
    let arguments =
        ["--connections", "10", "--requests", "3", "--attaches", "0", "--max-wait-ms", "0.000001"];
    assert_eq!(strangers(&arguments).0, Some(99));
}

#[test]
fn a_device_is_served_among_strangers() {
    let (code, figures) = strangers(&["--connections", "0", "--attaches", "600", "--devices", "2"]);
    assert_eq!(code, Some(0), "{figures:#}");
    let network = &figures["network"];
    assert_eq!(network["attach_requests"], 600, "{network:#}");
    for phase in ["quiet", "crowded"] {
        assert_eq!(network[phase]["unserved"], 0, "{network:#}");
    }
    // Who is unknown is told so, and forgotten with its connection.
    let released = network["answers"]["UEContextReleaseCommand"].as_u64();
    assert!(released.is_some_and(|released| released > 0), "{network:#}");
    assert_eq!(figures["servers"].as_array().map(Vec::len), Some(0));
}
