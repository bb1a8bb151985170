//! What can be asked of manifests and repositories of firmware.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::cli::exit;
use crate::ledger::Model;

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(subcommand)]
    pub verb: UpdateVerb,
}

#[derive(Debug, Subcommand)]
pub enum UpdateVerb {
    /// Write and sign the manifest of an image (SUIT)
    Sign(UpdateSignArgs),
    /// Print what a manifest says; its signature is not looked at
    Show {
        /// A manifest in its envelope
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Check who has signed a manifest, for which devices it is, and whether it is of an image
    #[command(after_long_help = exit::help())]
    Verify(UpdateVerifyArgs),
    /// Write manifests and images as a TUF repository
    Publish(UpdatePublishArgs),
}

#[derive(Debug, Args)]
pub struct OfModel {
    /// The domain of the vendor, of which its identifier is made
    #[arg(long, value_name = "DOMAIN", default_value = "cellbed.test")]
    pub vendor: String,

    /// The model that it is for, as the ledger calls it
    #[arg(long, value_name = "MODEL", default_value = "cellbed-virtual-1", value_parser = model)]
    pub model: Model,

    /// The component that it is for, as the ledger calls it
    #[arg(long, value_name = "NAME", default_value = "app", value_parser = model)]
    pub component: Model,
}

#[derive(Debug, Args)]
pub struct UpdateSignArgs {
    /// The image
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub image: PathBuf,

    /// The private key of the author, P-256: PEM or DER
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: PathBuf,

    /// The sequence number: higher than that of any manifest before
    #[arg(long, value_name = "N")]
    pub sequence: u64,

    /// Where the image will be, without its name: the name is its digest
    #[arg(long, value_name = "URI", default_value = "https://updates.cellbed.test")]
    pub base: String,

    #[command(flatten)]
    pub of: OfModel,

    /// Where the manifest goes
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct UpdateVerifyArgs {
    /// A manifest in its envelope
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// The public key of the author, X || Y, 128 digits in hex
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    pub key: [u8; 64],

    #[command(flatten)]
    pub of: OfModel,

    /// An image: the manifest has to be of it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub image: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UpdatePublishArgs {
    /// Manifests and images
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// The private key of all roles, P-256: PEM or DER
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: PathBuf,

    /// The folder of the repository
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub into: PathBuf,

    /// The version of the metadata: higher than the one before
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub version: u64,

    /// For how many days the metadata stands
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
}

fn model(text: &str) -> Result<Model, String> {
    Model::new(text).map_err(|error| error.to_string())
}

fn public_key(text: &str) -> Result<[u8; 64], String> {
    let wrong = || "a public key is 128 digits in hex, X || Y".to_owned();
    let octets: [u8; 64] = crate::wire::registration::octets(text).ok_or_else(wrong)?;
    Ok(octets)
}
