//! A model of a table as a site trains it, made in code.

use fusion::learned::tabular::{Table, TabularConfig, TabularTrained, train_table};

/// All words are the title of a finding, so that each is known in German.
const CONFIG: &str = r#"
id = "drawn"
version = "1"
title = "Pneumonia"
outcome = "Pneumonia"
horizon = "6 years"
population = "Pneumonia"
data = "Pneumonia"
intended_use = "Pneumonia"
created = "2026-01-01"
patient = "who"
missing_flags = false
thresholds = [0.5]
seed = 1
label = { column = "y", positive = ["1"], negative = ["0"] }
numeric = [
    { column = "crp", label = "C-reactive protein", unit = "mg/L", range = [0.0, 500.0] },
    { column = "age", label = "Age", unit = "a", range = [0.0, 120.0] },
]
[record]
max_age_days = 90
requires = [
    { feature = "age", range = [18, 120] },
    { feature = "covid-19", values = ["true"], within_days = 90 },
]
"#;

/// A model of C-reactive protein and age for adults with COVID-19, trained on 300 drawn patients; `change` alters its configuration.
pub(crate) fn drawn(change: impl FnOnce(String) -> String) -> TabularTrained {
    let config: TabularConfig = toml::from_str(&change(CONFIG.to_owned())).unwrap();
    let names = ["who", "y", config.numeric[0].column.as_str(), "age"].map(str::to_owned);
    let rows = (0..300_u32).map(|at| {
        let mixed = at.wrapping_mul(2_654_435_761) >> 8;
        let (crp, age) = (mixed % 100, 20 + mixed / 7 % 70);
        let sick = u8::from(crp + age > 50 + mixed / 11 % 110);
        vec![at.to_string(), sick.to_string(), crp.to_string(), age.to_string()]
    });
    train_table(&config, &Table::new(&names, rows.collect()).unwrap()).unwrap()
}
