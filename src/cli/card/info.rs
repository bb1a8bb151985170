//! `cellbed card info`: what a card is.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{Done, Inserted, insert};
use crate::cli::args::CardInfoArgs;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::kernel::Page;
use crate::reader::identity::mask;
use crate::reader::{CardInfo, Pin, Subscriber, Terminal, Told, Tries, examine, meaning, services};

/// Prints what the card says.
pub(super) fn main(args: &CardInfoArgs) -> Done {
    let Inserted { mut slot, atr } = insert(&args.card)?;
    let info = examine(&mut Terminal::new(&mut slot), atr)?;
    if args.json {
        terminal::json(&json(&info, args.show_identifiers));
    } else {
        terminal::page(&text(&info, args.show_identifiers));
    }
    Ok(Exit::Pass)
}

/// The same for programs. What the card does not tell is null, and why stands beside it.
fn json(info: &CardInfo, show_identifiers: bool) -> Value {
    let identifier = |digits: &str| if show_identifiers { digits.to_owned() } else { mask(digits) };
    let mut withheld = serde_json::Map::new();
    let mut value = |name: &str, read: &Told<String>| match read {
        Told::Value(digits) => Value::String(identifier(digits)),
        refused => {
            withheld.insert(name.to_owned(), told(refused, |_| String::new()).into());
            Value::Null
        }
    };
    let iccid = value("iccid", &info.iccid);
    let text = |read: &Told<_>| match read {
        Told::Value(imsi) => Told::Value(crate::id::Imsi::as_str(imsi).to_owned()),
        Told::Refused(status) => Told::Refused(*status),
        Told::Malformed => Told::Malformed,
    };
    let imsi = info.subscriber.as_ref().map(|subscriber| value("imsi", &text(&subscriber.imsi)));
    let applications = info.applications.iter().map(|application| {
        json!({
            "aid": hex::encode_upper(&application.aid),
            "name": application.name(),
            "label": application.label,
        })
    });
    let services = info.subscriber.as_ref().and_then(|subscriber| match &subscriber.services {
        Told::Value(numbers) => Some(numbers.clone()),
        _ => None,
    });
    let pins = info.pins.iter().map(|pin| {
        let tries = if let Tries::Left(tries) = pin.tries { Some(tries) } else { None };
        json!({
            "name": Pin::name(pin.reference),
            "reference": pin.reference,
            "enabled": pin.enabled,
            "tries": tries,
            "state": pin_state(pin),
        })
    });
    let eid = info.euicc.as_ref().map(|euicc| told(&euicc.eid, |eid| identifier(eid.as_str())));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "atr": hex::encode_upper(&info.atr),
        "lab_keys": info.decoded_atr().is_ok_and(|atr| atr.has_lab_keys()),
        "uicc": info.no_uicc.is_none(),
        "iccid": iccid,
        "imsi": imsi,
        "withheld": withheld,
        "applications": applications.collect::<Vec<_>>(),
        "usim": info.subscriber.is_some(),
        "services": services,
        "pins": pins.collect::<Vec<_>>(),
        "iot_safe": info.iot_safe,
        "euicc": info.euicc.is_some(),
        "eid": eid,
    })
}

fn text(info: &CardInfo, show_identifiers: bool) -> Page {
    let identifier = |digits: &str| if show_identifiers { digits.to_owned() } else { mask(digits) };
    let mut text = atr(info);
    if let Some(status) = info.no_uicc {
        text += line("card", format!("no UICC: SELECT MF gave {status}; a SIM of GSM alone is not read"));
    }
    text += line("ICCID", told(&info.iccid, |digits| identifier(digits)));
    for (n, application) in info.applications.iter().enumerate() {
        let label = if application.label == application.name() { "" } else { &application.label };
        let name = [application.name(), label].join("  ");
        let title = if n == 0 { "applications" } else { "" };
        text += line(title, format!("{:<32}  {}", hex::encode_upper(&application.aid), name.trim()));
    }
    match &info.subscriber {
        Some(subscriber) => text += of_subscriber(subscriber, &identifier),
        None => text += line("USIM", "none answers"),
    }
    for pin in &info.pins {
        text += line(Pin::name(pin.reference), pin_state(pin));
    }
    text += line(
        "IoT SAFE",
        match &info.iot_safe[..] {
            [] => "none answers".to_owned(),
            names => format!("answers to the AIDs of {}", names.join(", ")),
        },
    );
    text += line(
        "eUICC",
        match &info.euicc {
            None => "no".to_owned(),
            Some(euicc) => format!("EID {}", told(&euicc.eid, |eid| identifier(eid.as_str()))),
        },
    );
    text
}

/// What is said of a card whose keys follow from a seed.
pub(super) const LAB_KEYS: &str = "lab keys: they follow from a seed, are public and prove nothing";

/// A title and what stands beside it; further lines have no title.
fn line(title: &str, value: impl Display) -> Page {
    Page::titled(14, title, value)
}

fn atr(info: &CardInfo) -> Page {
    let mut text = line("ATR", hex::encode_upper(&info.atr));
    match info.decoded_atr() {
        Err(cause) => text += line("", format!("not as ISO/IEC 7816-3 has it: {cause}")),
        Ok(atr) => {
            let convention = if atr.initial == 0x3b { "direct" } else { "inverse" };
            let (ts, t0) = (atr.initial, atr.format);
            let protocols = atr.protocol_names();
            text += line("", format!("TS {ts:02X} {convention} convention, T0 {t0:02X}, {protocols}"));
            text += line("", format!("historical bytes {}", hex::encode_upper(&atr.historical)));
            for meaning in atr.historical_meaning() {
                text += line("", format!("  {meaning}"));
            }
            if atr.has_lab_keys() {
                text += line("keys", LAB_KEYS);
            }
        }
    }
    text
}

fn told<T>(told: &Told<T>, show: impl FnOnce(&T) -> String) -> String {
    match told {
        Told::Value(value) => show(value),
        Told::Refused(status) => format!("no access: {status}, {}", meaning(*status)),
        Told::Malformed => "not readable: the content is not what the specification has there".to_owned(),
    }
}

fn of_subscriber(subscriber: &Subscriber, identifier: &dyn Fn(&str) -> String) -> Page {
    let mut text = line("IMSI", told(&subscriber.imsi, |imsi| identifier(imsi.as_str())));
    let network = match (&subscriber.imsi, &subscriber.mnc_digits) {
        (Told::Value(imsi), Told::Value(digits)) => {
            let (mcc, rest) = imsi.as_str().split_at(3);
            format!("{mcc}-{}, an MNC of {digits} digits", &rest[..usize::from(*digits).min(rest.len())])
        }
        (_, digits) => told(digits, |digits| format!("an MNC of {digits} digits")),
    };
    text += line("network", network);
    match &subscriber.services {
        Told::Value(numbers) if numbers.is_empty() => text += line("services", "none"),
        Told::Value(numbers) => {
            for (n, number) in numbers.iter().enumerate() {
                let name = services::name(*number).unwrap_or("reserved, or newer than this program");
                text += line(if n == 0 { "services" } else { "" }, format!("{number:>3} {name}"));
            }
        }
        other => text += line("services", told(other, |_| String::new())),
    }
    text
}

fn pin_state(pin: &Pin) -> String {
    let enabled = match pin.enabled {
        Some(true) => "enabled, ",
        Some(false) => "disabled, ",
        None => "",
    };
    let tries = match pin.tries {
        Tries::Left(1) => "1 try left".to_owned(),
        Tries::Left(n) => format!("{n} tries left"),
        Tries::Blocked => "blocked".to_owned(),
        Tries::NotNeeded => "nothing to verify".to_owned(),
        Tries::Absent => "not known to the card".to_owned(),
        Tries::Unknown(status) => format!("tries not told ({status})"),
    };
    format!("{enabled}{tries}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::card::test_card;

    fn printed(enabled: bool, show_identifiers: bool) -> Page {
        let mut slot = test_card(|p| p.pin.enabled = enabled);
        let atr = slot.reset().unwrap();
        text(&examine(&mut Terminal::new(&mut slot), atr).unwrap(), show_identifiers)
    }

    #[test]
    fn programs_read_the_same() {
        let card = |enabled: bool, show: bool| {
            let mut slot = test_card(|p| p.pin.enabled = enabled);
            let atr = slot.reset().unwrap();
            json(&examine(&mut Terminal::new(&mut slot), atr).unwrap(), show)
        };
        let shown = card(false, true);
        assert_eq!(shown["imsi"], "001010000000001");
        assert_eq!(
            (&shown["usim"], &shown["euicc"], &shown["eid"]),
            (&json!(true), &json!(false), &Value::Null)
        );
        assert_eq!(shown["pins"][0]["tries"], 3);
        assert!(shown["services"].as_array().is_some_and(|services| !services.is_empty()));
        assert!(!card(false, false).to_string().contains("001010000000001"));
        let closed = card(true, true);
        assert_eq!(closed["imsi"], Value::Null);
        assert!(closed["withheld"]["imsi"].as_str().unwrap().contains("6982"), "{closed}");
        let mut keys: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let stable = "applications atr eid euicc iccid imsi iot_safe lab_keys pins services uicc usim version withheld";
        assert_eq!(keys.join(" "), stable);
    }

    #[test]
    fn identifiers_are_masked() {
        insta::assert_snapshot!(printed(false, false));
    }

    #[test]
    fn identifiers_are_shown_where_asked_for() {
        let text = printed(false, true);
        assert!(text.contains("001010000000001") && text.contains("8988211000000000011"), "{text}");
    }

    #[test]
    fn what_a_pin_guards_is_said() {
        let text = printed(true, true);
        assert!(
            text.contains("IMSI          no access: 6982, a PIN or key must be verified first"),
            "{text}"
        );
        assert!(text.contains("PIN1          enabled, 3 tries left"), "{text}");
    }
}
