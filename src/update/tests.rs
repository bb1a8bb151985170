//! A device, a vendor and a ledger: what is installed, what is refused, and what is left when the power goes.

use std::collections::BTreeMap;

use super::*;
use crate::crypto::SoftKey;
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::ledger::{Genesis, Ledger, LedgerKeys, MemorySignerState, MemoryStore, Model, Operators, Release};
use crate::wire::cose::Algorithm;
use crate::wire::suit::{
    Command, Condition, Directive, Envelope, Index, Manifest, Parameter, Section, Severable,
};

const BASE: &str = "https://updates.lab";
const SIZE: usize = 20_000;

/// Everybody who takes part.
struct Lab {
    ledger: Ledger,
    operators: Operators,
    vendor: Vendor,
    at_s: u64,
}

fn name(text: &str) -> Model {
    Model::new(text).unwrap()
}

fn key(scalar: u8) -> SoftKey {
    SoftKey::from_scalar(&[scalar; 32]).unwrap()
}

impl Lab {
    fn new() -> Self {
        let rng = RngTree::new(7);
        let mut operators = Operators::from_rng(&mut rng.stream("operators"));
        let keys = LedgerKeys::lab(&rng, &operators, Box::new(MemorySignerState::default())).unwrap();
        let genesis = Genesis::new(4242, EPOCH_UNIX_S - 1, [3; 32], &operators, &keys);
        let store = Box::new(MemoryStore::default());
        let ledger = Ledger::create(&genesis, &mut operators, keys, store).unwrap();
        let vendor = Vendor::new("cellbed.test", key(7), name("cellbed-virtual-1"), name("app"));
        Self { ledger, operators, vendor, at_s: EPOCH_UNIX_S + 10 }
    }

    fn trust(&self) -> Trust {
        Trust {
            vendor: self.vendor.id,
            class: self.vendor.class,
            model: self.vendor.model,
            component: self.vendor.component,
            authors: vec![self.vendor.author()],
            ledger: self.ledger.light_anchors(),
        }
    }

    fn offer(&self, header: Image, sequence: u64) -> Offer {
        let mut program = RngTree::new(7).stream(&format!("program-{sequence}"));
        self.vendor.offer(header, SIZE, sequence, BASE, &mut program)
    }

    fn seal(&mut self, raw: &[u8]) {
        self.ledger.submit(raw).unwrap();
        self.at_s += 10;
        let sealed = self.ledger.seal(self.at_s * 1000).unwrap();
        assert_eq!(sealed.receipts[0].outcome.refusal(), None);
    }

    fn publish(&mut self, release: &Release) {
        let raw = self.operators.publisher.publish_firmware(self.ledger.contract(), release);
        self.seal(&raw);
    }

    fn withdraw(&mut self, release: &Release) {
        let reason = crate::ledger::Reason::Superseded;
        let contract = self.ledger.contract();
        let raw = self.operators.publisher.withdraw_firmware(contract, release.manifest, reason, [0; 32]);
        self.seal(&raw);
    }

    fn proof(&self, manifest: [u8; 32]) -> Vec<u8> {
        self.ledger.prove_release(&manifest, self.vendor.model, self.vendor.component).unwrap().to_bytes()
    }

    /// A device that runs version 1.
    fn device(&self, board: u8) -> Firmware {
        let first = self.offer(Image::good(1), 1);
        Firmware::delivered(self.trust(), &first.envelope, &first.image, board).unwrap()
    }

    /// Takes `offer` as far as the ledger's word.
    fn fresh(&self, device: &mut Firmware, offer: &Offer) -> Result<Fresh, UpdateError> {
        let mut fresh = device.consider(&offer.envelope)?.expect("it is not what runs");
        device.vouched(&mut fresh, &self.proof(offer.release.manifest), self.at_s * 1_000)?;
        Ok(fresh)
    }

    /// Takes `offer` until it is ready to start on trial.
    fn install(&self, device: &mut Firmware, offer: &Offer) -> Result<(), UpdateError> {
        let fresh = self.fresh(device, offer)?;
        loop {
            match device.need(&fresh)? {
                Need::Restart => return Ok(()),
                Need::Block { uri, from, to, size, image } => {
                    assert_eq!(uri, format!("{BASE}/images/{}", hex::encode(image)));
                    assert_eq!(size, offer.image.len() as u64);
                    device.block(&offer.image[from as usize..=to as usize])?;
                }
            }
        }
    }
}

#[test]
fn an_update_is_installed_tried_and_kept() {
    let mut lab = Lab::new();
    let (mut device, second) = (lab.device(0), lab.offer(Image::good(2), 2));
    lab.publish(&second.release);
    lab.install(&mut device, &second).unwrap();
    assert_eq!(device.sequence(), 1, "nothing has started yet");
    let boot = device.boot().unwrap().clone();
    assert_eq!(boot, Boot { slot: 1, sequence: 2, on_trial: true, hung: 0, fell_back: false });
    assert_eq!(device.sequence(), 1, "it is on trial");
    assert_eq!(device.runs(), Some((&second.release.manifest, &second.release.image)));
    assert_eq!(device.works(), Ok(true));
    assert_eq!((device.sequence(), device.works()), (2, Ok(false)));
    assert_eq!(device.untold(), Some(Untold::Works));
    device.told().unwrap();
    assert!(!device.boot().unwrap().on_trial);
    assert_eq!(device.consider(&second.envelope), Ok(None), "it runs already");
    // The next one goes into the slot that was the first.
    let third = lab.offer(Image::good(3), 3);
    lab.publish(&third.release);
    lab.install(&mut device, &third).unwrap();
    assert_eq!(device.boot().unwrap().slot, 0);
}

#[test]
fn what_is_never_confirmed_is_given_up_after_three_starts_and_not_tried_again() {
    let mut lab = Lab::new();
    let mut device = lab.device(2);
    let mute = lab.offer(Image::untried(2), 2);
    lab.publish(&mute.release);
    lab.install(&mut device, &mute).unwrap();
    for _ in 0..3 {
        assert!(device.boot().unwrap().on_trial && device.is_mute());
    }
    let boot = device.boot().unwrap().clone();
    assert!(boot.fell_back && !boot.on_trial && boot.sequence == 1 && !device.is_mute());
    assert_eq!(
        (device.untold(), device.last_failed()),
        (Some(Untold::FellBack), Some(mute.release.manifest))
    );
    assert_eq!(device.consider(&mute.envelope), Err(UpdateError::Failed));
    device.told().unwrap();
    assert_eq!((device.untold(), device.boot().unwrap().fell_back), (None, false));
    // What hangs is given up without anybody waiting for it; on another board it works.
    let hangs =
        lab.offer(Image { version: 3, boards: [Behaviour::Works, Behaviour::Works, Behaviour::Hangs] }, 3);
    lab.publish(&hangs.release);
    lab.install(&mut device, &hangs).unwrap();
    let boot = device.boot().unwrap();
    assert!(boot.fell_back && boot.hung == 3 && boot.sequence == 1);
    let mut other = lab.device(0);
    lab.install(&mut other, &hangs).unwrap();
    assert!(other.boot().unwrap().on_trial);
}

#[test]
fn the_ledger_has_to_vouch_for_it() {
    let mut lab = Lab::new();
    let mut device = lab.device(0);
    let second = lab.offer(Image::good(2), 2);
    assert_eq!(lab.fresh(&mut device, &second), Err(UpdateError::NotOnLedger));
    let before = lab.proof(second.release.manifest);
    lab.publish(&second.release);
    let offered = lab.proof(second.release.manifest);
    let mut fresh = lab.fresh(&mut device, &second).unwrap();
    let stale = device.vouched(&mut fresh, &before, lab.at_s * 1_000);
    assert_eq!(stale, Err(UpdateError::Stale { shown: 1, seen: 2 }));
    lab.withdraw(&second.release);
    assert_eq!(lab.fresh(&mut device, &second), Err(UpdateError::Withdrawn));
    // Whoever hides the withdrawal shows a block that is older than one that was seen.
    let hidden = device.vouched(&mut fresh, &offered, lab.at_s * 1_000);
    assert_eq!(hidden, Err(UpdateError::Stale { shown: 2, seen: 3 }));
    assert!(matches!(device.vouched(&mut fresh, &[0xc0], lab.at_s * 1_000), Err(UpdateError::Proof(_))));
    // A device that has asked the ledger nothing installs nothing.
    let unasked = device.consider(&second.envelope).unwrap().unwrap();
    assert_eq!(device.need(&unasked), Err(UpdateError::NotOnLedger));
}

#[test]
fn the_ledger_means_one_release() {
    let mut lab = Lab::new();
    let mut device = lab.device(0);
    let mut publish = |sequence: u64, change: &dyn Fn(&mut Release)| {
        let mut offer = lab.offer(Image::good(sequence), sequence);
        change(&mut offer.release);
        lab.publish(&offer.release);
        lab.fresh(&mut device, &offer).map(|fresh| device.need(&fresh).map(drop)).and_then(|need| need)
    };
    let mismatch = |what| Err(UpdateError::Mismatch { what });
    assert_eq!(publish(2, &|release| release.model = name("other")), mismatch("model"));
    assert_eq!(publish(3, &|release| release.component = name("modem")), mismatch("component"));
    assert_eq!(publish(4, &|release| release.sequence = 5), mismatch("sequence number"));
    assert_eq!(publish(5, &|release| release.image = [1; 32]), mismatch("image"));
    assert_eq!(publish(6, &|_| ()), Ok(()));
    assert_eq!(publish(20, &|release| release.min_sequence = 20), Ok(()));
    let below = publish(19, &|_| ());
    assert_eq!(below, Err(UpdateError::BelowLeast { offered: 19, least: 20 }));
}

#[test]
fn the_vendor_has_to_have_signed_it_for_this_device() {
    let lab = Lab::new();
    let device = lab.device(0);
    let by = |vendor: &Vendor, change: &dyn Fn(&mut Manifest)| {
        let mut manifest = vendor.manifest(2, [1; 32], 1000, format!("{BASE}/1"));
        change(&mut manifest);
        device.consider(&vendor.signed(&manifest).encode()).map(drop)
    };
    assert_eq!(by(&lab.vendor, &|_| ()), Ok(()));
    let stranger = Vendor::new("cellbed.test", key(8), lab.vendor.model, lab.vendor.component);
    assert_eq!(
        by(&stranger, &|_| ()),
        Err(UpdateError::Manifest(crate::wire::suit::SuitError::Unauthorised))
    );
    // The vendor's key, but for somebody else.
    let other = Vendor::new("other.test", key(7), lab.vendor.model, lab.vendor.component);
    assert_eq!(by(&other, &|_| ()), Err(UpdateError::Vendor));
    let other = Vendor::new("cellbed.test", key(7), name("other"), lab.vendor.component);
    assert_eq!(by(&other, &|_| ()), Err(UpdateError::Class));
    let other = Vendor::new("cellbed.test", key(7), lab.vendor.model, name("modem"));
    assert_eq!(by(&other, &|_| ()), Err(UpdateError::Component));
    assert_eq!(by(&lab.vendor, &|manifest| drop(manifest.shared.pop())), Err(UpdateError::ForAnybody));
    let older = by(&lab.vendor, &|manifest| manifest.sequence = 1);
    assert_eq!(older, Err(UpdateError::NotNewer { offered: 1, running: 1 }));
    let cut = by(&lab.vendor, &|manifest| {
        manifest.sections.insert(Section::Install, Severable::CutOff([0; 32]));
    });
    assert_eq!(cut, Err(UpdateError::CutOff { section: "install" }));
    // Another algorithm than the key's, over the same bytes.
    let manifest = lab.vendor.manifest(2, [1; 32], 1000, format!("{BASE}/1"));
    let mut envelope = Envelope::unsigned(&manifest);
    let signature = key(7).sign(&envelope.to_be_signed(Algorithm::Es256));
    envelope.add(Algorithm::Es256, signature);
    assert!(matches!(device.consider(&envelope.encode()), Err(UpdateError::Manifest(_))));
}

#[test]
fn another_image_or_half_of_one_is_not_installed() {
    let mut lab = Lab::new();
    let mut device = lab.device(0);
    let second = lab.offer(Image::good(2), 2);
    lab.publish(&second.release);
    let fresh = lab.fresh(&mut device, &second).unwrap();
    let Need::Block { from: 0, to, .. } = device.need(&fresh).unwrap() else { panic!("the first block") };
    device.block(&second.image[..=to as usize]).unwrap();
    // Half of it: it goes on from there, and nothing else starts.
    assert!(matches!(device.need(&fresh), Ok(Need::Block { from, .. }) if from == to + 1));
    assert_eq!(device.boot().unwrap().sequence, 1);
    assert_eq!(device.bank().arm(), Err(UpdateError::Image));
    // More than it may be.
    let much = vec![0; SIZE];
    assert!(matches!(device.block(&much), Err(UpdateError::Large { .. })));
    // All of it, with one bit turned.
    let mut rest = second.image[to as usize + 1..].to_vec();
    rest[100] ^= 1;
    device.block(&rest).unwrap();
    assert_eq!(device.need(&fresh), Err(UpdateError::Image));
    assert_eq!(device.bank().progress(), None, "it is forgotten");
    lab.install(&mut device, &second).unwrap();
    assert!(device.boot().unwrap().on_trial);
}

/// Whatever is being written when the power goes: the device starts, runs the one or the other, whole, and takes the update
/// when it is asked again.
#[test]
fn a_power_cut_at_any_write_leaves_the_old_or_the_new() {
    let mut lab = Lab::new();
    let second = lab.offer(Image::good(2), 2);
    lab.publish(&second.release);
    let whole = {
        let mut device = lab.device(0);
        let before = device.bank().flash().written();
        lab.install(&mut device, &second).unwrap();
        device.boot().unwrap();
        device.works().unwrap();
        device.bank().flash().written() - before
    };
    assert!(whole > 80, "{whole} writes");
    let mut found: BTreeMap<(u64, bool), u64> = BTreeMap::new();
    for cut in 0..whole {
        let mut device = lab.device(0);
        device.bank().flash().cut_after(cut);
        let taken = lab.install(&mut device, &second).and_then(|()| {
            device.boot()?;
            Ok(device.works()?)
        });
        assert_eq!(taken, Err(UpdateError::Power(PowerLost)), "cut {cut}");
        let mut flash = device.bank().flash().clone();
        flash.power_back();
        let bank = Bank::open(flash).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        let mut device = Firmware::powered(lab.trust(), bank, 0)
            .unwrap_or_else(|error| panic!("cut {cut}: nothing starts: {error}"));
        let boot = device.booted().clone();
        *found.entry((boot.sequence, boot.on_trial)).or_default() += 1;
        assert!(!boot.fell_back, "cut {cut}");
        if boot.on_trial || boot.sequence == 2 {
            device.works().unwrap();
        } else {
            lab.install(&mut device, &second).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
            assert!(device.boot().unwrap().on_trial);
            device.works().unwrap();
        }
        assert_eq!((device.sequence(), device.booted().sequence), (2, 2), "cut {cut}");
    }
    assert!(found.contains_key(&(1, false)) && found.contains_key(&(2, true)), "{found:?}");
}

/// The same while it falls back.
#[test]
fn a_power_cut_while_it_falls_back_leaves_the_old() {
    let mut lab = Lab::new();
    let mute = lab.offer(Image { version: 2, boards: [Behaviour::Mute; 3] }, 2);
    lab.publish(&mute.release);
    for cut in 0..40 {
        let mut device = lab.device(0);
        lab.install(&mut device, &mute).unwrap();
        device.bank().flash().cut_after(cut);
        for _ in 0..4 {
            if device.boot().is_err() {
                let mut flash = device.bank().flash().clone();
                flash.power_back();
                device = Firmware::powered(lab.trust(), Bank::open(flash).unwrap(), 0).unwrap();
            }
        }
        while device.booted().on_trial {
            device.boot().unwrap();
        }
        let untold = (device.untold(), device.last_failed());
        assert_eq!(untold, (Some(Untold::FellBack), Some(mute.release.manifest)), "cut {cut}");
        assert_eq!(device.sequence(), 1, "cut {cut}");
    }
}

/// Who has never seen a newer block is not shown the last one before a withdrawal for ever.
#[test]
fn a_proof_of_an_old_block_proves_nothing() {
    let mut lab = Lab::new();
    let second = lab.offer(Image::good(2), 2);
    lab.publish(&second.release);
    let (mut device, proof) = (lab.device(0), lab.proof(second.release.manifest));
    let mut vouched = |age_ms| {
        let mut fresh = device.consider(&second.envelope).unwrap().unwrap();
        device.vouched(&mut fresh, &proof, lab.at_s * 1_000 + age_ms)
    };
    assert_eq!(vouched(PROOF_AGE_MAX_MS + 999), Err(UpdateError::Aged { age_s: 86_400, most_s: 86_400 }));
    assert_eq!(vouched(PROOF_AGE_MAX_MS), Ok(()));
}

/// A bit of the newer copy of the journal turns: the older one counts, and nothing of the newer one.
#[test]
fn a_journal_with_a_wrong_bit_is_not_believed() {
    let lab = Lab::new();
    let mut device = lab.device(0);
    device.bank().saw(5).unwrap();
    device.bank().saw(6).unwrap();
    let flash = device.bank().flash().clone();
    let copies = [0, 1].map(|copy| flash.read(flash::Area::Journal(copy)).to_vec());
    let opened = |flash: &Flash| Bank::open(flash.clone()).map(|bank| bank.height());
    assert_eq!(opened(&flash), Ok(6));
    let bent = |copy: usize, at: usize| {
        let mut flash = flash.clone();
        let byte = copies[copy][at] ^ (1 << (at % 8));
        flash.write(flash::Area::Journal(copy), at, &[byte]).unwrap();
        flash
    };
    // The counter says which one is newer.
    let newer = usize::from(opened(&bent(0, 0)) == Ok(6));
    for at in 0..copies[newer].len() {
        assert_eq!(opened(&bent(newer, at)), Ok(5), "bit of byte {at} of the newer copy");
        assert_eq!(opened(&bent(1 - newer, at % copies[1 - newer].len())), Ok(6), "of the older one");
    }
    let mut both = bent(newer, 40);
    both.write(flash::Area::Journal(1 - newer), 40, &[copies[1 - newer][40] ^ 1]).unwrap();
    assert_eq!(opened(&both), Err(UpdateError::Bricked));
}

/// Another image takes the slot, and the power goes while it is erased: what was half there before is not there any more.
#[test]
fn a_slot_that_is_given_to_another_image_is_empty_whenever_the_power_goes() {
    let lab = Lab::new();
    let (first, other) = (lab.offer(Image::good(2), 2), lab.offer(Image::good(3), 3));
    let installed = |offer: &Offer| Installed {
        envelope: offer.envelope.clone(),
        manifest: offer.release.manifest,
        sequence: offer.release.sequence,
        image: offer.release.image,
        size: offer.image.len() as u64,
    };
    let half = offer_half(&first);
    let mut whole = lab.device(0);
    whole.bank().begin(&installed(&first)).unwrap();
    whole.bank().append(&half).unwrap();
    let before = whole.bank().flash().written();
    whole.bank().clone().begin(&installed(&other)).unwrap();
    for cut in 0..12 {
        let mut bank = whole.bank().clone();
        bank.flash().cut_after(cut);
        let begun = bank.begin(&installed(&other));
        let mut flash = bank.flash().clone();
        flash.power_back();
        let mut bank = Bank::open(flash).unwrap();
        // Whatever is said to be there is there: the rest makes it whole.
        let there = bank.begin(&installed(&first)).unwrap();
        bank.append(&first.image[there as usize..]).unwrap();
        assert_eq!(bank.finish(), Ok(()), "cut {cut} after {before} writes: {begun:?}");
    }
}

fn offer_half(offer: &Offer) -> Vec<u8> {
    offer.image[..offer.image.len() / 2].to_vec()
}

/// The digest is taken over what stands in the flash: another image of the same size is none.
#[test]
fn an_image_with_another_digest_is_not_finished_and_cannot_be_armed() {
    let lab = Lab::new();
    let offer = lab.offer(Image::good(2), 2);
    let what = Installed {
        envelope: offer.envelope.clone(),
        manifest: offer.release.manifest,
        sequence: 2,
        image: offer.release.image,
        size: offer.image.len() as u64,
    };
    let mut wrong = offer.image.to_vec();
    wrong[SIZE / 2] ^= 1;
    let mut device = lab.device(0);
    let bank = device.bank();
    assert_eq!(bank.begin(&what), Ok(0));
    bank.append(&wrong).unwrap();
    assert_eq!((bank.arm(), bank.finish()), (Err(UpdateError::Image), Err(UpdateError::Image)));
    assert_eq!(bank.candidate(), None);
    assert_eq!(bank.arm(), Err(UpdateError::Image));
    assert!(!bank.holds(&what.image, None));
    bank.begin(&what).unwrap();
    bank.append(&offer.image).unwrap();
    assert_eq!((bank.finish(), bank.arm()), (Ok(()), Ok(())));
}

#[test]
fn a_flash_without_a_journal_starts_nothing() {
    assert_eq!(Bank::open(Flash::default()).err(), Some(UpdateError::Bricked));
}

/// A target that says what it is told to.
struct Told {
    slot: u64,
    held: Vec<[u8; 32]>,
}

impl Target for Told {
    fn vendor(&self, _: usize) -> [u8; 16] {
        vendor_id("arm.com")
    }

    fn class(&self, _: usize) -> [u8; 16] {
        hex::decode("1492af1425695e48bf429b2d51f2ab45").unwrap().try_into().unwrap()
    }

    fn device(&self) -> Option<[u8; 16]> {
        None
    }

    fn slot(&self, _: usize) -> u64 {
        self.slot
    }

    fn holds(&self, _: usize, digest: &[u8; 32], _: Option<u64>) -> bool {
        self.held.contains(digest)
    }
}

const FIRST: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
const SECOND: &str = "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff";

fn digest(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// An example of the draft, whose signature another test looks at.
fn example(name: &str) -> Manifest {
    let vectors = include_str!("../../tests/vectors/suit.txt");
    let line = vectors.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
    Envelope::decode(&hex::decode(line).unwrap()).unwrap().open(|_| true).unwrap()
}

fn done(manifest: &Manifest, section: Section, told: &Told) -> Result<Outcome, UpdateError> {
    run(manifest, section, told)
}

/// Appendix B of the draft: secure boot, download, severed elements, two slots, several components.
#[test]
fn the_examples_of_the_draft_do_what_they_are_for() {
    let (nothing, first) = (Told { slot: 0, held: vec![] }, Told { slot: 0, held: vec![digest(FIRST)] });
    let boot = example("draft37_ex0");
    assert_eq!(done(&boot, Section::Validate, &first), Ok(Outcome::Done));
    assert_eq!(done(&boot, Section::Validate, &nothing), Err(UpdateError::Image));
    assert_eq!(done(&boot, Section::Invoke, &first), Ok(Outcome::Invoke(0)));
    assert_eq!(done(&boot, Section::Install, &first), Ok(Outcome::Done), "it has none");
    let download = example("draft37_ex1");
    let fetch = |uri: &str, digest, size| {
        Ok(Outcome::Fetch(Fetch { component: 0, uri: uri.to_owned(), digest, size }))
    };
    let wanted = fetch("http://example.com/file.bin", digest(FIRST), 34_768);
    assert_eq!(done(&download, Section::Install, &nothing), wanted);
    assert_eq!(done(&download, Section::Install, &first), Ok(Outcome::Done));
    let severed = done(&example("draft37_ex2_severed"), Section::Install, &nothing);
    assert_eq!(severed, Err(UpdateError::CutOff { section: "install" }));
    assert_eq!(done(&example("draft37_ex2_severed"), Section::Validate, &first), Ok(Outcome::Done));
    assert!(matches!(done(&example("draft37_ex2"), Section::Install, &nothing), Ok(Outcome::Fetch(_))));
    let slots = example("draft37_ex3");
    let of = |slot| done(&slots, Section::Install, &Told { slot, held: vec![] });
    assert_eq!(of(0), fetch("http://example.com/file1.bin", digest(FIRST), 34_768));
    assert_eq!(of(1), fetch("http://example.com/file2.bin", digest(SECOND), 76_834));
    assert!(matches!(of(2), Err(UpdateError::Condition { section: "shared", what: "the slot" })));
    let copies = done(&example("draft37_ex4"), Section::Install, &nothing);
    assert_eq!(
        copies,
        Err(UpdateError::Unsupported { section: "install", what: "use this parameter" }),
        "a source"
    );
    let two = done(&example("draft37_ex5"), Section::Install, &first);
    let second = Fetch {
        component: 1,
        uri: "http://example.com/file2.bin".to_owned(),
        digest: digest(SECOND),
        size: 76_834,
    };
    assert_eq!(two, Ok(Outcome::Fetch(second)));
}

fn with_install(commands: Vec<Command>) -> Manifest {
    let mut manifest = example("draft37_ex1");
    manifest.sections.insert(Section::Install, Severable::Inside(commands));
    manifest
}

/// Clauses 8.4.8.12 and 8.4.10.2: what fails softly, and what is the end.
#[test]
fn only_what_may_fail_fails_softly() {
    let told = Told { slot: 0, held: vec![digest(FIRST)] };
    let (abort, ok) = (Command::condition(Condition::Abort), Command::condition(Condition::ImageMatch));
    let soft = |is| Command::Directive(Directive::OverrideParameters(vec![Parameter::SoftFailure(is)]));
    let each = |sequences: Vec<Vec<Command>>, may_fail| {
        Command::Directive(Directive::TryEach { sequences, may_fail })
    };
    let run_sequence = |sequence| Command::Directive(Directive::RunSequence(sequence));
    let of = |commands: Vec<Command>| done(&with_install(commands), Section::Install, &told);
    let failed = Err(UpdateError::Condition { section: "install", what: "abort" });
    assert_eq!(of(vec![abort.clone()]), failed);
    assert_eq!(of(vec![each(vec![vec![abort.clone()], vec![ok.clone()]], false)]), Ok(Outcome::Done));
    assert_eq!(of(vec![each(vec![vec![abort.clone()], vec![abort.clone()]], false)]), failed);
    assert_eq!(of(vec![each(vec![vec![abort.clone()], vec![abort.clone()]], true)]), Ok(Outcome::Done));
    let hard = vec![soft(false), abort.clone()];
    assert_eq!(of(vec![each(vec![hard, vec![ok.clone()]], true)]), failed, "it forbids the next one");
    assert_eq!(of(vec![run_sequence(vec![abort.clone()])]), failed);
    assert_eq!(of(vec![run_sequence(vec![soft(true), abort.clone()]), ok]), Ok(Outcome::Done));
    assert!(matches!(of(vec![soft(true)]), Err(UpdateError::Unsupported { .. })), "outside of a sequence");
    // A nested sequence has a softness of its own, and a directive that fails is the end.
    let inner = run_sequence(vec![abort]);
    assert_eq!(of(vec![each(vec![vec![inner], vec![]], false)]), failed);
}

#[test]
fn what_a_manifest_does_not_say_is_not_guessed() {
    let told = Told { slot: 0, held: vec![] };
    let of = |commands: Vec<Command>| done(&with_install(commands), Section::Install, &told);
    let needs = |what| Err(UpdateError::Parameter { section: "install", what });
    assert_eq!(of(vec![Command::Directive(Directive::Fetch(0))]), needs("a URI"));
    assert_eq!(of(vec![Command::condition(Condition::ComponentSlot)]), needs("a slot"));
    assert_eq!(of(vec![Command::condition(Condition::DeviceIdentifier)]), needs("a device identifier"));
    let index = Command::Directive(Directive::SetComponentIndex(Index::One(1)));
    assert_eq!(of(vec![index]), Err(UpdateError::Component));
    let other = Parameter::DeviceIdentifier([1; 16]);
    let set = Command::Directive(Directive::OverrideParameters(vec![other]));
    let asked = of(vec![set, Command::condition(Condition::DeviceIdentifier)]);
    assert_eq!(asked, Err(UpdateError::Device));
    let many = vec![Command::Directive(Directive::SetComponentIndex(Index::All)); 1001];
    assert!(matches!(of(many), Err(UpdateError::Unsupported { .. })));
    for unsupported in [Directive::Write(0), Directive::Copy(0), Directive::Swap(0)] {
        assert!(matches!(of(vec![Command::Directive(unsupported)]), Err(UpdateError::Unsupported { .. })));
    }
}
