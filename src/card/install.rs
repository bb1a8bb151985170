//! Installation of a profile from the image of its package (TCA profile interoperability; GSMA SGP.22 clause
//! 2.5.6). What cannot be is refused with the element that asks for it; nothing is left out silently.

use std::borrow::Cow;

use super::aka::Aka;
use super::capabilities;
use super::fs::{FileSystem, Index, Tree};
use super::installed::{AppletInstance, InstalledProfile};
use super::iot_safe::{self, Applet};
use super::ota::Administration;
use super::pin::Pins;
use super::sqn::SqnArray;
use super::usim::{Subscribers, Usim};
use crate::kernel::RngTree;
use crate::wire::saip::{self, ElementRef, Image, PackageError, PeStatusCode};

/// Why `element` cannot be installed. `path` is the place in it.
pub(super) fn refused(
    element: ElementRef,
    path: impl Into<String>,
    cause: impl Into<String>,
    status: PeStatusCode,
) -> PackageError {
    PackageError {
        element,
        identification: None,
        path: path.into(),
        cause: cause.into(),
        status,
        offset: None,
    }
}

/// Bit 3 of a GlobalPlatform life cycle state: the application is selectable.
const SELECTABLE: u8 = 0x04;

impl InstalledProfile {
    /// Installs the profile of `image`. Keys that it makes and random numbers come from `rng`, which is this
    /// profile's alone; `trust_anchor` is the DER certificate that an IoT SAFE applet is delivered with.
    ///
    /// An application whose load package or class has an AID of IoT SAFE is the applet of this program, and there
    /// may be one. Applications with a load block in the package are stored and [listed](Self::stored_applications),
    /// not run; security domains and remote file management are reached over the air. The AIDs of none of these select.
    pub fn install(image: &Image, rng: &RngTree, trust_anchor: &[u8]) -> Result<Self, PackageError> {
        capabilities::check(image)?;
        let tree = Tree::of_image(image)?;
        let pins = Pins::of_image(image)?;
        let subscribers = subscribers(image, &tree)?;
        let applet = applet(image, &tree, rng, trust_anchor)?;
        let mut stored = Vec::new();
        let instances = image.applets.iter().filter(|instance| !is_iot_safe(instance));
        stored.extend(instances.map(|instance| instance.instance.clone()));
        stored.extend(image.security_domains.iter().map(|domain| domain.instance.instance.clone()));
        stored.extend(image.rfm.iter().map(|rfm| rfm.instance.clone()));
        let reached =
            applet.as_ref().and_then(|_| image.applets.iter().find(|instance| is_iot_safe(instance)));
        let administration = Administration::of_image(image, &tree, reached)
            .map_err(|(element, cause)| refused(element, "", cause, PeStatusCode::BAD_VALUES))?;
        let files = FileSystem::of_tree(tree);
        let made = Self::new(image.iccid, files, pins, subscribers, applet, rng);
        Ok(made.with_stored(stored, administration))
    }
}

fn subscribers(image: &Image, tree: &Tree) -> Result<Subscribers, PackageError> {
    let mut usims = Vec::with_capacity(image.subscriptions.len());
    let mut sqn = Vec::new();
    // Place of the sequence numbers of each subscription that has its own.
    let mut places = vec![None; image.subscriptions.len()];
    for (at, subscription) in image.subscriptions.iter().enumerate() {
        let bad = |cause: String| refused(subscription.element, "", cause, PeStatusCode::BAD_VALUES);
        if subscription.shares_sqn_of.is_none() {
            places[at] = Some(sqn.len());
            // Test USIMs take any number; what the package says of it has no meaning (TS 34.108 clause 8.1.2).
            sqn.push(match subscription.algorithm {
                saip::AkaAlgorithm::Test => SqnArray::new(0),
                _ => SqnArray::of_image(&subscription.sqn).map_err(|cause| {
                    refused(subscription.element, "sqnOptions", cause, PeStatusCode::FEATURE_NOT_SUPPORTED)
                })?,
            });
        }
        let is_adf = |adf: &Index| tree.applications().any(|(_, index)| index == *adf);
        let adf = Index::try_from(subscription.adf).ok().filter(is_adf);
        let adf = adf.ok_or_else(|| bad("it authenticates for a file that is no ADF".to_owned()))?;
        if usims.iter().any(|(other, _)| *other == adf) {
            return Err(bad("the ADF has an AKA parameter already".to_owned()));
        }
        let aka = Aka::of_image(subscription).map_err(|cause| {
            refused(subscription.element, "algoParameter", cause, PeStatusCode::FEATURE_NOT_SUPPORTED)
        })?;
        usims.push((adf, aka));
    }
    let mut made = Vec::with_capacity(usims.len());
    for (at, ((adf, aka), subscription)) in usims.into_iter().zip(&image.subscriptions).enumerate() {
        let place = places.get(subscription.shares_sqn_of.unwrap_or(at)).copied().flatten();
        let place = place.ok_or_else(|| {
            let cause = "it shares the sequence numbers of a subscription that has none of its own";
            refused(subscription.element, "mappingParameter", cause, PeStatusCode::BAD_VALUES)
        })?;
        made.push(Usim::new(aka, vec![adf], place, subscription.counter_max));
    }
    Ok(Subscribers::new(made, sqn))
}

fn is_iot_safe(instance: &saip::AppletInstance) -> bool {
    let known: [&[u8]; 3] = [&iot_safe::AID_GSMA, &iot_safe::AID_THALES, &iot_safe::AID_CIRA];
    known.iter().any(|aid| instance.class.starts_with(aid) || instance.load_package.starts_with(aid))
}

/// The IoT SAFE applet, if the package has one. All other applications must bring what they run on.
fn applet(
    image: &Image,
    tree: &Tree,
    rng: &RngTree,
    trust_anchor: &[u8],
) -> Result<Option<AppletInstance>, PackageError> {
    let mut made: Option<AppletInstance> = None;
    for instance in &image.applets {
        let refuse = |cause: &str, status| refused(instance.element, "", cause, status);
        let named = image.applets.iter().filter(|other| other.instance == instance.instance).count();
        let is_adf = tree.applications().any(|(aid, _)| aid == instance.instance);
        if !(5..=16).contains(&instance.instance.len()) {
            return Err(refuse("the AID of its instance has not 5 to 16 bytes", PeStatusCode::BAD_VALUES));
        }
        if named > 1 || is_adf {
            return Err(refuse("another application has the AID of its instance", PeStatusCode::BAD_VALUES));
        }
        if !is_iot_safe(instance) {
            if !image.load_packages.iter().any(|package| package.aid == instance.load_package) {
                let aid = hex::encode_upper(&instance.load_package);
                let cause = format!("its load package {aid} is neither in the profile nor on the card");
                return Err(refuse(&cause, PeStatusCode::LIB_NOT_SUPPORTED));
            }
            continue;
        }
        if made.is_some() {
            let cause = "a profile can have one IoT SAFE applet, this is the second";
            return Err(refuse(cause, PeStatusCode::FEATURE_NOT_SUPPORTED));
        }
        let applet = Applet::new(rng, trust_anchor, None)
            .map_err(|error| refuse(&error.to_string(), PeStatusCode::NOT_ENOUGH_MEMORY))?;
        let selectable = instance.life_cycle & SELECTABLE != 0;
        let aids = if selectable { vec![Cow::Owned(instance.instance.clone())] } else { Vec::new() };
        made = Some(AppletInstance { applet, aids });
    }
    Ok(made)
}
