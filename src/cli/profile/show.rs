//! `cellbed profile show`: what is in a package, as text and as JSON.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{Done, ProfileError, text_instead};
use crate::cli::args::ProfileShowArgs;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::io::files;
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::identity;
use crate::wire::saip::{Element, FileKind, Image, ImageFile, Package, PackageError, PinImage, PukImage};

/// What may be printed.
#[derive(Debug, Clone, Copy)]
struct Shown {
    identifiers: bool,
    keys: bool,
}

/// Prints the package. One that a card could not install is shown as far as it goes.
pub(super) fn main(args: &ProfileShowArgs) -> Done {
    let bytes = files::read_bytes(&args.file)?;
    if let Some(text) = text_instead(&args.file, &bytes) {
        return Err(text);
    }
    let package = Package::decode(&bytes)
        .map_err(|source| ProfileError::Package { path: args.file.clone(), source })?;
    let image = package.image();
    let shown = Shown { identifiers: args.show_identifiers, keys: args.show_keys };
    if args.json {
        terminal::json(&json(&package, bytes.len(), image.as_ref(), shown));
    } else {
        terminal::page(&text(&package, bytes.len(), image.as_ref(), shown));
    }
    match image {
        Ok(_) => Ok(Exit::Pass),
        Err(error) => {
            terminal::failure(format_args!("a card could not install it: {error}"));
            Ok(Exit::Failed)
        }
    }
}

/// A title and what stands beside it; further lines have no title.
fn line(title: &str, value: impl Display) -> Page {
    Page::titled(14, title, value)
}

fn text(package: &Package, bytes: usize, image: Result<&Image, &PackageError>, shown: Shown) -> Page {
    let mut text = line("package", format!("{bytes} bytes, {} elements", package.elements.len()));
    if let Some(header) = package.header() {
        text += line("version", format!("{}.{}", header.major_version, header.minor_version));
        text += line("type", header.profile_type.as_deref().unwrap_or("not given"));
        text += line("ICCID", iccid(&header.iccid.map(|byte| byte.rotate_left(4)), shown));
        let services: Vec<&str> = header.mandatory_services.names().collect();
        text += line("needs", services.join(", "));
    }
    for (place, element) in package.numbered() {
        let title = if place.index == 0 { "elements" } else { "" };
        text += line(title, format!("{:>3} {}", place.index, of_element(element)));
    }
    if let Ok(image) = image {
        text += of_image(image, shown);
    }
    text
}

fn of_element(element: &Element) -> String {
    let mut said = format!("{:<22}", element.name());
    if let Some(head) = element.head() {
        said += &format!("{:<6}{}", head.identification, if head.mandated { "mandated" } else { "" });
    }
    if let Element::Template(_, files) = element {
        said += &format!("  template {}, {} files", files.template, files.files.len());
    }
    said
}

fn of_image(image: &Image, shown: Shown) -> Page {
    let mut text = row!("");
    text += row!("{:<34}{:<18}{:>6}  {:<4}{:<8}content", "file", "structure", "bytes", "sfi", "rule");
    for (place, file) in image.files.iter().enumerate() {
        let depth = image.path(place).len() - 1;
        let name = format!("{}{:04X} {}", "  ".repeat(depth), file.id, file.name);
        let size = match file.kind {
            FileKind::Directory { .. } | FileKind::Link { .. } => String::new(),
            FileKind::BerTlv { size, .. } => size.to_string(),
            _ => file.content.len().to_string(),
        };
        let sfi = file.sfi.map_or_else(String::new, |sfi| format!("{sfi:02X}"));
        let rule = hex::encode(file.security);
        let content = content(image, place, shown);
        text += row!("{name:<34}{:<18}{size:>6}  {sfi:<4}{rule:<8}{content}", structure(&file.kind));
    }
    text += row!("");
    for (n, pin) in image.pins.iter().enumerate() {
        text += line(if n == 0 { "codes" } else { "" }, of_pin(image, pin, shown));
    }
    for puk in &image.puks {
        text += line("", of_puk(puk, shown));
    }
    for (n, subscription) in image.subscriptions.iter().enumerate() {
        let adf = path(image, subscription.adf);
        let from = match subscription.shares_sqn_of {
            Some(other) => format!(", those of {}", path(image, image.subscriptions[other].adf)),
            None => String::new(),
        };
        let keys = format!("{:?}, K {}", subscription.algorithm, secret(&subscription.key, shown));
        let opc = format!("OPc {}", secret(&subscription.opc, shown));
        text += line(if n == 0 { "keys" } else { "" }, format!("{adf} {keys}, {opc}{from}"));
    }
    let applications = applications(image);
    for (n, (what, aid)) in applications.iter().enumerate() {
        text +=
            line(if n == 0 { "applications" } else { "" }, format!("{:<34}{what}", hex::encode_upper(aid)));
    }
    for left_out in &image.left_out {
        text += line("left out", left_out);
    }
    text
}

fn path(image: &Image, place: usize) -> String {
    let path: Vec<String> = image.path(place).iter().map(|id| format!("{id:04X}")).collect();
    path.join("/")
}

fn structure(kind: &FileKind) -> String {
    match kind {
        FileKind::Directory { aid: None, .. } => "directory".to_owned(),
        FileKind::Directory { .. } => "application".to_owned(),
        FileKind::Transparent { .. } => "transparent".to_owned(),
        FileKind::LinearFixed { record, count } => format!("linear {count} x {record}"),
        FileKind::Cyclic { record, count } => format!("cyclic {count} x {record}"),
        FileKind::BerTlv { .. } => "BER-TLV".to_owned(),
        FileKind::Link { .. } => "link".to_owned(),
    }
}

fn iccid(content: &[u8], shown: Shown) -> String {
    match identity::iccid_digits(content) {
        Some(digits) if shown.identifiers => digits,
        Some(digits) => identity::mask(&digits),
        None => "not readable".to_owned(),
    }
}

fn secret(value: &[u8], shown: Shown) -> String {
    match (value, shown.keys) {
        ([], _) => "none".to_owned(),
        (value, true) => hex::encode(value),
        (value, false) => format!("of {} bytes", value.len()),
    }
}

/// How many bytes of content a line has room for.
const BYTES_SHOWN: usize = 24;

/// The content of a file in a few bytes, or why it is not shown.
fn content(image: &Image, place: usize, shown: Shown) -> String {
    let file = &image.files[place];
    match &file.kind {
        FileKind::Directory { aid, .. } => aid.as_ref().map_or_else(String::new, hex::encode_upper),
        FileKind::Link { to } => format!("is {}", path(image, *to)),
        _ => match withheld(file, shown) {
            Some(what) if !erased(&file.content) => format!("not shown without --show-{what}"),
            _ => summary(&file.content),
        },
    }
}

fn erased(content: &[u8]) -> bool {
    content.iter().all(|byte| *byte == 0xff)
}

fn summary(content: &[u8]) -> String {
    let used = content.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1);
    match (content.len(), used) {
        (0, _) => "empty".to_owned(),
        (_, 0) => "erased".to_owned(),
        (_, used) if used > BYTES_SHOWN => format!("{}…", hex::encode(&content[..BYTES_SHOWN])),
        (_, used) => hex::encode(&content[..used.max(content.len().min(BYTES_SHOWN))]),
    }
}

/// Files that hold keys, by their names in the templates.
const KEYS: &[&str] = &[
    "ef-keys",
    "ef-keysPS",
    "ef-kc",
    "ef-kcgprs",
    "ef-epsnsc",
    "ef-5gs3gppnsc",
    "ef-5gsn3gppnsc",
    "ef-5gauthkeys",
    "ef-msk",
    "ef-muk",
    "ef-hiddenkey",
    "ef-hidden-key",
    "ef-spc",
    "ef-3gcik",
    "ef-eapkeys",
    "ef-kausf-derivation",
];

/// Files that say who the subscriber is, whom they know, or where they were.
const IDENTIFIERS: &[&str] = &[
    "ef-iccid",
    "ef-imsi",
    "ef-impi",
    "ef-impu",
    "ef-domain",
    "ef-msisdn",
    "ef-loci",
    "ef-psloci",
    "ef-epsloci",
    "ef-5gs3gpploci",
    "ef-5gsn3gpploci",
    "ef-supinai",
    "ef-acc",
    "ef-sms",
    "ef-smsr",
    "ef-smsp",
    "ef-fdn",
    "ef-sdn",
    "ef-bdn",
    "ef-adn",
    "ef-ici",
    "ef-oci",
    "ef-imsi-m",
    "ef-imsi-t",
    "ef-tmsi",
    "ef-mdn",
    "ef-ruimid",
    "ef-sf-euimid",
    "ef-esn-meid-me",
    "ef-accolc",
    "ef-puid",
    "ef-psismsc",
    "ef-sipupp",
    "ef-mipupp",
    "ef-hrpdupp",
    "ef-reid",
    "ef-realm",
    "ef-gbabp",
];

/// What a file holds where it is not printed for that. A file without a template has no name that would tell: it
/// counts as one that holds identifiers.
fn withheld(file: &ImageFile, shown: Shown) -> Option<&'static str> {
    // EF.Kc of DF.GSM, which has no template.
    let keys = KEYS.contains(&file.name) || file.name == "file" && matches!(file.id, 0x6f20 | 0x6f52);
    let identifiers = IDENTIFIERS.contains(&file.name) || file.name == "file";
    match (keys, identifiers) {
        (true, _) if !shown.keys => Some("keys"),
        (false, true) if !shown.identifiers => Some("identifiers"),
        _ => None,
    }
}

fn of_pin(image: &Image, pin: &PinImage, shown: Shown) -> String {
    let state = if pin.enabled() { "enabled" } else { "disabled" };
    let puk = pin.puk.map_or_else(String::new, |puk| format!(", unblocked by PUK {puk}"));
    let value = code(&pin.value, shown);
    format!(
        "code {:<4}of {}, {state}, {} of {} tries{puk}{value}",
        pin.key_reference,
        path(image, pin.owner),
        pin.attempts.left,
        pin.attempts.max,
    )
}

fn of_puk(puk: &PukImage, shown: Shown) -> String {
    let value = code(&puk.value, shown);
    format!("PUK {:<5}{} of {} tries{value}", puk.key_reference, puk.attempts.left, puk.attempts.max)
}

fn code(value: &[u8; 8], shown: Shown) -> String {
    if shown.keys { format!(": {}", hex::encode(value)) } else { String::new() }
}

/// Applications that are no directories, with their AIDs.
fn applications(image: &Image) -> Vec<(String, &[u8])> {
    let domains = image.security_domains.iter().map(|domain| {
        (format!("security domain, {} keys", domain.keys.len()), &domain.instance.instance[..])
    });
    let rfm = image.rfm.iter().map(|rfm| {
        let tars: Vec<String> = rfm.tars.iter().map(hex::encode_upper).collect();
        (format!("remote file management, TAR {}", tars.join(", ")), &rfm.instance[..])
    });
    let applets = image
        .applets
        .iter()
        .map(|applet| (format!("instance of {}", hex::encode_upper(&applet.class)), &applet.instance[..]));
    let code = image
        .load_packages
        .iter()
        .map(|package| (format!("code of {} bytes", package.block.len()), &package.aid[..]));
    domains.chain(code).chain(applets).chain(rfm).collect()
}

fn json(package: &Package, bytes: usize, image: Result<&Image, &PackageError>, shown: Shown) -> Value {
    let elements: Vec<Value> = package
        .numbered()
        .map(|(place, element)| {
            json!({
                "index": place.index,
                "name": place.name,
                "identification": element.head().map(|head| head.identification),
                "mandated": element.head().is_some_and(|head| head.mandated),
            })
        })
        .collect();
    let mut value = json!({ "bytes": bytes, "elements": elements });
    if let Some(header) = package.header() {
        value["version"] = json!([header.major_version, header.minor_version]);
        value["type"] = json!(header.profile_type);
        value["iccid"] = json!(iccid(&header.iccid.map(|byte| byte.rotate_left(4)), shown));
        value["needs"] = json!(header.mandatory_services.names().collect::<Vec<_>>());
    }
    match image {
        Ok(image) => image_json(image, shown, &mut value),
        Err(error) => {
            value["error"] = json!({
                "element": error.element.index,
                "name": error.element.name,
                "path": error.path,
                "cause": error.cause,
                "status": error.status.name(),
                "code": error.status.0,
            });
        }
    }
    value
}

fn image_json(image: &Image, shown: Shown, value: &mut Value) {
    let file = |(place, file): (usize, &ImageFile)| {
        let withheld = withheld(file, shown).filter(|_| !file.content.is_empty());
        json!({
            "path": path(image, place),
            "name": file.name,
            "element": file.element.index,
            "structure": structure(&file.kind),
            "sfi": file.sfi,
            "rule": hex::encode(file.security),
            "link": match file.kind { FileKind::Link { to } => Some(path(image, to)), _ => None },
            "content": if withheld.is_none() { Some(hex::encode(&file.content)) } else { None },
            "withheld": withheld,
        })
    };
    value["files"] = image.files.iter().enumerate().map(file).collect();
    value["codes"] = image
        .pins
        .iter()
        .map(|pin| {
            json!({
                "key_reference": pin.key_reference,
                "directory": path(image, pin.owner),
                "enabled": pin.enabled(),
                "puk": pin.puk,
                "tries": pin.attempts.left,
                "value": shown.keys.then(|| hex::encode(pin.value)),
            })
        })
        .collect();
    value["keys"] = image
        .subscriptions
        .iter()
        .map(|subscription| {
            json!({
                "application": path(image, subscription.adf),
                "algorithm": format!("{:?}", subscription.algorithm),
                "k": shown.keys.then(|| hex::encode(&subscription.key)),
                "opc": shown.keys.then(|| hex::encode(&subscription.opc)),
                "shared_with": subscription.shares_sqn_of.map(|other| path(image, image.subscriptions[other].adf)),
            })
        })
        .collect();
    value["applications"] = applications(image)
        .into_iter()
        .map(|(what, aid)| json!({ "aid": hex::encode_upper(aid), "what": what }))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{self, SimProfile};

    const HIDDEN: Shown = Shown { identifiers: false, keys: false };

    fn built() -> Package {
        let toml = include_str!("../../../sim-profiles/lte-test.toml");
        card::package(&SimProfile::parse(toml).unwrap().personalise(0).unwrap())
    }

    fn printed(package: &Package, shown: Shown) -> Page {
        text(package, package.encode().len(), package.image().as_ref(), shown)
    }

    #[test]
    fn a_built_package() {
        insta::assert_snapshot!(printed(&built(), HIDDEN));
    }

    #[test]
    fn a_public_package() {
        let bytes = include_bytes!("../../../sim-profiles/ts48/ts48-v7.0-bertlv-suci.der");
        insta::assert_snapshot!(printed(&Package::decode(bytes).unwrap(), HIDDEN));
    }

    #[test]
    fn secrets_are_printed_only_where_asked_for() {
        let package = built();
        let (k, imsi, pin) = ("465b5ce8b199b49faa5f0a2ee238a6bc", "080910100000000010", "30303030ffffffff");
        for json_too in [false, true] {
            let all = |shown: Shown| match json_too {
                false => printed(&package, shown).to_string(),
                true => json(&package, 0, package.image().as_ref(), shown).to_string(),
            };
            let hidden = all(HIDDEN);
            assert!(!hidden.contains(k) && !hidden.contains(imsi) && !hidden.contains(pin), "{hidden}");
            let identifiers = all(Shown { identifiers: true, keys: false });
            assert!(identifiers.contains(imsi) && !identifiers.contains(k) && !identifiers.contains(pin));
            let keys = all(Shown { identifiers: false, keys: true });
            assert!(keys.contains(k) && keys.contains(pin) && !keys.contains(imsi));
        }
    }

    #[test]
    fn a_package_that_no_card_takes_is_shown_as_far_as_it_goes() {
        let mut package = built();
        package.elements.pop();
        let said = printed(&package, HIDDEN);
        assert!(said.contains("  1 mf") && !said.contains("structure"), "{said}");
        let value = json(&package, 0, package.image().as_ref(), HIDDEN);
        assert_eq!(value["error"]["status"], "invalid-request-format");
    }
}
