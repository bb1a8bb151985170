//! The autoencoder of a model as ONNX, for whoever wants to run it elsewhere: a quantised graph of QuantizeLinear and
//! DequantizeLinear pairs (operator set 13), which runtimes compute in int8.
//!
//! Its input are 25 features in spreads from their mean, its output what the autoencoder makes of them. Runtimes round halves to
//! the even number and we round them up: a step of 1/16 of a spread may differ.

use cellbed_guard::{FEATURES, LAYERS, Model};

/// IR version 8 goes with the operator set.
const IR_VERSION: u64 = 8;
const OPERATOR_SET: u64 = 13;
/// Types of tensors (onnx.proto, TensorProto.DataType).
const FLOAT: u64 = 1;
const INT8: u64 = 3;
const INT32: u64 = 6;

/// The graph of `model`, as an ONNX file.
pub fn write(model: &Model) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut cell = graph.through_int8("x", "input", 1.0 / 16.0);
    let (mut weights, mut biases) = (&model.weights[..], &model.biases[..]);
    let mut step_in = 1.0_f32 / 16.0;
    for (layer, (inputs, outputs)) in LAYERS.into_iter().enumerate() {
        let (own, others) = weights.split_at(inputs * outputs);
        let (bias, rest) = biases.split_at(outputs);
        let is_last = layer + 1 == LAYERS.len();
        let scale = model.scales[layer];
        // multiplier / 2^shift = step of weights * step in / step out. One of the steps is free, but for those at the ends.
        let factor = f32::from(scale.multiplier) / f32::from(scale.shift).exp2();
        let (step, step_out) = match is_last {
            true => (factor / 16.0 / step_in, 1.0 / 16.0),
            false => (1.0 / 127.0, step_in / 127.0 / factor),
        };
        let name = |what: &str| format!("{what}{layer}");
        graph.tensor(&name("w"), &[outputs, inputs], INT8, own.iter().map(|w| *w as u8).collect());
        let wide = bias.iter().flat_map(|b| i32::from(*b).to_le_bytes());
        graph.tensor(&name("b"), &[outputs], INT32, wide.collect());
        graph.float(&name("ws"), step);
        graph.float(&name("bs"), step * step_in);
        graph.node("DequantizeLinear", &[&name("w"), &name("ws")], &name("wf"), None);
        graph.node("DequantizeLinear", &[&name("b"), &name("bs")], &name("bf"), None);
        graph.node("Gemm", &[&cell, &name("wf"), &name("bf")], &name("sum"), Some(("transB", 1)));
        let mut sum = name("sum");
        if !is_last {
            graph.node("Relu", &[&sum], &name("relu"), None);
            sum = name("relu");
        }
        cell = graph.through_int8(&sum, &name("y"), step_out);
        (weights, biases, step_in) = (others, rest, step_out);
    }
    let mut file = Proto::default();
    file.number(1, IR_VERSION);
    file.text(2, "cellbed-guard");
    file.message(7, graph.finish(&cell));
    let mut set = Proto::default();
    set.text(1, "");
    set.number(2, OPERATOR_SET);
    file.message(8, set);
    file.0
}

#[derive(Default)]
struct Graph {
    nodes: Proto,
    tensors: Proto,
}

impl Graph {
    /// A node of one output, with an attribute that is a number.
    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attribute: Option<(&str, u64)>) {
        let mut node = Proto::default();
        inputs.iter().for_each(|input| node.text(1, input));
        node.text(2, output);
        node.text(4, operator);
        if let Some((name, value)) = attribute {
            let mut attribute = Proto::default();
            attribute.text(1, name);
            attribute.number(3, value);
            // AttributeProto.AttributeType.INT.
            attribute.number(20, 2);
            node.message(5, attribute);
        }
        self.nodes.message(1, node);
    }

    fn tensor(&mut self, name: &str, dimensions: &[usize], kind: u64, bytes: Vec<u8>) {
        let mut tensor = Proto::default();
        dimensions.iter().for_each(|dimension| tensor.number(1, *dimension as u64));
        tensor.number(2, kind);
        tensor.text(8, name);
        tensor.bytes(9, &bytes);
        self.tensors.message(5, tensor);
    }

    fn float(&mut self, name: &str, value: f32) {
        self.tensor(name, &[], FLOAT, value.to_le_bytes().into());
    }

    /// What `from` is in int8 with this step, as floats again; the name of it.
    fn through_int8(&mut self, from: &str, name: &str, step: f32) -> String {
        let (scale, zero, small, wide) =
            (format!("{name}.s"), format!("{name}.z"), format!("{name}.q"), format!("{name}.f"));
        self.float(&scale, step);
        self.tensor(&zero, &[], INT8, vec![0]);
        self.node("QuantizeLinear", &[from, &scale, &zero], &small, None);
        self.node("DequantizeLinear", &[&small, &scale, &zero], &wide, None);
        wide
    }

    fn finish(self, output: &str) -> Proto {
        let mut graph = self.nodes;
        graph.text(2, "guard");
        graph.0.extend(self.tensors.0);
        graph.message(11, value("x"));
        graph.message(12, value(output));
        graph
    }
}

/// A value of one row of features.
fn value(name: &str) -> Proto {
    let mut shape = Proto::default();
    for size in [1, FEATURES] {
        let mut dimension = Proto::default();
        dimension.number(1, size as u64);
        shape.message(1, dimension);
    }
    let (mut tensor, mut kind, mut value) = (Proto::default(), Proto::default(), Proto::default());
    tensor.number(1, FLOAT);
    tensor.message(2, shape);
    kind.message(1, tensor);
    value.text(1, name);
    value.message(2, kind);
    value
}

/// A message of Protocol Buffers.
#[derive(Default)]
struct Proto(Vec<u8>);

impl Proto {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn number(&mut self, field: u64, n: u64) {
        self.varint(field << 3);
        self.varint(n);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: Self) {
        self.bytes(field, &message.0);
    }
}
