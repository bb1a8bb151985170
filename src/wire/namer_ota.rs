//! How packets over the air are called: what stands in clear in them, and no more.

use super::label::{Label, Proto};
use super::ota::{CommandPacket, Concatenation, Deliver, Part, SmsPpDownload};

/// The name of an ENVELOPE with this data.
pub(super) fn envelope(data: &[u8]) -> Label {
    let label = Label::new(Proto::Apdu, "ENVELOPE");
    let Ok(download) = SmsPpDownload::parse(data) else { return label };
    let label = label.with("download", "sms-pp");
    let part = Deliver::parse(&download.tpdu).ok().and_then(|deliver| Part::parse(&deliver.user_data).ok());
    match part {
        Some(Part { concatenation: Some(Concatenation { parts, number, .. }), .. }) => {
            label.with("part", format!("{number}/{parts}"))
        }
        Some(Part { payload, .. }) => match CommandPacket::read(&payload) {
            Ok(packet) => label.with("tar", hex::encode(packet.header().tar)),
            Err(_) => label,
        },
        None => label,
    }
}

#[cfg(test)]
mod tests {
    use super::super::namer::describe;

    #[test]
    fn an_envelope_is_named_by_what_is_in_clear() {
        let name = |hex: &str| {
            let label = describe(&hex::decode(hex).unwrap(), &[0x90, 0x00]).0;
            format!("{} {:?}", label.name, label.fields)
        };
        let packet = "80c200004fd14d820283810607911032547698f08b3e400881214365877ff6227052000000002d02700000281516192222\
                      4953411e57d0a6482accb7973070fc13732218f2ffa664983f4595f01ce7f17838374a00";
        assert_eq!(name(packet), r#"ENVELOPE [("download", "sms-pp"), ("tar", "495341")]"#);
        // A second part, a message of another kind, and an event for the toolkit.
        let part = "80c2000022d120820283818b1a440881214365877ff62270520000000009050003420202aabbcc00";
        assert_eq!(name(part), r#"ENVELOPE [("download", "sms-pp"), ("part", "2/2")]"#);
        assert_eq!(name("80c2000009d607990105820282810000"), "ENVELOPE []");
    }
}
