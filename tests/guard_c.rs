//! The C form of the guard (`guard/c/`) against the Rust of `cellbed-guard`: the same packets lead to the same findings, bit
//! for bit, on this machine and on a Cortex-M3 under QEMU.
#![allow(clippy::disallowed_methods, reason = "a test runs compilers and an emulator")]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use cellbed::guard::generator::{Attack, Life, Merged, kinds};
use cellbed::guard::learn;
use cellbed::kernel::RngTree;
use cellbed_guard::{Finding, Guard, Level, Packet};

const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
const HOUR_MS: u64 = 3_600_000;
const UNPROVED: &str = "the C form of the guard decides as its Rust does";

/// Flash and memory that the guard may take on a Cortex-M3, in bytes: the code without a model, and the state of a device.
const CODE_MAX: usize = 6_000;
const STATE_MAX: usize = 1_400;

/// Six hours of a wearable's life with attacks laid over it: what the C form reads, and what the Rust finds in it.
fn trace(folder: &Path) -> String {
    let tree = RngTree::new(1);
    let model = learn::of_kind(kinds::TRACKER, &tree, 336).unwrap();
    let mut file = model.to_bytes().to_vec();
    file.extend(DEVICE.octets());
    let life = Life::new(kinds::TRACKER, &tree, 0);
    let attacks = [
        Attack::Scan { every_ms: 1_000, port: 23 },
        Attack::Beacon { every_s: 60, jitter_pct: 10, bytes: 80, port: 6_667, at_cloud: false },
        Attack::DnsExfil { bytes_per_s: 30 },
        Attack::Flood { per_s: 200, bytes: 200 },
        Attack::Lateral { every_s: 20 },
    ];
    let mut bad: Vec<_> = (1..)
        .zip(attacks)
        .flat_map(|(hour, attack)| {
            attack.flights(&tree, life.cloud(), hour * HOUR_MS, hour * HOUR_MS + 600_000)
        })
        .collect();
    bad.sort_by_key(|flight| flight.at_ms);
    let (mut guard, mut lines, mut bytes, mut last_ms) = (Guard::new(0), String::new(), Vec::new(), 0);
    let mut told = |finding: Finding| {
        let level = if finding.level == Level::Certain { 2 } else { 1 };
        let head = format!(
            "{level} {} {} {} {} {}",
            finding.features, finding.residuals, finding.instant, finding.begin_ms, finding.end_ms
        );
        lines += &finding.values.iter().fold(head, |line, value| format!("{line} {value}"));
        lines.push('\n');
    };
    for (flight, _) in Merged::new(life.take_while(|flight| flight.at_ms < 6 * HOUR_MS), bad.into_iter()) {
        flight.write(DEVICE, &mut bytes);
        file.extend(flight.at_ms.to_le_bytes());
        file.extend((bytes.len() as u16).to_le_bytes());
        file.extend(&bytes);
        let packet = Packet::parse(&bytes, DEVICE.into()).unwrap();
        guard.packet(flight.at_ms, &packet, &model, &mut told);
        last_ms = flight.at_ms;
    }
    guard.tick(last_ms + 60_000, &model, &mut told);
    lines += "end\n";
    fs::write(folder.join("trace.bin"), file).unwrap();
    lines
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guard/c").join(name)
}

fn output(folder: &Path, command: &mut Command) -> String {
    let output = command.current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn compile(folder: &Path, compiler: &str, more: &[&str], to: &str) {
    let mut command = Command::new(compiler);
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror"]).args(more).arg("-o").arg(to);
    output(folder, command.arg(source("harness.c")).arg(source("cellbed_guard.c")).args(["-lgcc"]));
}

#[test]
fn on_this_machine_it_finds_what_the_rust_finds() {
    if !support::need_command("gcc", UNPROVED) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = trace(folder.path());
    assert!(expected.lines().filter(|line| line.starts_with('2')).count() > 100, "{expected}");
    let sanitised = ["-O1", "-g", "-DHOST", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"];
    compile(folder.path(), "gcc", &sanitised, "guard");
    let found = output(folder.path(), &mut Command::new(folder.path().join("guard")));
    assert!(found == expected, "C:\n{found}\nRust:\n{expected}");
}

#[test]
fn on_a_cortex_m3_it_finds_what_the_rust_finds_and_is_small() {
    let arm = support::need_command("arm-none-eabi-gcc", UNPROVED);
    if !arm || !support::need_command("qemu-system-arm", UNPROVED) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = trace(folder.path());
    let script = source("mps2.ld");
    let core = ["-mcpu=cortex-m3", "-mthumb", "-Os", "-ffreestanding"];
    let bare = ["-fno-tree-loop-distribute-patterns", "-nostdlib", "-T", script.to_str().unwrap()];
    compile(folder.path(), "arm-none-eabi-gcc", &[&core[..], &bare].concat(), "guard.elf");
    let mut emulator = Command::new("qemu-system-arm");
    emulator.args(["-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "none"]);
    emulator.args(["-semihosting-config", "enable=on,target=native", "-kernel", "guard.elf"]);
    let output_of = emulator.current_dir(folder.path()).output().unwrap();
    // Semihosting writes to the console, which is standard error.
    let found = String::from_utf8_lossy(&[output_of.stdout, output_of.stderr].concat()).into_owned();
    assert!(output_of.status.success(), "{found}");
    assert!(found == expected, "C:\n{found}\nRust:\n{expected}");

    let object = folder.path().join("guard.o");
    let mut compiler = Command::new("arm-none-eabi-gcc");
    output(
        folder.path(),
        compiler.args(core).arg("-c").arg(source("cellbed_guard.c")).arg("-o").arg(&object),
    );
    let sizes = output(folder.path(), Command::new("arm-none-eabi-size").arg(&object));
    let numbers: Vec<usize> =
        sizes.lines().nth(1).unwrap().split_whitespace().take(3).map(|n| n.parse().unwrap()).collect();
    assert!(numbers[0] <= CODE_MAX && numbers[1..] == [0, 0], "text, data, bss: {numbers:?}");
    let elf = output(folder.path(), Command::new("arm-none-eabi-nm").args(["-S", "guard.elf"]));
    let state = elf.lines().find(|line| line.ends_with(" guard")).unwrap();
    let state = usize::from_str_radix(state.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert!(state <= STATE_MAX, "{state} bytes of state");
    println!("{} bytes of code, {state} bytes of state", numbers[0]);
}
