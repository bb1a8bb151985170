//! Tables of cards as vendors deliver them: a line for each card, with columns by name.
//!
//! What a SIM profile derives for its second and further cards, a table says of each. Columns are parted by commas or
//! semicolons; their names are those of card tools: `iccid`, `imsi`, `ki` or `k`, `opc` or `op`, `pin1`, `puk1`, `pin2`,
//! `puk2` and `adm1`, in any order and case. Other columns are left alone.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::CardError;
use super::profile::{AdmCode, OperatorKey, Personalisation, PinCode, Secret, SimProfile};
use crate::id::{Iccid, Imsi};

/// The most cards of a table.
const CARDS_MAX: usize = 100_000;

/// Why a text is no table of cards. No key is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct TableError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub cause: String,
}

/// The cards of a table.
#[derive(Clone)]
pub struct CardTable {
    cards: Arc<[Card]>,
}

/// What the table says of one card.
struct Card {
    imsi: Imsi,
    iccid: Iccid,
    k: Secret<16>,
    operator: Option<OperatorKey>,
    pins: [Option<PinCode>; 4],
    adm1: Option<AdmCode>,
}

impl fmt::Debug for CardTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardTable({} cards)", self.cards.len())
    }
}

impl CardTable {
    /// Reads a table.
    ///
    /// # Errors
    /// [`TableError`] with the line, the column and what is wrong.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let wrong = |line: usize, cause: String| TableError { line: line + 1, cause };
        let mut lines = text.lines().enumerate().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        let names =
            |cause: &str| format!("{cause}; the first line names the columns, as in iccid,imsi,ki,opc,adm1");
        let (at, head) = lines.next().ok_or_else(|| wrong(0, names("the table is empty")))?;
        let columns: Vec<String> = fields(head).iter().map(|name| name.trim().to_lowercase()).collect();
        let place = |known: &[&str]| columns.iter().position(|name| known.contains(&name.as_str()));
        let needed = |known: &[&str]| {
            place(known).ok_or_else(|| wrong(at, names(&format!("there is no column `{}`", known[0]))))
        };
        let (iccid, imsi, k) = (needed(&["iccid"])?, needed(&["imsi"])?, needed(&["ki", "k"])?);
        let (opc, op, adm1) = (place(&["opc"]), place(&["op"]), place(&["adm1", "adm"]));
        let pins = [&["pin1"][..], &["puk1"], &["pin2"], &["puk2"]].map(place);
        let mut cards = Vec::new();
        for (at, line) in lines {
            if cards.len() == CARDS_MAX {
                return Err(wrong(at, format!("a table has at most {CARDS_MAX} cards; divide it")));
            }
            let values = Zeroizing::new(fields(line));
            if values.len() != columns.len() {
                let cause =
                    format!("it has {} columns, and the first line names {}", values.len(), columns.len());
                return Err(wrong(at, cause));
            }
            let value = |column: usize| values[column].trim();
            let of = |column: usize, cause: &dyn fmt::Display| {
                wrong(at, format!("column `{}`: {cause}", columns[column]))
            };
            let optional = |column: Option<usize>| column.filter(|column| !value(*column).is_empty());
            let secret = |column: usize| {
                Secret::try_from(value(column).to_owned()).map_err(|cause| of(column, &cause))
            };
            let pin = |column: Option<usize>| {
                let code =
                    |column| PinCode::try_from(value(column).to_owned()).map_err(|cause| of(column, &cause));
                optional(column).map(code).transpose()
            };
            let adm =
                |column| AdmCode::try_from(value(column).to_owned()).map_err(|cause| of(column, &cause));
            let operator = match (optional(opc), optional(op)) {
                (Some(_), Some(op)) => return Err(of(op, &"both OPc and OP are given: keep one of them")),
                (Some(opc), None) => Some(OperatorKey::Opc(secret(opc)?)),
                (None, Some(op)) => Some(OperatorKey::Op(secret(op)?)),
                (None, None) => None,
            };
            cards.push(Card {
                imsi: value(imsi).parse().map_err(|cause| of(imsi, &cause))?,
                iccid: value(iccid).parse().map_err(|cause| of(iccid, &cause))?,
                k: secret(k)?,
                operator,
                pins: [pin(pins[0])?, pin(pins[1])?, pin(pins[2])?, pin(pins[3])?],
                adm1: optional(adm1).map(adm).transpose()?,
            });
        }
        if cards.is_empty() {
            return Err(wrong(at, "no card stands below the names of the columns".to_owned()));
        }
        Ok(Self { cards: cards.into() })
    }

    /// How many cards there are.
    pub fn len(&self) -> usize {
        self.cards.len()
    }

    /// Whether there is none, which no table that was read is.
    pub fn is_empty(&self) -> bool {
        self.cards.is_empty()
    }

    /// The number of the card with this ICCID or IMSI, from 0.
    pub fn find(&self, digits: &str) -> Option<usize> {
        self.cards.iter().position(|card| card.iccid.as_str() == digits || card.imsi.as_str() == digits)
    }

    /// The IMSIs, in the order of the table.
    pub fn imsis(&self) -> impl Iterator<Item = &Imsi> {
        self.cards.iter().map(|card| &card.imsi)
    }

    /// The administrative code of card number `index`, where the table has one.
    pub fn adm1(&self, index: usize) -> Option<AdmCode> {
        self.cards.get(index)?.adm1
    }

    /// `profile` with what the table says of card number `index`; `None` where the table has no such card.
    pub(super) fn apply(&self, profile: &SimProfile, index: u32) -> Option<SimProfile> {
        let card = self.cards.get(usize::try_from(index).ok()?)?;
        let mut own = SimProfile { table: None, ..profile.clone() };
        own.imsi = card.imsi.clone();
        own.iccid = card.iccid.clone();
        own.authentication.k = card.k.clone();
        if let Some(operator) = &card.operator {
            own.authentication.operator = operator.clone();
        }
        let codes = [&mut own.pin.pin1, &mut own.pin.puk1, &mut own.pin.pin2, &mut own.pin.puk2];
        for (code, given) in codes.into_iter().zip(card.pins) {
            *code = given.unwrap_or(*code);
        }
        own.pin.adm1 = card.adm1.map_or(own.pin.adm1, |code| PinCode(code.0));
        Some(own)
    }
}

impl SimProfile {
    /// What card number `index` of the table is personalised with. What the table does not say is as the profile derives it.
    pub(super) fn personalise_of_table(
        &self,
        table: &CardTable,
        index: u32,
    ) -> Result<Personalisation, CardError> {
        let past_end = |what, first: &str| CardError::PastEnd { what, first: first.to_owned(), index };
        let mut own = table
            .apply(self, index)
            .ok_or_else(|| past_end("the table of cards", self.cards.as_deref().unwrap_or_default()))?;
        own.eid = self.eid.plus(index).ok_or_else(|| past_end("EID", self.eid.as_str()))?;
        let mut personalised = own.personalise(0)?;
        personalised.pre_shared_key = self.pre_shared_key(index);
        personalised.ota = self.ota.as_ref().map(|keys| keys.of_card(index)).transpose()?;
        Ok(personalised)
    }
}

/// The fields of a line; quotation marks around one may hold separators.
fn fields(line: &str) -> Vec<String> {
    let separator = if line.contains(';') && !line.contains(',') { ';' } else { ',' };
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.trim_start_matches('\u{feff}').chars() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => fields.push(String::new()),
            c => {
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = include_str!("../../sim-profiles/lte-test.toml");
    const TABLE: &str = "\
iccid,imsi,acc,pin1,puk1,adm1,ki,opc
8988211000000900004,001010000900001,0002,0000,12345678,TESTADM1,465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf
8988211000000900012,001010000900002,0004,1111,87654321,88888888,fec86ba6eb707ed08905757b1bb44b8f,1006020f0a478bf6b699f15c062e42b3
";

    #[test]
    fn each_card_has_what_its_line_says() {
        let mut profile = SimProfile::parse(PROFILE).unwrap();
        profile.table = Some(CardTable::parse(TABLE).unwrap());
        let cards = [0, 1].map(|index| profile.personalise(index).unwrap());
        assert_eq!(cards[0].imsi.as_str(), "001010000900001");
        assert_eq!(cards[1].iccid.as_str(), "8988211000000900012");
        assert_eq!(hex::encode(cards[1].k), "fec86ba6eb707ed08905757b1bb44b8f");
        assert_eq!(hex::encode(cards[1].opc), "1006020f0a478bf6b699f15c062e42b3");
        assert_eq!(
            (cards[0].pin.adm1, cards[1].pin.pin1),
            (PinCode(*b"TESTADM1"), PinCode(*b"1111\xff\xff\xff\xff"))
        );
        assert!(cards[0].eid != cards[1].eid);
        assert!(matches!(profile.personalise(2), Err(CardError::PastEnd { .. })));
        assert!(!format!("{profile:?}").contains("fec8"));
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let table = CardTable::parse(
            "IMSI;Ki;\"ICCID\"\n001010000900001;46 5b5ce8b199b49faa5f0a2ee238a6bc;8988211000000900004\n",
        );
        let table = table.unwrap();
        assert_eq!(
            (table.find("8988211000000900004"), table.find("001010000900001"), table.find("1")),
            (Some(0), Some(0), None)
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column_and_without_keys() {
        let told = |text: &str| CardTable::parse(text).unwrap_err().to_string();
        assert!(told("").contains("the first line names the columns"));
        assert!(told("imsi,ki\n").contains("no column `iccid`"));
        assert!(told("iccid,imsi,ki\n").contains("no card stands"));
        assert!(told("iccid,imsi,ki\n1,2\n").starts_with("line 2: it has 2 columns"));
        let short = told(&TABLE.replace("fec86ba6", "fec86ba"));
        assert!(
            short.starts_with("line 3: column `ki`: 32 hexadecimal digits are expected: found 31"),
            "{short}"
        );
        let check_digit = told(&TABLE.replace("8988211000000900012", "8988211000000900011"));
        assert!(check_digit.starts_with("line 3: column `iccid`"), "{check_digit}");
        assert!(told(&TABLE.replace("0000,1234", "00,1234")).contains("column `pin1`"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = CardTable::parse(&text);
            let _ = CardTable::parse(&format!("iccid,imsi,ki\n{text}"));
        }
    }
}
