//! A model as ONNX, in Microsoft's onnxruntime: it makes of windows what our inference makes of them, to a step.
#![allow(clippy::disallowed_methods, reason = "a test runs Python")]

mod support;

use std::net::Ipv4Addr;
use std::process::Command;
use std::{env, fs};

use cellbed::guard::generator::{Life, kinds};
use cellbed::guard::learn::{self, Baseline, read};
use cellbed::guard::onnx;
use cellbed::kernel::RngTree;

const PROGRAM: &str = "
import sys, json, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
for row in json.load(open(sys.argv[2])):
    (out,) = session.run(None, {'x': numpy.array([row], dtype=numpy.float32)})
    print(json.dumps([int(round(y * 16)) for y in out[0].tolist()]))
";

/// A Python that has onnxruntime.
fn python() -> Result<String, String> {
    let python = env::var("ONNX_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python).args(["-c", "import numpy, onnxruntime"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(python),
        Ok(_) => Err(format!("{python} has no onnxruntime")),
        Err(error) => Err(format!("{python}: {error}")),
    }
}

#[test]
fn a_foreign_runtime_infers_what_we_infer() {
    let unproved = "a model that is exported as ONNX computes what ours does";
    let Some(python) = support::need("onnxruntime", unproved, python()) else { return };
    let tree = RngTree::new(1);
    let model = learn::of_kind(kinds::LIGHT, &tree, 12).unwrap();
    let life = Life::new(kinds::LIGHT, &tree, 0).take_while(|flight| flight.at_ms < 12 * 3_600_000);
    let mut windows = Baseline::of(read(life, Ipv4Addr::new(10, 45, 0, 2)), &model.known).windows;
    windows.truncate(1_000);
    // And some that no life has.
    windows.extend((0..200_i16).map(|n| std::array::from_fn(|at| (n * 37 + at as i16 * 211) % 4_000)));
    let folder = tempfile::tempdir().unwrap();
    let (graph, rows) = (folder.path().join("guard.onnx"), folder.path().join("rows.json"));
    fs::write(&graph, onnx::write(&model)).unwrap();
    let inputs: Vec<Vec<f32>> =
        windows.iter().map(|values| model.normalise(values).map(|x| f32::from(x) / 16.0).to_vec()).collect();
    fs::write(&rows, serde_json::to_vec(&inputs).unwrap()).unwrap();
    let output = Command::new(python).args(["-c", PROGRAM]).args([&graph, &rows]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut equal, mut total) = (0, 0);
    for (values, line) in windows.iter().zip(text.lines()) {
        let found: Vec<i32> = serde_json::from_str(line).unwrap();
        for (ours, theirs) in model.infer(&model.normalise(values)).into_iter().zip(found) {
            let apart = i32::from(ours).abs_diff(theirs);
            assert!(apart <= 2, "{ours} and {theirs} of {values:?}");
            equal += usize::from(apart == 0);
            total += 1;
        }
    }
    assert_eq!(total, windows.len() * 25);
    assert!(equal * 100 >= total * 97, "{equal} of {total} are equal");
}
