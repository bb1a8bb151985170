//! The main job with its card in a PC/SC reader.

use std::fs;
use std::path::Path;

use super::lab::Lab;

/// A bench file called `virtual`, so that its title is that of the virtual bench, whose card is in a reader.
pub fn bench(folder: &Path, reader: &str) -> String {
    let text = fs::read_to_string("lab/benches/virtual.toml").unwrap();
    let text = text.replace("card = \"virtual\"", &format!("card = \"pcsc:{reader}\""));
    let path = folder.join("virtual.toml");
    fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn zero_touch_through_pcscd_reads_as_in_process() {
    let Some(lab) = Lab::start_with_readers("a run through pcscd reads as one in process") else { return };
    let _served = lab.serve_card("sim-profiles/bootstrap.toml", &["--euicc", "--seed", "7"]);
    let runs = lab.path().join("runs");
    let transcript = |args: &[&str]| {
        let output = lab.cellbed(&[&["run", "--quiet", "--runs", runs.to_str().unwrap()], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(runs.join("last/transcript.txt")).unwrap()
    };
    let in_process = transcript(&[]);
    let through = transcript(&["--key-log", "--bench", &bench(lab.path(), "Virtual PCD 00 00")]);
    let (title, rest) = in_process.split_once('\n').unwrap();
    let expected = format!("{title}\ncard via pcsc:Virtual PCD 00 00\n{rest}");
    // What hides a card from outside is drawn anew in each run.
    assert_ne!(through, expected);
    // A card from outside may have a key already: the device looks before it has one made.
    let mut expected = skeleton(&expected);
    let made = expected.iter().position(|line| line.contains("GENERATE KEY PAIR")).unwrap();
    let look = ["dev1 > card1 APDU READ PUBLIC KEY key", "card1 > dev1 APDU"].map(str::to_owned);
    expected.splice(made..made, look);
    assert_eq!(skeleton(&through), expected);
}

/// Who says what to whom: the lines of a transcript without times, lengths, digests and the values of fields.
fn skeleton(transcript: &str) -> Vec<String> {
    let is_value = |word: &str| {
        let word = word.trim_end_matches(['…', ',']);
        word.starts_with('+') || word.chars().all(|c| c.is_ascii_hexdigit() || c == '.')
    };
    let told = |line: &str| {
        let words = line.split_whitespace().filter(|word| !is_value(word));
        words.map(|word| word.split('=').next().unwrap_or(word)).collect::<Vec<_>>().join(" ")
    };
    transcript.lines().map(told).collect()
}

#[test]
fn a_reader_that_is_not_there_or_empty_is_a_set_up_error() {
    let Some(mut lab) = Lab::start_with_readers("a reader that is missing or empty is a set-up error") else {
        return;
    };
    let run = |lab: &Lab, reader: &str, args: &[&str]| {
        let bench = bench(lab.path(), reader);
        let output = lab.cellbed(&[&["run", "--bench", &bench], args].concat());
        assert_eq!(output.status.code(), Some(96));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let error = run(&lab, "ACME", &[]);
    assert!(error.contains("no reader \"ACME\"; there are: Virtual PCD 00 00, Virtual PCD 00 01"), "{error}");
    let error = run(&lab, "0", &[]);
    assert!(error.contains("no card in reader \"Virtual PCD 00 00\""), "{error}");
    let error = run(&lab, "0", &["--devices", "2"]);
    assert!(error.contains("has one card") && error.contains("2 devices"), "{error}");
    lab.stop_service();
    let error = run(&lab, "0", &[]);
    assert!(error.contains("the PC/SC service is not running; start it"), "{error}");
}
