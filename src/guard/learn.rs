//! A model from a device's baseline, in plain floats: an autoencoder 25-10-4-10-25 trained with Adam (Kingma and Ba, 2015)
//! on the mean square error, quantised to int8 after training (symmetric, one scale a layer), and the limits.
//!
//! The same baseline and the same branch of randomness give the same model on every machine: additions, multiplications,
//! divisions and square roots of IEEE 754 are exact everywhere, and nothing else is used.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cellbed_guard::{
    BIASES, FEATURES, INSTANT, Known, LAYERS, Model, Packet, Scale, Second, Tracker, WEIGHTS, Window,
    log2_q8, mark_of,
};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::GuardError;
use super::generator::{Flight, Kind, Life};
use crate::kernel::RngTree;

/// A spread is never taken to be smaller than this, in log2: what was constant may still move a little.
const SPREAD_MIN: f32 = 0.5;
/// What is added to the most that the baseline had, in log2 and in 1/256: a factor of 1.4.
const MARGIN_Q8: i16 = 128;
/// Added to the largest residual of the baseline: an eighth of it, and half a spread.
const RESIDUAL_MARGIN: u32 = 8;
/// What a feature may be at least, whatever the baseline had, in units of its own: whatever stays below is plain life, such
/// as a start after a power cut, or a new firmware that comes. 0 where only the baseline says it.
const LIMIT_MIN: [u32; FEATURES] = [
    20,        // packets up
    2_000,     // packets down
    2_000,     // bytes up
    2_000_000, // bytes down
    15,        // ratio
    0,         // mean size up
    10,        // most packets up in a second
    8,         // peers
    8,         // services
    8,         // new connections
    3,         // unanswered
    3,         // resets
    8,         // questions
    63,        // length of a name
    67,        // entropy of a name, in 1/16 bit
    0,         // foreign services
    0,         // new peers
    300,       // bytes up of five minutes, in a window
    12,        // services of five minutes
    2,         // connections of five minutes, in a window
    1,         // failures of five minutes, in a window
    0,         // regular strangers
    8,         // short connections
    100,       // bytes up of an hour, in a window
    150,       // bytes of DNS of five minutes, in a window
];
/// What a counter of one second may have at least, whatever the baseline had: packets, bytes, connections, DNS.
const INSTANT_MIN: [u32; INSTANT] = [50, 20_000, 10, 10];
/// Fewer windows teach nothing.
const WINDOWS_MIN: usize = 50;
/// More windows teach no more.
const LESSONS_MAX: usize = 1_500;
const EPOCHS: usize = 40;
const BATCH: usize = 16;
const RATE: f32 = 0.004;

/// Whom and what a device talks to, from its packets.
#[derive(Debug, Clone, Default)]
pub struct Acquaintance {
    services: BTreeMap<(u8, u16), u64>,
    names: BTreeMap<u32, u64>,
    peers: BTreeMap<u32, u64>,
    named: BTreeMap<u32, ()>,
}

impl Acquaintance {
    /// Takes a packet.
    pub fn packet(&mut self, packet: &Packet) {
        *self.services.entry((packet.protocol, packet.service_port())).or_default() += 1;
        match &packet.dns {
            Some(dns) if packet.up => *self.names.entry(dns.name).or_default() += 1,
            Some(dns) => self.named.extend(dns.answers.iter().map(|answer| (*answer, ()))),
            None => {}
        }
        if !self.named.contains_key(&packet.peer) {
            *self.peers.entry(packet.peer).or_default() += 1;
        }
    }

    /// What a model has room for: the services, names and peers that were met most often.
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        let by_count = |counts: Vec<(u64, u32)>| {
            let mut counts = counts;
            counts.sort_by(|a, b| b.cmp(a));
            counts
        };
        let mut services: Vec<_> = self.services.iter().map(|(service, count)| (*count, *service)).collect();
        services.sort_by(|a, b| b.cmp(a));
        services.into_iter().for_each(|(_, (protocol, port))| known.add_service(protocol, port));
        let peers = self.peers.iter().filter(|(peer, _)| !self.named.contains_key(peer));
        let peers = by_count(peers.map(|(peer, count)| (*count, mark_of(peer.to_be_bytes()))).collect());
        let names = by_count(self.names.iter().map(|(name, count)| (*count, *name)).collect());
        // A resolver first, since without it no name is believed; then names, then whoever has none.
        let (first, others) = peers.split_at(peers.len().min(2));
        for (_, mark) in first.iter().chain(&names).chain(others) {
            known.add_mark(*mark);
        }
        known
    }
}

/// What a baseline has taught: its windows, and the most that a second had.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// The features of each window with packets.
    pub windows: Vec<[i16; FEATURES]>,
    /// By counter.
    pub peak: Second,
    /// From the first packet to the last, in milliseconds.
    pub length_ms: u64,
}

impl Baseline {
    /// The windows of a row of packets in the order of time, of a device to which `known` is not new.
    pub fn of(packets: impl Iterator<Item = (u64, Packet)>, known: &Known) -> Self {
        let mut baseline = Self::default();
        let mut tracker = None;
        let mut first_ms = None;
        for (at_ms, packet) in packets {
            let tracker = tracker.get_or_insert_with(|| Tracker::new(at_ms));
            let first_ms = *first_ms.get_or_insert(at_ms);
            baseline.take(tracker.advance(at_ms));
            tracker.packet(at_ms, &packet, known);
            baseline.length_ms = at_ms - first_ms;
        }
        baseline
    }

    fn take(&mut self, window: Option<Window>) {
        let Some(window) = window else { return };
        for (most, count) in self.peak.0.iter_mut().zip(window.peak.0) {
            *most = (*most).max(count);
        }
        self.windows.push(window.values);
    }
}

/// The packets of generated traffic of the device with the address `device`, as the guard reads them from their bytes.
pub fn read(flights: impl Iterator<Item = Flight>, device: Ipv4Addr) -> impl Iterator<Item = (u64, Packet)> {
    let mut bytes = Vec::new();
    flights.filter_map(move |flight| {
        flight.write(device, &mut bytes);
        Packet::parse(&bytes, device.into()).ok().map(|packet| (flight.at_ms, packet))
    })
}

/// A model of a device of `kind` after `hours` of generated life; what is drawn comes from the branch `tree`.
///
/// # Errors
/// Where that is too short to learn from.
pub fn of_kind(kind: Kind, tree: &RngTree, hours: u64) -> Result<Model, GuardError> {
    // Whose address it is does not matter to a model.
    let device = Ipv4Addr::new(10, 45, 0, 2);
    let packets = || {
        let life = Life::new(kind, tree, 0).take_while(|flight| flight.at_ms < hours * 3_600_000);
        read(life, device)
    };
    let mut acquaintance = Acquaintance::default();
    packets().for_each(|(_, packet)| acquaintance.packet(&packet));
    let known = acquaintance.known();
    learn(&Baseline::of(packets(), &known), &known, tree)
}

/// A model of what `baseline` has, of a device that knows `known`; what is drawn comes from the branch `tree`.
///
/// # Errors
/// Where the baseline has too few windows to learn from. A model of a short baseline is one that is not armed.
pub fn learn(baseline: &Baseline, known: &Known, tree: &RngTree) -> Result<Model, GuardError> {
    let windows = &baseline.windows;
    if windows.len() < WINDOWS_MIN {
        return Err(GuardError::Baseline { windows: windows.len(), least: WINDOWS_MIN });
    }
    let (means, spreads) = moments(windows);
    let mut model = Model {
        windows: u32::try_from(windows.len()).unwrap_or(u32::MAX),
        hours: u16::try_from((baseline.length_ms + 1_800_000) / 3_600_000).unwrap_or(u16::MAX),
        known: *known,
        means: means.map(|mean| mean.round() as i16),
        gains: spreads.map(|spread| (4_096.0 * 256.0 / spread).round() as u16),
        limits: limits(windows),
        residual_limits: [0; FEATURES],
        instant: INSTANT_MIN,
        scales: [Scale::default(); 4],
        weights: [0; WEIGHTS],
        biases: [0; BIASES],
    };
    for (limit, peak) in model.instant.iter_mut().zip(baseline.peak.0) {
        *limit = (*limit).max(peak.saturating_mul(2));
    }
    let lessons: Vec<[f32; FEATURES]> = windows
        .iter()
        .step_by(windows.len().div_ceil(LESSONS_MAX))
        .map(|values| model.normalise(values).map(|x| f32::from(x) / 16.0))
        .collect();
    let mut network = Network::drawn(&mut tree.stream("weights"));
    network.train(&lessons, &mut tree.stream("lessons"));
    network.quantise(&lessons, &mut model);
    let mut largest = [0; FEATURES];
    for values in windows {
        for (most, residual) in largest.iter_mut().zip(model.residuals(values)) {
            *most = residual.max(*most);
        }
    }
    model.residual_limits = largest.map(|most| {
        let most = u32::from(most);
        (most + most / 8 + RESIDUAL_MARGIN).min(255) as u8
    });
    Ok(model)
}

/// Mean and spread of each feature, in 1/256.
fn moments(windows: &[[i16; FEATURES]]) -> ([f32; FEATURES], [f32; FEATURES]) {
    let count = windows.len() as f64;
    let (mut means, mut spreads) = ([0.0; FEATURES], [0.0; FEATURES]);
    for at in 0..FEATURES {
        let mean = windows.iter().map(|values| f64::from(values[at])).sum::<f64>() / count;
        let square = windows.iter().map(|values| (f64::from(values[at]) - mean).powi(2)).sum::<f64>() / count;
        means[at] = mean as f32;
        spreads[at] = (square.sqrt() as f32).max(SPREAD_MIN * 256.0);
    }
    (means, spreads)
}

/// What the baseline had at most, with its margin, or what is plain life anyway.
fn limits(windows: &[[i16; FEATURES]]) -> [i16; FEATURES] {
    let mut limits = LIMIT_MIN.map(|least| log2_q8(u64::from(least) + 1));
    for values in windows {
        for (limit, value) in limits.iter_mut().zip(values) {
            *limit = (*limit).max(value.saturating_add(MARGIN_Q8));
        }
    }
    limits
}

/// Uniform in -1 to 1.
fn signed_unit(stream: &mut ChaCha20Rng) -> f32 {
    (stream.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0
}

/// The autoencoder in floats. Parameters are all weights by layer and row, then all biases.
struct Network {
    parameters: Vec<f32>,
}

/// What each layer gave, the input first.
type Activations = [[f32; FEATURES]; 5];

impl Network {
    /// Weights as He and others (2015) draw them, but uniform; biases of 0.
    fn drawn(stream: &mut ChaCha20Rng) -> Self {
        let mut parameters = Vec::with_capacity(WEIGHTS + BIASES);
        for (inputs, outputs) in LAYERS {
            let reach = (6.0 / inputs as f32).sqrt();
            parameters.extend((0..inputs * outputs).map(|_| signed_unit(stream) * reach));
        }
        parameters.resize(WEIGHTS + BIASES, 0.0);
        Self { parameters }
    }

    fn forward(&self, input: &[f32; FEATURES]) -> Activations {
        let mut cells = [*input; 5];
        let (mut w, mut b) = (0, WEIGHTS);
        for (layer, (inputs, outputs)) in LAYERS.into_iter().enumerate() {
            let before = cells[layer];
            for cell in cells[layer + 1].iter_mut().take(outputs) {
                let row = &self.parameters[w..w + inputs];
                let sum: f32 = row.iter().zip(&before).map(|(w, x)| w * x).sum::<f32>() + self.parameters[b];
                *cell = if layer < 3 { sum.max(0.0) } else { sum };
                (w, b) = (w + inputs, b + 1);
            }
        }
        cells
    }

    /// Adds the gradient of the mean square error between what comes out for `input` and `wanted`.
    fn backward(&self, input: &[f32; FEATURES], wanted: &[f32; FEATURES], gradient: &mut [f32]) {
        let cells = self.forward(input);
        let mut slopes = [0.0; FEATURES];
        for ((slope, found), wanted) in slopes.iter_mut().zip(cells[4]).zip(wanted) {
            *slope = 2.0 * (found - wanted) / FEATURES as f32;
        }
        let (mut w, mut b) = (WEIGHTS, WEIGHTS + BIASES);
        for (layer, (inputs, outputs)) in LAYERS.into_iter().enumerate().rev() {
            (w, b) = (w - inputs * outputs, b - outputs);
            let mut before = [0.0; FEATURES];
            for (output, (slope, cell)) in slopes.iter().zip(&cells[layer + 1]).take(outputs).enumerate() {
                // A rectifier that is shut passes nothing back.
                if layer < 3 && *cell <= 0.0 {
                    continue;
                }
                gradient[b + output] += slope;
                let row = w + output * inputs;
                for input in 0..inputs {
                    gradient[row + input] += slope * cells[layer][input];
                    before[input] += slope * self.parameters[row + input];
                }
            }
            slopes = before;
        }
    }

    fn train(&mut self, lessons: &[[f32; FEATURES]], stream: &mut ChaCha20Rng) {
        let mut order: Vec<usize> = (0..lessons.len()).collect();
        let (mut mean, mut square) = (vec![0.0; WEIGHTS + BIASES], vec![0.0; WEIGHTS + BIASES]);
        let (mut fade_mean, mut fade_square) = (1.0, 1.0);
        for _ in 0..EPOCHS {
            for at in (1..order.len()).rev() {
                order.swap(at, stream.next_u32() as usize % (at + 1));
            }
            for batch in order.chunks(BATCH) {
                let mut gradient = vec![0.0; WEIGHTS + BIASES];
                for lesson in batch {
                    // A little noise, which the network has to take away again.
                    let noisy = lessons[*lesson].map(|x| x + 0.1 * signed_unit(stream));
                    self.backward(&noisy, &lessons[*lesson], &mut gradient);
                }
                (fade_mean, fade_square) = (fade_mean * 0.9, fade_square * 0.999);
                for (at, parameter) in self.parameters.iter_mut().enumerate() {
                    let slope = gradient[at] / batch.len() as f32;
                    mean[at] = 0.9 * mean[at] + 0.1 * slope;
                    square[at] = 0.999 * square[at] + 0.001 * slope * slope;
                    let (m, v): (f32, f32) = (mean[at] / (1.0 - fade_mean), square[at] / (1.0 - fade_square));
                    *parameter -= RATE * m / (v.sqrt() + 1e-8);
                }
            }
        }
    }

    /// Writes the network into `model` in int8; `lessons` say how large its cells become.
    fn quantise(&self, lessons: &[[f32; FEATURES]], model: &mut Model) {
        let mut largest = [0.0_f32; 5];
        for cells in lessons.iter().map(|lesson| self.forward(lesson)) {
            for (largest, cells) in largest.iter_mut().zip(cells) {
                *largest = cells.iter().fold(*largest, |most, cell| most.max(cell.abs()));
            }
        }
        let (mut w, mut b) = (0, 0);
        let mut step_in = 1.0 / 16.0;
        for (layer, (inputs, outputs)) in LAYERS.into_iter().enumerate() {
            let weights = &self.parameters[w..w + inputs * outputs];
            let reach = weights.iter().fold(1e-6_f32, |most, weight| most.max(weight.abs()));
            let step = reach / 127.0;
            for (place, weight) in model.weights[w..].iter_mut().zip(weights) {
                *place = (weight / step).round().clamp(-127.0, 127.0) as i8;
            }
            let biases = &self.parameters[WEIGHTS + b..WEIGHTS + b + outputs];
            for (place, bias) in model.biases[b..].iter_mut().zip(biases) {
                *place = (bias / (step * step_in)).round().clamp(-32_767.0, 32_767.0) as i16;
            }
            // Half as much again as the lessons had, so that what is unlike them shows.
            let step_out = if layer < 3 { largest[layer + 1].max(1e-3) * 1.5 / 127.0 } else { 1.0 / 16.0 };
            model.scales[layer] = scale(step * step_in / step_out);
            (w, b, step_in) = (w + inputs * outputs, b + outputs, step_out);
        }
    }
}

/// The scale nearest to `factor`, which is above 0.
fn scale(factor: f32) -> Scale {
    let (mut multiplier, mut shift) = (factor, 0);
    while multiplier < 32_768.0 && shift < 31 {
        (multiplier, shift) = (multiplier * 2.0, shift + 1);
    }
    Scale { multiplier: multiplier.round().min(65_535.0) as u16, shift }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::kinds;

    const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);

    fn hours(count: u64) -> (Baseline, Known) {
        let tree = RngTree::new(1);
        let packets = || {
            let life =
                Life::new(kinds::LIGHT, &tree, 0).take_while(|flight| flight.at_ms < count * 3_600_000);
            read(life, DEVICE)
        };
        let mut acquaintance = Acquaintance::default();
        packets().for_each(|(_, packet)| acquaintance.packet(&packet));
        let known = acquaintance.known();
        (Baseline::of(packets(), &known), known)
    }

    #[test]
    fn a_model_is_a_function_of_baseline_and_seed() {
        let (baseline, known) = hours(6);
        let model = learn(&baseline, &known, &RngTree::new(7)).unwrap();
        assert_eq!(learn(&baseline, &known, &RngTree::new(7)), Ok(model.clone()));
        assert_ne!(learn(&baseline, &known, &RngTree::new(8)).unwrap().weights, model.weights);
        assert_eq!((model.hours, model.is_armed()), (6, false));
        assert!(known.has_service(17, 5684) && known.has_service(17, 53) && !known.has_service(6, 23));
        // No window of the baseline is above a limit, and the network has learned something.
        assert!(baseline.windows.iter().all(|w| model.above_limits(w) == 0 && model.above_residuals(w) == 0));
        let error = |model: &Model| -> u64 {
            let squares =
                |values| model.residuals(values).map(|r| u64::from(r) * u64::from(r)).iter().sum::<u64>();
            baseline.windows.iter().map(squares).sum()
        };
        let ignorant = Model { weights: [0; WEIGHTS], biases: [0; BIASES], ..model.clone() };
        assert!(error(&model) * 3 < error(&ignorant), "{} of {}", error(&model), error(&ignorant));
    }

    /// What is quantised does what the floats do, to within a few steps of 1/16 of a spread.
    #[test]
    fn int8_is_near_to_floats() {
        let (baseline, known) = hours(6);
        let model = learn(&baseline, &known, &RngTree::new(7)).unwrap();
        let lessons: Vec<_> =
            baseline.windows.iter().map(|w| model.normalise(w).map(|x| f32::from(x) / 16.0)).collect();
        let mut network = Network::drawn(&mut RngTree::new(7).stream("weights"));
        network.train(&lessons, &mut RngTree::new(7).stream("lessons"));
        let mut off = [0_u32; 2];
        for (values, lesson) in baseline.windows.iter().zip(&lessons) {
            let plain = network.forward(lesson)[4];
            for (found, plain) in model.infer(&model.normalise(values)).into_iter().zip(plain) {
                let far = (f32::from(found) - (plain * 16.0).clamp(-127.0, 127.0)).abs();
                off[usize::from(far > 4.0)] += 1;
            }
        }
        assert!(off[1] * 50 < off[0], "{off:?}");
    }

    #[test]
    fn the_gradient_is_that_of_differences() {
        let mut network = Network::drawn(&mut RngTree::new(3).stream("weights"));
        let mut stream = RngTree::new(3).stream("input");
        let input: [f32; FEATURES] = std::array::from_fn(|_| signed_unit(&mut stream) * 2.0);
        let mut gradient = vec![0.0; WEIGHTS + BIASES];
        network.backward(&input, &input, &mut gradient);
        let loss = |network: &Network| -> f64 {
            let out = network.forward(&input)[4];
            out.iter().zip(input).map(|(y, x)| f64::from(y - x).powi(2)).sum::<f64>() / FEATURES as f64
        };
        for at in (0..WEIGHTS + BIASES).step_by(7) {
            let before = network.parameters[at];
            network.parameters[at] = before + 1e-2;
            let above = loss(&network);
            network.parameters[at] = before - 1e-2;
            let slope = (above - loss(&network)) / 2e-2;
            network.parameters[at] = before;
            assert!(
                (slope - f64::from(gradient[at])).abs() < 2e-2 + slope.abs() * 0.05,
                "{at}: {slope} {}",
                gradient[at]
            );
        }
    }

    #[test]
    fn scales_are_near_and_short_baselines_are_refused() {
        for factor in [1e-6_f32, 3.3e-4, 0.01, 0.7] {
            let scale = scale(factor);
            let found = f64::from(scale.multiplier) / f64::from(1_u32 << scale.shift);
            assert!((found / f64::from(factor) - 1.0).abs() < 1e-3 || factor < 2e-5, "{factor}: {found}");
        }
        let error = learn(&Baseline::default(), &Known::default(), &RngTree::new(1)).unwrap_err();
        assert!(error.to_string().contains("0 windows"), "{error}");
    }
}
