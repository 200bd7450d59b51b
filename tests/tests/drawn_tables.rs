//! What the configurations of models of drawn tables have alike.

/// A configuration with what all of them say in the place of `MADE_UP` (who made the table, whose rows they are, and the outcome
/// `sick`), and, for a model with pictures, of `SMALL_NETWORK`.
pub(crate) fn drawn_table(config: &str) -> String {
    const MADE_UP: &str = r#"version = "1.2"
outcome = "a drawn outcome of these tests"
horizon = "1 week"
population = "Adults of a drawn table"
data = "drawn patients"
intended_use = "A test of the program"
created = "2026-11-30"
patient = "who"
missing_flags = false
thresholds = [0.5]
label = { column = "sick", positive = ["1"], negative = ["0"] }"#;
    const SMALL_NETWORK: &str = "[splits]
count = 4
test_share = 0.3
seeds = 1
[network]
members = 2
width = 8
meeting = 4
seeds = 1
steps = 20";
    config.replace("MADE_UP", MADE_UP).replace("SMALL_NETWORK", SMALL_NETWORK)
}
