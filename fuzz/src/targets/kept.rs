//! Cards whose state is kept and taken by another body.

use cellbed::card::Uicc;

/// `fresh` in the state of `card`.
pub fn restored(card: &Uicc, mut fresh: Uicc) -> Uicc {
    fresh.restore(&card.save()).expect("a card takes what it has saved");
    fresh
}

/// The same at the end of a run: nothing of the state is lost on the way.
pub fn same(card: &Uicc, fresh: Uicc) -> Uicc {
    let again = restored(card, fresh);
    assert_eq!(again.save(), card.save(), "a restored card is the same");
    again
}
