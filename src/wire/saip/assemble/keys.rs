//! Codes and keys.

use super::super::aka::{self, AkaParameter, AkaSource, Algorithm};
use super::super::codes::{PinCodes, PinSource, PukCodes, is_local};
use super::super::der::{Fault, Within};
use super::super::error::PeStatusCode;
use super::super::image::{AkaAlgorithm, FileKind, PinImage, PukImage, SharedPins, SqnState, Subscription};
use super::{Assembly, Late, identifiers};
use crate::wire::tlv::{self, Reader};

fn bad(cause: impl Into<String>) -> Fault {
    Fault::new(PeStatusCode::BAD_VALUES, cause)
}

impl Assembly {
    pub(super) fn pins(&mut self, codes: &PinCodes) -> Result<(), Fault> {
        let owner = self.codes_for.ok_or_else(|| {
            Fault::new(
                PeStatusCode::INVALID_PARAMETER,
                "codes stand before any directory that they could be for",
            )
        })?;
        let pins = match &codes.pins {
            PinSource::Own(pins) => pins,
            PinSource::Shared(path) => {
                let with = self
                    .image
                    .find(&identifiers(path))
                    .filter(|place| matches!(self.image.files[*place].kind, FileKind::Directory { .. }));
                let with = with.ok_or_else(|| {
                    bad(format!("there is no directory {}", hex::encode(path))).within("pinCodes/filePath")
                })?;
                self.image.shared_pins.push(SharedPins { element: self.at, owner, with });
                return Ok(());
            }
        };
        for (number, pin) in pins.iter().enumerate() {
            let twice = self
                .image
                .pins
                .iter()
                .any(|own| own.owner == owner && own.key_reference == pin.key_reference);
            if twice {
                let cause = format!("key reference {} is defined twice in this directory", pin.key_reference);
                return Err(bad(cause).within(&format!("pinCodes/pinconfig/[{number}]")));
            }
            self.image.pins.push(PinImage {
                element: self.at,
                owner,
                key_reference: pin.key_reference,
                value: pin.value,
                puk: pin.puk,
                attributes: pin.attributes(),
                attempts: pin.attempts(),
            });
        }
        Ok(())
    }

    pub(super) fn puks(&mut self, codes: &PukCodes) -> Result<(), Fault> {
        for (number, puk) in codes.puks.iter().enumerate() {
            if self.image.puks.iter().any(|own| own.key_reference == puk.key_reference) {
                let cause = format!("key reference {} is defined twice", puk.key_reference);
                return Err(bad(cause).within(&format!("pukCodes/[{number}]")));
            }
            self.image.puks.push(PukImage {
                element: self.at,
                key_reference: puk.key_reference,
                value: puk.value,
                attempts: puk.attempts(),
            });
        }
        Ok(())
    }

    /// Every PUK that a PIN names, and every code that a directory lists, has to be there.
    pub(super) fn check_codes(&self) -> Result<(), Late> {
        for pin in &self.image.pins {
            if let Some(puk) =
                pin.puk.filter(|puk| !self.image.puks.iter().any(|own| own.key_reference == *puk))
            {
                let cause = format!("PIN {} names PUK {puk}, which no element defines", pin.key_reference);
                return Err((pin.element, bad(cause)));
            }
        }
        for (place, references) in &self.listed {
            let file = &self.image.files[*place];
            if let Some(reference) =
                references.iter().find(|reference| self.code(*place, **reference).is_none())
            {
                let cause = format!("it lists code {reference:02X}, which no element defines for it");
                let fault = Fault::new(PeStatusCode::PIN_CODE_MISSING, cause);
                return Err((file.element, fault.within("pinStatusTemplateDO").within(file.name)));
            }
        }
        Ok(())
    }

    /// Gives every directory its PIN status template: a bit for each code that it lists, most significant first,
    /// set where the code is enabled, and the key references.
    pub(super) fn pin_status(&mut self) {
        for (place, references) in std::mem::take(&mut self.listed) {
            let mut bits = vec![0u8; references.len().div_ceil(8)];
            for (at, reference) in references.iter().enumerate() {
                if self.code(place, *reference).is_some_and(PinImage::enabled) {
                    bits[at / 8] |= 0x80 >> (at % 8);
                }
            }
            let mut template = Vec::new();
            if !references.is_empty() {
                tlv::push(&mut template, 0x90, &bits);
                references.iter().for_each(|reference| tlv::push(&mut template, 0x83, &[*reference]));
            }
            if let FileKind::Directory { pin_status, .. } = &mut self.image.files[place].kind {
                *pin_status = template;
            }
        }
    }

    /// A code of the whole card belongs to the MF; one of an application may belong to a directory above, or to
    /// one whose codes are shared.
    fn code(&self, directory: usize, reference: u8) -> Option<&PinImage> {
        let own =
            |at: usize| self.image.pins.iter().find(|pin| pin.owner == at && pin.key_reference == reference);
        let defined = |owner: usize| {
            let shared = self.image.shared_pins.iter().filter(|shared| shared.owner == owner);
            own(owner).or_else(|| shared.into_iter().find_map(|shared| own(shared.with)))
        };
        if !is_local(reference) {
            return defined(0);
        }
        let mut at = directory;
        loop {
            match defined(at) {
                Some(pin) => return Some(pin),
                None if at == 0 => return None,
                None => at = self.image.files[at].parent,
            }
        }
    }

    pub(super) fn aka(&mut self, aka: &AkaParameter) -> Result<(), Fault> {
        let adf = self.adf("akaParameter")?;
        if self.image.subscriptions.iter().any(|own| own.adf == adf) {
            return Err(bad("the application has keys already"));
        }
        let subscription = match &aka.source {
            AkaSource::Own(algorithm) => {
                let own = subscription(algorithm).within("algoConfiguration/algoParameter")?;
                let sqn = sequence(aka);
                // Test USIMs take any number; what the package says of it has no meaning.
                if own.algorithm != AkaAlgorithm::Test {
                    check_sequence(&sqn)?;
                }
                Subscription { element: self.at, adf, sqn, ..own }
            }
            AkaSource::Mapped { source, .. } => {
                let to = self.image.subscriptions.iter().position(|other| {
                    matches!(&self.image.files[other.adf].kind,
                        FileKind::Directory { aid: Some(aid), .. } if aid == source)
                });
                let to = to.ok_or_else(|| {
                    bad(format!("no application {} has keys before this", hex::encode(source)))
                        .within("algoConfiguration/mappingParameter/mappingSource")
                })?;
                // One that is mapped in turn shares with the same as its source does.
                let shares_sqn_of = self.image.subscriptions[to].shares_sqn_of.or(Some(to));
                Subscription { element: self.at, adf, shares_sqn_of, ..self.image.subscriptions[to].clone() }
            }
        };
        self.image.subscriptions.push(subscription);
        Ok(())
    }
}

/// The key references of `listed`: one byte each, or in the data objects of a PIN status template.
pub(super) fn references(listed: &[u8]) -> Result<Vec<u8>, Fault> {
    if listed.first() != Some(&0x90) {
        return Ok(listed.to_vec());
    }
    let mut references = Vec::new();
    for object in Reader::new(listed) {
        match object.map(|object| (object.tag, object.value)) {
            Ok((0x83, &[reference])) => references.push(reference),
            Ok((0x90 | 0x95, _)) => {}
            _ => return Err(bad(format!("{} is no PIN status template", hex::encode(listed)))),
        }
    }
    Ok(references)
}

/// The keys; element, application and sequence numbers are still to come.
fn subscription(algorithm: &Algorithm) -> Result<Subscription, Fault> {
    let (kind, keys, constants): (_, &[usize], &[usize]) = match algorithm.id {
        aka::MILENAGE => (AkaAlgorithm::Milenage, &[16], &[16]),
        aka::TUAK => (AkaAlgorithm::Tuak, &[16, 32], &[32]),
        aka::USIM_TEST => (AkaAlgorithm::Test, &[16], &[]),
        other => {
            let cause = format!("algorithm {other} is not known here");
            return Err(Fault::new(PeStatusCode::FEATURE_NOT_SUPPORTED, cause).within("algorithmID"));
        }
    };
    let lengths = [("key", &algorithm.key, keys), ("opc", &algorithm.opc, constants)];
    for (name, value, allowed) in lengths {
        if !allowed.is_empty() && !allowed.contains(&value.len()) {
            let cause = format!("{} bytes; {kind:?} takes {allowed:?}", value.len());
            return Err(bad(cause).within(name));
        }
    }
    let mut xoring = [[0; 16]; 5];
    let bytes = algorithm.xoring.unwrap_or(aka::XORING);
    for (constant, part) in xoring.iter_mut().zip(bytes.chunks_exact(16)) {
        constant.copy_from_slice(part);
    }
    let counter = |[a, b, c]: [u8; 3]| u32::from_be_bytes([0, a, b, c]);
    Ok(Subscription {
        element: super::ElementRef { index: 0, name: "akaParameter" },
        adf: 0,
        algorithm: kind,
        options: algorithm.options,
        key: algorithm.key.clone(),
        opc: algorithm.opc.clone(),
        rotation: algorithm.rotation.unwrap_or(aka::ROTATION),
        xoring,
        counter_max: algorithm.counter_max.map(counter),
        keccak: algorithm.keccak.unwrap_or(1),
        sqn: SqnState { options: 0, delta: 0, age_limit: 0, initial: [0; 32] },
        shares_sqn_of: None,
    })
}

/// Without its five bits of IND a sequence number has 43.
const SEQUENCE_MAX: u64 = 0x07ff_ffff_ffff;

fn check_sequence(sqn: &SqnState) -> Result<(), Fault> {
    let single = [("sqnDelta", sqn.delta), ("sqnAgeLimit", sqn.age_limit)];
    let initial = sqn.initial.iter().map(|value| ("sqnInit", *value));
    match single.into_iter().chain(initial).find(|(_, value)| *value > SEQUENCE_MAX) {
        Some((name, value)) => {
            Err(bad(format!("{value:012X} is beyond the maximum, {SEQUENCE_MAX:012X}")).within(name))
        }
        None => Ok(()),
    }
}

fn sequence(aka: &AkaParameter) -> SqnState {
    let number = |bytes: &[u8; 6]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let mut initial = [0; 32];
    for (seq, bytes) in initial.iter_mut().zip(aka.sqn_initial.iter().flatten()) {
        *seq = number(bytes);
    }
    SqnState {
        options: aka.sqn_options.unwrap_or(0x02),
        delta: number(&aka.sqn_delta.unwrap_or(aka::SQN_LIMIT)),
        age_limit: number(&aka.sqn_age_limit.unwrap_or(aka::SQN_LIMIT)),
        initial,
    }
}
