//! What was learned of a device, and how it lies in memory: [`MODEL_BYTES`] bytes, whatever the device.
//!
//! ```text
//!    0  "CBGM", version 1, 0                        6
//!    6  windows of the baseline                     u32
//!   10  hours of the baseline                       u16
//!   12  services that it knows                      8 x protocol u8, port u16
//!   36  names and peers that it knows               12 x u32
//!   84  mean of each feature, in 1/256              25 x i16
//!  134  4096 / spread of each feature, in log2      25 x u16
//!  184  limit of each feature, in 1/256             25 x i16
//!  234  limit of each residual, in 1/16 of a spread 25 x u8
//!  259  limits of the counters of one second        4 x u32
//!  275  scale of each layer: multiplier, shift      4 x u16, u8
//!  287  weights, by layer and row                   580 x i8
//!  867  biases                                      49 x i16
//!  965  CRC-32 of everything before                 u32
//! ```
//!
//! All numbers are little-endian.

use crate::fixed::{crc32, mark_of};
use crate::tracker::{FEATURES, INSTANT};

/// How long a model is.
pub const MODEL_BYTES: usize = 969;
/// How many services a model knows at most.
pub const SERVICES: usize = 8;
/// How many names and peers it knows at most.
pub const MARKS: usize = 12;
/// Inputs and outputs of each layer of the autoencoder.
pub const LAYERS: [(usize, usize); 4] = [(FEATURES, 10), (10, 4), (4, 10), (10, FEATURES)];
/// How many weights all layers have.
pub const WEIGHTS: usize = 580;
/// How many biases.
pub const BIASES: usize = 49;

const MAGIC: [u8; 6] = *b"CBGM\x01\x00";
/// Nobody is judged by less than three days, nor by fewer windows.
const BASELINE_HOURS: u16 = 72;
/// A baseline of two weeks, of which the first and the last hours may be silent.
const SEASONED_HOURS: u16 = 312;
const BASELINE_WINDOWS: u32 = 1_000;

/// What the features are called, in their order.
pub const FEATURES_NAMES: [&str; FEATURES] = [
    "packets-up",
    "packets-down",
    "bytes-up",
    "bytes-down",
    "ratio-up-down",
    "mean-size-up",
    "packets-up-peak",
    "peers",
    "services",
    "new-connections",
    "unanswered",
    "resets",
    "dns-queries",
    "dns-name-length",
    "dns-name-entropy",
    "foreign-services",
    "new-peers",
    "bytes-up-5min",
    "services-5min",
    "new-connections-5min",
    "failures-5min",
    "regular-stranger",
    "short-connections",
    "bytes-up-1h",
    "dns-bytes-5min",
];

/// What the counters of one second are called, in their order.
pub const INSTANT_NAMES: [&str; INSTANT] = ["packets", "bytes", "connections", "dns"];

/// What a baseline knows: services, and names and peers by their marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Protocol and port; protocol 0 is an empty place.
    pub services: [(u8, u16); SERVICES],
    /// 0 is an empty place.
    pub marks: [u32; MARKS],
}

impl Known {
    /// Whether the service is known.
    pub fn has_service(&self, protocol: u8, port: u16) -> bool {
        protocol != 0 && self.services.contains(&(protocol, port))
    }

    /// Whether the name with this mark is known.
    pub fn has_mark(&self, mark: u32) -> bool {
        mark != 0 && self.marks.contains(&mark)
    }

    /// Whether the peer with this address is known.
    pub fn has_peer(&self, address: u32) -> bool {
        self.has_mark(mark_of(address.to_be_bytes()))
    }

    /// Takes a service in, where there is room for it.
    pub fn add_service(&mut self, protocol: u8, port: u16) {
        if !self.has_service(protocol, port)
            && let Some(place) = self.services.iter_mut().find(|(protocol, _)| *protocol == 0)
        {
            *place = (protocol, port);
        }
    }

    /// Takes the mark of a name in, where there is room for it.
    pub fn add_mark(&mut self, mark: u32) {
        if !self.has_mark(mark)
            && let Some(place) = self.marks.iter_mut().find(|mark| **mark == 0)
        {
            *place = mark;
        }
    }

    /// Takes a peer in, where there is room for it.
    pub fn add_peer(&mut self, address: u32) {
        self.add_mark(mark_of(address.to_be_bytes()));
    }
}

/// What the sums of a layer are multiplied by: `multiplier` / 2^`shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scale {
    /// The factor.
    pub multiplier: u16,
    /// The power of two, at most 31.
    pub shift: u8,
}

/// What was learned of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// How many windows with packets the baseline had.
    pub windows: u32,
    /// How long it was.
    pub hours: u16,
    /// What is not new to the device.
    pub known: Known,
    /// The mean of each feature, in 1/256.
    pub means: [i16; FEATURES],
    /// 4096 / spread of each feature, in log2.
    pub gains: [u16; FEATURES],
    /// The limit of each feature, in 1/256.
    pub limits: [i16; FEATURES],
    /// The limit of each residual, in 1/16 of a spread.
    pub residual_limits: [u8; FEATURES],
    /// The limits of the counters of one second.
    pub instant: [u32; INSTANT],
    /// The scales of the layers.
    pub scales: [Scale; 4],
    /// By layer and row: the weights of one output stand together.
    pub weights: [i8; WEIGHTS],
    /// By layer.
    pub biases: [i16; BIASES],
}

/// Why bytes are no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelError {
    /// They are not as many as a model has.
    Length {
        /// How many there are.
        found: usize,
    },
    /// They begin otherwise, or are of another version.
    Magic,
    /// The check sum at their end is another one: they were damaged.
    Checksum,
    /// A scale shifts by more than 31.
    Shift,
}

impl core::fmt::Display for ModelError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { found } => {
                write!(f, "a guard's model has {MODEL_BYTES} bytes, and these are {found}")
            }
            Self::Magic => f.write_str("a guard's model of version 1 begins with CBGM 1; these bytes do not"),
            Self::Checksum => {
                f.write_str("the check sum of the guard's model is wrong: write it there again")
            }
            Self::Shift => {
                f.write_str("a scale of the guard's model shifts by more than 31: no tool of ours wrote it")
            }
        }
    }
}

impl core::error::Error for ModelError {}

impl Model {
    /// Whether the baseline was long enough for anybody to be judged by it: three days, and 1,000 windows.
    pub fn is_armed(&self) -> bool {
        self.hours >= BASELINE_HOURS && self.windows >= BASELINE_WINDOWS
    }

    /// Whether the baseline was long enough for a window to make anybody certain. What a device does once in a week is not in
    /// three days: until then a window makes it suspect, and only a counter of one second makes it certain.
    pub fn is_seasoned(&self) -> bool {
        self.hours >= SEASONED_HOURS
    }

    /// The features as the autoencoder takes them: in 1/16 of a spread from the mean, at most 8 spreads.
    pub fn normalise(&self, values: &[i16; FEATURES]) -> [i8; FEATURES] {
        let mut input = [0; FEATURES];
        for (at, place) in input.iter_mut().enumerate() {
            let off = i32::from(values[at]) - i32::from(self.means[at]);
            *place = clip((off * i32::from(self.gains[at]) + (1 << 15)) >> 16, -127);
        }
        input
    }

    /// What the autoencoder makes of `input`.
    pub fn infer(&self, input: &[i8; FEATURES]) -> [i8; FEATURES] {
        let mut cells = *input;
        let (mut weights, mut biases) = (&self.weights[..], &self.biases[..]);
        for (layer, (inputs, outputs)) in LAYERS.into_iter().enumerate() {
            let mut next = [0; FEATURES];
            let (row, rest) = weights.split_at(inputs * outputs);
            let (bias, others) = biases.split_at(outputs);
            // Between the layers a rectifier; behind the last none.
            let least = if layer + 1 < LAYERS.len() { 0 } else { -127 };
            for ((cell, row), bias) in next.iter_mut().zip(row.chunks_exact(inputs)).zip(bias) {
                let sum: i32 = row.iter().zip(&cells).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum();
                *cell = clip(self.scales[layer].apply(sum + i32::from(*bias)), least);
            }
            (cells, weights, biases) = (next, rest, others);
        }
        cells
    }

    /// How far what the autoencoder makes of a window is from it, by feature, in 1/16 of a spread.
    pub fn residuals(&self, values: &[i16; FEATURES]) -> [u8; FEATURES] {
        let input = self.normalise(values);
        let output = self.infer(&input);
        let mut residuals = [0; FEATURES];
        for ((place, x), y) in residuals.iter_mut().zip(input).zip(output) {
            *place = x.abs_diff(y);
        }
        residuals
    }

    /// Which features are above their limit: bit n is feature n.
    pub fn above_limits(&self, values: &[i16; FEATURES]) -> u32 {
        bits(values.iter().zip(&self.limits).map(|(value, limit)| value > limit))
    }

    /// Which residuals are above theirs.
    pub fn above_residuals(&self, values: &[i16; FEATURES]) -> u32 {
        bits(self.residuals(values).iter().zip(&self.residual_limits).map(|(found, limit)| found > limit))
    }

    /// The model as it lies in memory.
    pub fn to_bytes(&self) -> [u8; MODEL_BYTES] {
        let mut out = Writer { bytes: [0; MODEL_BYTES], at: 0 };
        out.put(&MAGIC);
        out.put(&self.windows.to_le_bytes());
        out.put(&self.hours.to_le_bytes());
        for (protocol, port) in self.known.services {
            out.put(&[protocol]);
            out.put(&port.to_le_bytes());
        }
        self.known.marks.iter().for_each(|mark| out.put(&mark.to_le_bytes()));
        self.means.iter().for_each(|mean| out.put(&mean.to_le_bytes()));
        self.gains.iter().for_each(|gain| out.put(&gain.to_le_bytes()));
        self.limits.iter().for_each(|limit| out.put(&limit.to_le_bytes()));
        out.put(&self.residual_limits);
        self.instant.iter().for_each(|limit| out.put(&limit.to_le_bytes()));
        for scale in self.scales {
            out.put(&scale.multiplier.to_le_bytes());
            out.put(&[scale.shift]);
        }
        self.weights.iter().for_each(|weight| out.put(&weight.to_le_bytes()));
        self.biases.iter().for_each(|bias| out.put(&bias.to_le_bytes()));
        let sum = crc32(&out.bytes[..MODEL_BYTES - 4]);
        out.put(&sum.to_le_bytes());
        out.bytes
    }

    /// Reads a model.
    ///
    /// # Errors
    /// Where the bytes are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let whole: &[u8; MODEL_BYTES] =
            bytes.try_into().map_err(|_| ModelError::Length { found: bytes.len() })?;
        let mut reader = Reader { bytes: whole, at: 0 };
        if reader.take() != MAGIC {
            return Err(ModelError::Magic);
        }
        if crc32(&whole[..MODEL_BYTES - 4]).to_le_bytes() != whole[MODEL_BYTES - 4..] {
            return Err(ModelError::Checksum);
        }
        let model = Self {
            windows: u32::from_le_bytes(reader.take()),
            hours: u16::from_le_bytes(reader.take()),
            known: Known {
                services: core::array::from_fn(|_| (reader.byte(), u16::from_le_bytes(reader.take()))),
                marks: core::array::from_fn(|_| u32::from_le_bytes(reader.take())),
            },
            means: core::array::from_fn(|_| i16::from_le_bytes(reader.take())),
            gains: core::array::from_fn(|_| u16::from_le_bytes(reader.take())),
            limits: core::array::from_fn(|_| i16::from_le_bytes(reader.take())),
            residual_limits: reader.take(),
            instant: core::array::from_fn(|_| u32::from_le_bytes(reader.take())),
            scales: core::array::from_fn(|_| Scale {
                multiplier: u16::from_le_bytes(reader.take()),
                shift: reader.byte(),
            }),
            weights: core::array::from_fn(|_| i8::from_le_bytes(reader.take())),
            biases: core::array::from_fn(|_| i16::from_le_bytes(reader.take())),
        };
        if model.scales.iter().any(|scale| scale.shift > 31) { Err(ModelError::Shift) } else { Ok(model) }
    }
}

impl Scale {
    /// `sum` times the scale, rounded to the nearest, halves up.
    fn apply(self, sum: i32) -> i32 {
        let shift = u32::from(self.shift.min(31));
        let half = (1_i64 << shift) >> 1;
        let product = (i64::from(sum) * i64::from(self.multiplier) + half) >> shift;
        product.clamp(-1_000, 1_000) as i32
    }
}

fn clip(x: i32, least: i32) -> i8 {
    x.clamp(least, 127) as i8
}

fn bits(trips: impl Iterator<Item = bool>) -> u32 {
    trips.enumerate().fold(0, |bits, (n, trips)| bits | u32::from(trips) << n)
}

struct Writer {
    bytes: [u8; MODEL_BYTES],
    at: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

struct Reader<'a> {
    bytes: &'a [u8; MODEL_BYTES],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        taken
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    /// A model whose numbers follow from `seed` alone.
    pub(crate) fn drawn(mut seed: u32) -> Model {
        let mut draw = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        Model {
            windows: 1_000,
            hours: 72,
            known: Known {
                services: core::array::from_fn(|_| (draw() as u8, draw() as u16)),
                marks: core::array::from_fn(|_| draw()),
            },
            means: core::array::from_fn(|_| (draw() % 4096) as i16),
            gains: core::array::from_fn(|_| (draw() % 16_384) as u16),
            limits: core::array::from_fn(|_| (draw() % 4096) as i16),
            residual_limits: core::array::from_fn(|_| draw() as u8),
            instant: core::array::from_fn(|_| draw() % 1_000),
            scales: core::array::from_fn(|_| Scale {
                multiplier: 20_000 + (draw() % 20_000) as u16,
                shift: 22,
            }),
            weights: core::array::from_fn(|_| draw() as i8),
            biases: core::array::from_fn(|_| draw() as i16),
        }
    }

    #[test]
    fn a_model_is_written_where_the_map_says() {
        let model = drawn(7);
        let bytes = model.to_bytes();
        assert_eq!(Model::parse(&bytes), Ok(model.clone()));
        assert_eq!(&bytes[..6], b"CBGM\x01\x00");
        assert_eq!(bytes[6..12], [0xe8, 3, 0, 0, 72, 0]);
        assert_eq!(bytes[84..86], model.means[0].to_le_bytes());
        assert_eq!(bytes[234], model.residual_limits[0]);
        assert_eq!(bytes[287], model.weights[0] as u8);
        assert_eq!(bytes[867..869], model.biases[0].to_le_bytes());
        assert_eq!(MODEL_BYTES, 965 + 4);
        let sizes =
            LAYERS.iter().fold((0, 0), |(w, b), (inputs, outputs)| (w + inputs * outputs, b + outputs));
        assert_eq!(sizes, (WEIGHTS, BIASES));
    }

    #[test]
    fn every_bit_of_a_model_counts() {
        let bytes = drawn(7).to_bytes();
        for at in 0..MODEL_BYTES {
            let mut bent = bytes;
            bent[at] ^= 0x10;
            assert!(Model::parse(&bent).is_err(), "byte {at}");
        }
        assert_eq!(Model::parse(&bytes[1..]), Err(ModelError::Length { found: MODEL_BYTES - 1 }));
        let mut model = drawn(7);
        model.scales[3].shift = 32;
        assert_eq!(Model::parse(&model.to_bytes()), Err(ModelError::Shift));
    }

    /// The definition, in wide numbers and without any of the code above.
    fn plainly(model: &Model, input: &[i8; FEATURES]) -> std::vec::Vec<i128> {
        let mut cells: std::vec::Vec<i128> = input.iter().map(|x| i128::from(*x)).collect();
        let (mut w, mut b) = (0, 0);
        for (layer, (inputs, outputs)) in [(25, 10), (10, 4), (4, 10), (10, 25)].into_iter().enumerate() {
            let mut next = std::vec::Vec::new();
            for output in 0..outputs {
                let mut sum = i128::from(model.biases[b + output]);
                for input in 0..inputs {
                    sum += i128::from(model.weights[w + output * inputs + input]) * cells[input];
                }
                let scale = model.scales[layer];
                let divisor = 1_i128 << scale.shift;
                let scaled = (sum * i128::from(scale.multiplier) * 2 + divisor).div_euclid(divisor * 2);
                next.push(scaled.clamp(if layer == 3 { -127 } else { 0 }, 127));
            }
            (w, b, cells) = (w + inputs * outputs, b + outputs, next);
        }
        cells
    }

    proptest! {
        #[test]
        fn inference_is_the_definition(seed: u32, input: [i8; FEATURES]) {
            let model = drawn(seed);
            let found = model.infer(&input).map(i128::from);
            prop_assert_eq!(found.to_vec(), plainly(&model, &input));
        }

        #[test]
        fn any_values_are_judged(seed: u32, values: [i16; FEATURES]) {
            let model = drawn(seed);
            let normal = model.normalise(&values);
            let output = model.infer(&normal);
            for at in 0..FEATURES {
                let off = (f64::from(values[at]) - f64::from(model.means[at])) * f64::from(model.gains[at]) / 65_536.0;
                prop_assert_eq!(f64::from(normal[at]), (off + 0.5).floor().clamp(-127.0, 127.0));
                let far = (i32::from(normal[at]) - i32::from(output[at])).unsigned_abs();
                prop_assert_eq!(model.above_residuals(&values) >> at & 1 == 1, far > u32::from(model.residual_limits[at]));
                prop_assert_eq!(model.above_limits(&values) >> at & 1 == 1, values[at] > model.limits[at]);
            }
        }

        #[test]
        fn any_bytes_are_a_model_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 965), whole: bool) {
            bytes[..6].copy_from_slice(&MAGIC);
            let sum = crc32(&bytes);
            bytes.extend(if whole { sum } else { !sum }.to_le_bytes());
            match Model::parse(&bytes) {
                Ok(model) => prop_assert_eq!(&model.to_bytes()[..], &bytes[..]),
                Err(error) => prop_assert_eq!(error, if whole { ModelError::Shift } else { ModelError::Checksum }),
            }
        }
    }

    #[test]
    fn only_a_long_baseline_arms() {
        let short = |windows, hours| Model { windows, hours, ..drawn(7) };
        assert!(short(1_000, 72).is_armed());
        assert!(!short(999, 72).is_armed() && !short(1_000, 71).is_armed());
    }
}
