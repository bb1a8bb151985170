//! Codes and keys.

use super::super::aka::{self, AkaParameter, AkaSource, Algorithm};
use super::super::codes::{PinCodes, PinSource, PukCodes, is_local};
use super::super::der::{Fault, Within};
use super::super::error::PeStatusCode;
use super::super::image::{
    AkaAlgorithm, FileKind, Mapping, PinImage, PukImage, SharedPins, SqnState, Subscription,
};
use super::files::identifiers;
use super::{Assembly, Late};

fn bad(cause: impl Into<String>) -> Fault {
    Fault::new(PeStatusCode::BAD_VALUES, cause)
}

impl Assembly {
    pub(super) fn pins(&mut self, codes: &PinCodes) -> Result<(), Fault> {
        let owner = self.codes_for.ok_or_else(|| {
            Fault::new(PeStatusCode::INVALID_PARAMETER, "codes stand before any directory that they could be for")
        })?;
        let pins = match &codes.pins {
            PinSource::Own(pins) => pins,
            PinSource::Shared(path) => {
                let with = self.image.find(&identifiers(path)).filter(|place| {
                    matches!(self.image.files[*place].kind, FileKind::Directory { .. })
                });
                let with = with.ok_or_else(|| {
                    bad(format!("there is no directory {}", hex::encode(path))).within("pinCodes/filePath")
                })?;
                self.image.shared_pins.push(SharedPins { element: self.at, owner, with });
                return Ok(());
            }
        };
        for (number, pin) in pins.iter().enumerate() {
            let twice = self.image.pins.iter().any(|own| own.owner == owner && own.key_reference == pin.key_reference);
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
            if let Some(puk) = pin.puk.filter(|puk| !self.image.puks.iter().any(|own| own.key_reference == *puk)) {
                let cause = format!("PIN {} names PUK {puk}, which no element defines", pin.key_reference);
                return Err((pin.element, bad(cause)));
            }
        }
        for (place, file) in self.image.files.iter().enumerate() {
            let FileKind::Directory { pin_status, .. } = &file.kind else { continue };
            for reference in pin_status {
                if !self.has_code(place, *reference) {
                    let cause = format!("it lists code {reference:02X}, which no element defines for it");
                    let fault = Fault::new(PeStatusCode::PIN_CODE_MISSING, cause);
                    return Err((file.element, fault.within("pinStatusTemplateDO").within(file.name)));
                }
            }
        }
        Ok(())
    }

    /// A code of the whole card belongs to the MF; one of an application may belong to a directory above, or to
    /// one whose codes are shared.
    fn has_code(&self, directory: usize, reference: u8) -> bool {
        let defined = |owner: usize| {
            let own = |at: usize| {
                self.image.pins.iter().any(|pin| pin.owner == at && pin.key_reference == reference)
            };
            let shared = |at: usize| {
                self.image.shared_pins.iter().any(|shared| shared.owner == at && own(shared.with))
            };
            own(owner) || shared(owner)
        };
        if !is_local(reference) {
            return defined(0);
        }
        let mut at = directory;
        loop {
            if defined(at) {
                return true;
            }
            if at == 0 {
                return false;
            }
            at = self.image.files[at].parent;
        }
    }

    pub(super) fn aka(&mut self, aka: &AkaParameter) -> Result<(), Fault> {
        let adf = self.adf("akaParameter")?;
        if self.image.subscriptions.iter().any(|own| own.adf == adf) {
            return Err(bad("the application has keys already"));
        }
        let subscription = match &aka.source {
            AkaSource::Own(algorithm) => Subscription {
                element: self.at,
                adf,
                sqn: sequence(aka),
                ..subscription(algorithm).within("algoConfiguration/algoParameter")?
            },
            AkaSource::Mapped { options, source, .. } => {
                let to = self.image.subscriptions.iter().position(|other| {
                    matches!(&self.image.files[other.adf].kind,
                        FileKind::Directory { aid: Some(aid), .. } if aid == source)
                });
                let to = to.ok_or_else(|| {
                    bad(format!("no application {} has keys before this", hex::encode(source)))
                        .within("algoConfiguration/mappingParameter/mappingSource")
                })?;
                let mapping = Some(Mapping { to, options: *options });
                Subscription { element: self.at, adf, mapping, ..self.image.subscriptions[to].clone() }
            }
        };
        self.image.subscriptions.push(subscription);
        Ok(())
    }
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
        mapping: None,
    })
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
