//! `cellbed ledger verify`: whether a ledger is in order, and whether that proves anything.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{LedgerCliError, lab_mark, time_text_ms, write_named};
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::io::clock;
use crate::io::files::read_text;
use crate::io::ledger_store::FileStore;
use crate::ledger::{self, Anchors, Depth, Standing, Verified};
use crate::report::read_metrics;
use crate::wire::digits;

/// What is asked for, and what was brought from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Brought {
    /// Whether everything is executed again.
    pub full: bool,
    /// Addresses of validators, and the verifier key of checkpoints.
    pub keys: Vec<String>,
    /// Files with checkpoints.
    pub checkpoints: Vec<PathBuf>,
    /// Verifier keys of witnesses.
    pub witnesses: Vec<String>,
    /// Hashes of blocks.
    pub heads: Vec<String>,
}

impl Brought {
    fn anchors(&self) -> Result<Anchors, LedgerCliError> {
        let mut anchors = Anchors { witnesses: self.witnesses.clone(), ..Anchors::default() };
        for key in &self.keys {
            match key.parse() {
                Ok(address) => anchors.validators.push(address),
                Err(_) if key.matches('+').count() >= 2 => anchors.verifier_key = Some(key.clone()),
                Err(_) => {
                    return Err(LedgerCliError::Argument(format!(
                        "{key:?} is neither the address of a validator (0x and 40 digits) nor a verifier key (name+id+key)"
                    )));
                }
            }
        }
        if let Some(wrong) = self.witnesses.iter().find(|key| key.matches('+').count() < 2) {
            return Err(LedgerCliError::Argument(format!(
                "{wrong:?} is no verifier key of a witness (name+id+key); cellbed ledger witness prints its own"
            )));
        }
        for path in &self.checkpoints {
            let text = read_text(path)?;
            if !ledger::looks_like_checkpoint(&text) {
                return Err(LedgerCliError::Argument(format!(
                    "{} is no checkpoint: give the file `checkpoint` of `cellbed ledger export`, or what `cellbed ledger \
                     witness` wrote",
                    path.display()
                )));
            }
            anchors.checkpoints.push(text);
        }
        for head in &self.heads {
            let hash = digits::array(head).map_err(|cause| {
                LedgerCliError::Argument(format!("--head {head:?} is not the hash of a block: {cause}"))
            })?;
            anchors.heads.push(hash);
        }
        anchors.now_ms = Some(clock::unix_ms());
        Ok(anchors)
    }
}

/// Verifies a ledger, and writes what was found in order and what of it is proved. The directory stays as it is. It is
/// [`Exit::Inconclusive`] where nothing is wrong, and not everything is proved.
///
/// # Errors
/// [`LedgerCliError`] that names the first place where something is wrong.
pub fn verify(dir: &Path, brought: &Brought, out: &mut dyn Write) -> Result<Exit, LedgerCliError> {
    let depth = if brought.full { Depth::Full } else { Depth::Light };
    let verified = ledger::verify(&mut FileStore::read_only(dir)?, depth, &brought.anchors()?, &None)?;
    of_run(dir, &verified)?;
    write(&verified, out)?;
    Ok(of_standing(&verified.standing))
}

/// The same for programs: prints what was found, and how it ends.
pub fn in_json(dir: &Path, brought: &Brought) -> Exit {
    let depth = if brought.full { Depth::Full } else { Depth::Light };
    let verified = || -> Result<Verified, LedgerCliError> {
        let anchors = brought.anchors()?;
        let verified = ledger::verify(&mut FileStore::read_only(dir)?, depth, &anchors, &None)?;
        of_run(dir, &verified)?;
        Ok(verified)
    };
    match verified() {
        Ok(verified) => {
            terminal::json(&json(&verified));
            of_standing(&verified.standing)
        }
        Err(error) => {
            terminal::json(&json!({ "in_order": false, "error": error.to_string() }));
            terminal::failure(&error);
            error.exit()
        }
    }
}

fn json(verified: &Verified) -> Value {
    let standing = match verified.standing {
        Standing::Proved => "proved",
        Standing::OnItsOwn => "on-its-own",
        Standing::LabKeys { .. } => "lab-keys",
        Standing::Unsealed { .. } => "unsealed",
    };
    json!({
        "in_order": true,
        "standing": standing,
        "chain_id": verified.chain_id,
        "name": verified.origin,
        "lab_keys": verified.lab,
        "depth": if verified.depth == Depth::Full { "full" } else { "light" },
        "head": { "block": verified.head.number, "hash": hex::encode(verified.head.hash) },
        "state_root": hex::encode(verified.state_root),
        "sealed_ms": verified.sealed_ms,
        "validators": verified.validators.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "checkpoint_blocks": verified.covered,
        "verifier_key": verified.verifier_key,
        "blocks": verified.blocks,
        "known_blocks": verified.known,
        "transactions": verified.transactions,
        "unsealed": verified.unsealed.map(|(block, hash)| json!({ "block": block, "hash": hex::encode(hash) })),
        "torn": verified.torn,
    })
}

/// Compares a ledger with what the run recorded in whose folder it stands, where it stands in one.
fn of_run(dir: &Path, verified: &Verified) -> Result<(), LedgerCliError> {
    let Some(metrics) = dir.parent().map(|run| run.join("metrics.json")).filter(|path| path.is_file()) else {
        return Ok(());
    };
    // Metrics that cannot be read say nothing of a ledger.
    let Some(recorded) = read_text(&metrics).ok().and_then(|text| read_metrics(text.as_bytes()).ok()?.ledger)
    else {
        return Ok(());
    };
    let head = hex::encode(verified.head.hash);
    let same_head = recorded.block != verified.head.number || recorded.head == head;
    if recorded.verifier_key == verified.verifier_key && same_head && recorded.block <= verified.head.number {
        return Ok(());
    }
    Err(LedgerCliError::OtherRun {
        metrics: metrics.display().to_string(),
        recorded: format!("block {}, {} under {}", recorded.block, recorded.head, recorded.verifier_key),
        found: format!("block {}, {head} under {}", verified.head.number, verified.verifier_key),
    })
}

fn of_standing(standing: &Standing) -> Exit {
    match standing {
        Standing::Proved => Exit::Pass,
        Standing::OnItsOwn | Standing::LabKeys { .. } | Standing::Unsealed { .. } => Exit::Inconclusive,
    }
}

fn write(verified: &Verified, out: &mut dyn Write) -> io::Result<()> {
    let Verified { head, covered, blocks, .. } = verified;
    writeln!(out, "ledger {} is in order up to block {}", verified.chain_id, head.number)?;
    if verified.lab {
        writeln!(out, "  {}", lab_mark())?;
    }
    writeln!(out, "  name        {}", verified.origin)?;
    writeln!(out, "  head        block {}, {}", head.number, hex::encode(head.hash))?;
    writeln!(out, "  state root  {}", hex::encode(verified.state_root))?;
    for validator in &verified.validators {
        writeln!(
            out,
            "  sealed      by {validator} up to the head, at {}",
            time_text_ms(verified.sealed_ms)
        )?;
    }
    write_named(&verified.validators, &verified.named_validators, out)?;
    if let Some((number, hash)) = verified.unsealed {
        let hash = hex::encode(hash);
        writeln!(
            out,
            "  not sealed  block {number}, {hash}: its writer was interrupted; nothing is said of it"
        )?;
    }
    let range =
        if covered == blocks { "every sealed block".into() } else { format!("{covered} of {blocks} blocks") };
    writeln!(out, "  checkpoint  covers {range}, signed by {}", verified.verifier_key)?;
    let how = match verified.depth {
        Depth::Full => "executed again from the genesis",
        Depth::Light => "hashes, roots and signatures checked; --full executes them again",
    };
    writeln!(out, "  {blocks} blocks, {} transactions: {how}", verified.transactions)?;
    if let Some(torn) = &verified.torn {
        writeln!(out, "  an interrupted append follows ({torn}); opening the ledger for writing removes it")?;
    }
    let known = verified.known;
    match verified.standing {
        Standing::Proved if known == *blocks => writeln!(out, "  proved      every block was known before"),
        Standing::Proved if known > 0 => {
            writeln!(
                out,
                "  proved      {known} blocks were known before, the others have the seals of the same keys"
            )
        }
        Standing::Proved => writeln!(out, "  proved      sealed by the keys that were brought"),
        Standing::OnItsOwn => writeln!(
            out,
            "  not proved  the keys were read from the ledger itself; bring from elsewhere what it is compared with: \
             --key, --checkpoint, --witness or --head"
        ),
        Standing::LabKeys { blocks: 0 } => {
            writeln!(
                out,
                "  not proved  who knows the seed can write another history under these keys; bring --head"
            )
        }
        Standing::LabKeys { blocks } => {
            writeln!(
                out,
                "  not proved  {blocks} blocks were known before; who knows the seed can have written the others"
            )
        }
        Standing::Unsealed { number } => {
            writeln!(out, "  not proved  block {number}, which has no seal; everything before it is")
        }
    }
}
