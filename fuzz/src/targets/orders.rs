//! Orders of a registrar as the parts of a network read them: any bytes are one or refused, what is taken is written as it
//! was read, and nothing is taken twice.

use cellbed::wire::order::{Grounds, Inbox, OrderError, Verdict};

/// Any bytes, which are taken to be signed by whoever they name: what is tried is the reading.
pub fn run(bytes: &[u8]) {
    let mut inbox = Inbox::new(|_, _, _| true).following("registrar", [0; 64]);
    let Ok(order) = inbox.take(0, bytes) else { return };
    let token = order.sign(|_| [0; 64]);
    assert_eq!(inbox.clone().take(0, bytes).map_err(|error| error.word()), Err("replayed"));
    let again = Inbox::new(|_, _, _| true).following("registrar", [0; 64]).take(0, &token);
    assert_eq!(again, Ok(order.clone()));
    assert!(
        matches!(order.grounds, Grounds::Ledger { .. })
            || matches!(order.verdict, Verdict::Restrict | Verdict::Release),
        "{order:?}"
    );
    let mut deaf = Inbox::new(|_, _, _| false).following("registrar", [0; 64]);
    assert!(matches!(deaf.take(0, bytes), Err(OrderError::BadSignature { .. })));
}
