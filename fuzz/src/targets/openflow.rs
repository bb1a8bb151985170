//! OpenFlow: octets are a stream of messages, each of which is one or refused with a code; what was read is written, and read
//! again as it was.

use cellbed::wire::openflow::{Body, Framer, Message};

/// A stream of octets.
pub fn run(octets: &[u8]) {
    let mut framer = Framer::default();
    framer.push(octets);
    while let Ok(Some(message)) = framer.next_message() {
        match Message::decode(&message) {
            Ok(read) => {
                let _ = read.label();
                let written = read.encode().expect("what was read fits");
                assert_eq!(Message::decode(&written).as_ref(), Ok(&read));
            }
            Err(error) => {
                let code = error.code().expect("a framed message is answered");
                let answer = Message::new(Message::xid_of(&message), Body::error(code, &message));
                answer.encode().expect("an answer is short");
            }
        }
    }
}
