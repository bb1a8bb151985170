//! What onboarding costs: a table that belongs to whoever asks.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::io::files;
use crate::lab::LabError;
use crate::lab::document::Document;

/// Prices of one currency.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The currency, for people.
    pub currency: String,
    /// What an hour of somebody costs.
    #[serde(default)]
    pub staff: Vec<Wage>,
    /// What a device costs besides.
    #[serde(default)]
    pub item: Vec<Item>,
}

/// What an hour of somebody costs.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wage {
    /// The name of a `staff` of the scenario.
    pub name: String,
    /// For an hour.
    pub per_hour: f64,
    /// Where the price is from.
    pub source: String,
}

/// What each device of a scenario costs.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What it is.
    pub name: String,
    /// The name of the scenario.
    pub scenario: String,
    /// For a device.
    pub per_device: f64,
    /// Where the price is from.
    pub source: String,
}

impl Prices {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// [`LabError`] with what is wrong and where.
    pub fn load(path: &Path) -> Result<Self, LabError> {
        let text = files::read_text(path)?;
        Self::read(&text, &path.to_string_lossy())
    }

    /// Reads the table in `text`, the content of the file called `name`.
    ///
    /// # Errors
    /// As there.
    pub fn read(text: &str, name: &str) -> Result<Self, LabError> {
        let mut document = Document::parse(text, name);
        let prices = document.read::<Self>();
        if let Some(prices) = &prices {
            let wages =
                prices.staff.iter().enumerate().map(|(i, one)| ("staff", i, "per_hour", one.per_hour));
            let items =
                prices.item.iter().enumerate().map(|(i, one)| ("item", i, "per_device", one.per_device));
            for (list, i, key, price) in wages.chain(items) {
                if !(price.is_finite() && price >= 0.0) {
                    let span = document.root().key(list).item(i).key(key).span();
                    let help = Some("write an amount of money that is not below zero".to_owned());
                    document.problem(span, format!("{price} is no price"), "here", help);
                }
            }
        }
        document.finish(prices).map_err(LabError::Invalid)
    }

    /// What the `seconds` of somebody cost; none where the table does not say.
    pub fn of_staff(&self, name: &str, seconds: f64) -> Option<f64> {
        let wage = self.staff.iter().find(|wage| wage.name == name)?;
        Some(wage.per_hour * seconds / 3600.0)
    }

    /// What a device of `scenario` costs besides.
    pub fn of_device(&self, scenario: &str) -> f64 {
        let own = self.item.iter().filter(|item| item.scenario == scenario);
        own.fold(0.0, |sum, item| sum + item.per_device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_lab_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/prices.toml");
        let prices = Prices::load(&path).unwrap();
        assert_eq!(prices.of_staff("technician", 60.0), Some(1.0));
        assert_eq!(prices.of_staff("astronaut", 60.0), None);
        assert_eq!((prices.of_device("zero-touch"), prices.of_device("something")), (4.5, 0.0));
    }

    #[test]
    fn what_is_no_price_is_named_with_its_place() {
        let wrong = |text: &str| Prices::read(text, "prices.toml").unwrap_err().to_string();
        let text = "currency = \"EUR\"\n[[staff]]\nname = \"a\"\nper_hour = -1.0\nsource = \"b\"";
        assert!(wrong(text).contains("-1 is no price"), "{}", wrong(text));
        assert!(wrong("currency = \"EUR\"\nitems = []").contains("items"));
    }
}
