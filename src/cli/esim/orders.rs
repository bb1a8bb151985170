//! The orders that the command line places: made once, found again by whoever starts with the same state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{OrderArg, StockArg};
use super::serve::ServeError;
use crate::card::CardError;
use crate::esim::FunctionRefusal;
use crate::esim::smdp::{
    ConfirmOrder, DownloadOrder, OperatorConstant, Order, OrderState, Producer, Profile, Smdp, Subscriber,
};
use crate::id::Iccid;
use crate::io::files::{self, FileError, OWNER_ONLY};
use crate::io::{entropy, pki_folder};
use crate::kernel::RngTree;
use crate::lab::catalogue;
use crate::wire::bcd;
use crate::wire::rsp::{
    NotificationConfiguration, NotificationEvents, OperatorId, ProfileClass, ProfileMetadata,
};
use crate::wire::saip::Package;

/// The number of the first fresh subscriber: before it are the cards that are served with the same SIM profile.
const FIRST_SUBSCRIBER: u32 = 100_000;
/// The number of the first that operators may order.
const FIRST_IN_STOCK: u32 = 200_000;

/// How orders are placed.
pub struct Placing<'a> {
    pub now_unix_s: u64,
    /// The SM-DS that is told of orders for an EID.
    pub smds: Option<&'a str>,
    /// Where the subscribers' keys go.
    pub subscribers: Option<&'a Path>,
}

/// Places the orders that are not there yet. An ICCID is one profile: two orders never share one.
pub fn place(smdp: &mut Smdp, orders: &[OrderArg], placing: &Placing<'_>) -> Result<(), ServeError> {
    let mut placed = Placed::new();
    let mut seen: BTreeMap<&Path, u32> = BTreeMap::new();
    for order in orders {
        let number = seen.entry(&order.profile).or_default();
        place_one(smdp, order, *number, placing, &mut placed)?;
        *number += 1;
    }
    Ok(())
}

/// What was ordered on this command line, by the ICCID.
type Placed = BTreeMap<Iccid, PathBuf>;

fn place_one(
    smdp: &mut Smdp,
    order: &OrderArg,
    number: u32,
    placing: &Placing<'_>,
    placed: &mut Placed,
) -> Result<(), ServeError> {
    let rng = entropy::fresh()?.tree().clone();
    let source = ProfileSource::open(&order.profile, smdp.address(), rng)?;
    let (mut profile, subscriber) = free_profile(smdp, &source, order, FIRST_SUBSCRIBER + number, placed)?;
    profile.metadata.rules.0 |= order.rules.0;
    if let Some(class) = order.class {
        profile.metadata.class = class;
    }
    if let Some(plmn) = order.owner {
        profile.metadata.owner = Some(OperatorId { mcc_mnc: bcd::plmn(plmn), gid1: None, gid2: None });
    }
    if !profile.metadata.rules.is_empty() && profile.metadata.owner.is_none() {
        let cause =
            "policy rules are those of an owner, and a package names none; give owner=MCC-MNC as well"
                .to_owned();
        return Err(ServeError::Profile { path: order.profile.clone(), cause });
    }
    let iccid = profile.iccid.clone();
    placed.insert(iccid.clone(), order.profile.clone());
    let refused = |cause| ServeError::Order { profile: order.profile.clone(), cause };
    add(smdp, profile, subscriber.as_ref(), placing).map_err(|error| match error {
        AddError::Refused(cause) => refused(cause),
        AddError::Subscribers(error) => ServeError::Subscribers(error),
    })?;
    let state = |smdp: &Smdp| smdp.order(&iccid).map(|order| order.state());
    if state(smdp) == Some(OrderState::Available) {
        let eid = order.eid.clone();
        let download = DownloadOrder { eid, iccid: Some(iccid.clone()), profile_type: None };
        smdp.download_order(&download).map_err(refused)?;
    }
    if matches!(state(smdp), Some(OrderState::Allocated | OrderState::Linked)) {
        let confirm = ConfirmOrder {
            iccid: iccid.clone(),
            eid: order.eid.clone(),
            matching_id: order.matching_id.clone(),
            confirmation_code: order.confirmation_code.clone(),
            smds: placing.smds.filter(|_| order.eid.is_some()).map(str::to_owned),
            release: true,
        };
        smdp.confirm_order(placing.now_unix_s, &confirm).map_err(refused)?;
    }
    Ok(())
}

/// The profile of an order: of fresh subscribers the first whose ICCID is free, or is that of this very order.
fn free_profile(
    smdp: &Smdp,
    source: &ProfileSource,
    order: &OrderArg,
    mut number: u32,
    placed: &Placed,
) -> Result<(Profile, Option<Subscriber>), ServeError> {
    loop {
        let (profile, subscriber) = source.profile(number)?;
        let known = smdp.order(&profile.iccid);
        let same = |known: &Order| {
            let id = order.matching_id.as_deref();
            known.profile_type() == profile.profile_type && (id.is_none() || id == known.matching_id())
        };
        let other = match (placed.get(&profile.iccid), known) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(known)) if !same(known) => known.profile_type().to_owned(),
            (None, _) => return Ok((profile, subscriber)),
        };
        if subscriber.is_none() {
            let (path, iccid) = (order.profile.clone(), profile.iccid);
            return Err(ServeError::SameIccid { path, iccid, other });
        }
        number += 1;
    }
}

/// Has the profiles that operators may order, where they are not there yet.
pub fn stock(smdp: &mut Smdp, stock: &[StockArg], placing: &Placing<'_>) -> Result<(), ServeError> {
    for wanted in stock {
        let path = &wanted.profile;
        let source = ProfileSource::open(path, smdp.address(), entropy::fresh()?.tree().clone())?;
        let numbers = if source.is_package() { 0..1 } else { 0..wanted.number };
        for number in numbers {
            let (profile, subscriber) = source.profile(FIRST_IN_STOCK + number)?;
            if let Some(known) = smdp.order(&profile.iccid)
                && known.profile_type() != profile.profile_type
            {
                let other = known.profile_type().to_owned();
                return Err(ServeError::SameIccid { path: path.clone(), iccid: profile.iccid, other });
            }
            add(smdp, profile, subscriber.as_ref(), placing).map_err(|error| match error {
                AddError::Refused(cause) => ServeError::Order { profile: path.clone(), cause },
                AddError::Subscribers(error) => ServeError::Subscribers(error),
            })?;
        }
    }
    Ok(())
}

enum AddError {
    Refused(FunctionRefusal),
    Subscribers(FileError),
}

/// Takes a profile into the inventory, where it is not there. First goes what the home network needs: a profile whose keys
/// nobody knows is of no use.
fn add(
    smdp: &mut Smdp,
    profile: Profile,
    subscriber: Option<&Subscriber>,
    placing: &Placing<'_>,
) -> Result<(), AddError> {
    if smdp.order(&profile.iccid).is_some() {
        return Ok(());
    }
    if let (Some(path), Some(subscriber)) = (placing.subscribers, subscriber) {
        append(path, &profile.iccid, subscriber).map_err(AddError::Subscribers)?;
    }
    smdp.add_profile(profile).map_err(AddError::Refused)
}

/// Where the profile of an order comes from.
pub enum ProfileSource {
    /// Fresh subscribers.
    Fresh { producer: Box<Producer>, path: PathBuf },
    /// A package as it is: one profile.
    Package(Box<Profile>),
}

impl ProfileSource {
    /// The source in the file at `path`: a SIM profile in TOML or a package in DER. Fresh keys come from `rng`,
    /// notifications go to `address`.
    pub fn open(path: &Path, address: &str, rng: RngTree) -> Result<Self, ServeError> {
        if path.extension().is_some_and(|extension| extension == "der") {
            return Ok(Self::Package(Box::new(package(path, address)?)));
        }
        let profile = catalogue::profile(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let producer = Box::new(Producer::new(profile, &name, address, rng));
        Ok(Self::Fresh { producer, path: path.to_owned() })
    }

    /// Whether it is one profile and no more.
    fn is_package(&self) -> bool {
        matches!(self, Self::Package(_))
    }

    /// Profile number `number`, and where it is a fresh one, what the home network needs.
    pub fn profile(&self, number: u32) -> Result<(Profile, Option<Subscriber>), ServeError> {
        match self {
            Self::Fresh { producer, path } => {
                let wrong =
                    |cause: CardError| ServeError::Profile { path: path.clone(), cause: cause.to_string() };
                let (profile, subscriber) = producer.make(number).map_err(wrong)?;
                Ok((profile, Some(subscriber)))
            }
            Self::Package(profile) => Ok(((**profile).clone(), None)),
        }
    }
}

/// A profile package as it is.
fn package(path: &Path, address: &str) -> Result<Profile, ServeError> {
    let wrong = |cause: String| ServeError::Profile { path: path.to_owned(), cause };
    let bytes = pki_folder::read_file(path)?;
    let image = Package::decode(&bytes)
        .and_then(|package| package.image())
        .map_err(|error| wrong(error.to_string()))?;
    let iccid = bcd::read_iccid(&image.iccid)
        .map_err(|_| wrong(format!("{} is no ICCID with a right check digit", hex::encode(image.iccid))))?;
    let name = image.profile_type.unwrap_or_else(|| "profile".to_owned());
    let metadata = ProfileMetadata {
        iccid: image.iccid,
        service_provider: "cellbed".to_owned(),
        name: name.chars().take(64).collect(),
        icon: None,
        class: ProfileClass::Operational,
        notifications: vec![NotificationConfiguration {
            events: NotificationEvents::ALL,
            address: address.to_owned(),
        }],
        owner: None,
        rules: Default::default(),
        further: Vec::new(),
    };
    Ok(Profile { iccid, profile_type: name, metadata, package: bytes })
}

/// One line for a home network: what `subscriber` is, keys in clear.
fn append(path: &Path, iccid: &Iccid, subscriber: &Subscriber) -> Result<(), FileError> {
    let mut line = json!({
        "imsi": subscriber.imsi,
        "iccid": iccid,
        "k": hex::encode(subscriber.k),
        "amf": hex::encode(subscriber.amf),
        "sqn": format!("{:012x}", subscriber.sqn),
    });
    let (name, value) = match subscriber.operator {
        OperatorConstant::Opc(opc) => ("opc", hex::encode(opc)),
        OperatorConstant::Topc(topc) => ("topc", hex::encode(topc)),
        OperatorConstant::None => ("algorithm", "xor".to_owned()),
    };
    line[name] = json!(value);
    files::append(path, OWNER_ONLY, format!("{line}\n").as_bytes())
}
