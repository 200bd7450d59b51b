//! Splits by time and site, and rows that a model does not know.

use fusion::learned::HoldoutKind;
use fusion::learned::tabular::{Table, TabularConfig, evaluate_table, train_table};

use crate::support::made_up_table;

const CONFIG: &str = r#"
id = "made"
MADE_UP
missing_flags = false
seed = 7
time = { column = "day", latest_share = 0.25 }
site = "place"

[[numeric]]
column = "x"
label = "X"
unit = "1"
range = [-100.0, 100.0]

[[numeric]]
column = "shortcut"
label = "Shortcut"
unit = "1"
range = [-100.0, 100.0]
"#;

fn config() -> TabularConfig {
    toml::from_str(&made_up_table(CONFIG)).unwrap()
}

/// 400 patients on as many days, two rows each, at three places. `shortcut` is the outcome, turned round from day 300 on, and
/// nothing at place C; `x` says next to nothing. Every tenth patient has the second row half a year later and elsewhere.
fn table() -> Table {
    let names: Vec<String> = ["who", "day", "place", "y", "x", "shortcut"].map(str::to_owned).into();
    let mut rows = Vec::new();
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5
    };
    let start = jiff::civil::date(2020, 1, 1);
    for patient in 0..400_i64 {
        let outcome = noise() > 0.0;
        let place = ["A", "B", "C"][usize::try_from(patient % 3).unwrap()];
        let sign = if outcome { 1.0 } else { -1.0 };
        for row in 0..2 {
            let moved = patient % 10 == 0 && row == 1;
            let day =
                start.checked_add(jiff::Span::new().days(patient + if moved { 180 } else { 0 })).unwrap();
            let turned = if patient >= 300 { -1.0 } else { 1.0 };
            let shortcut = if place == "C" { noise() * 2.0 } else { sign * turned + noise() };
            rows.push(vec![
                format!("p{patient}"),
                day.to_string(),
                (if moved { "B" } else { place }).to_owned(),
                u8::from(outcome).to_string(),
                (sign * 0.05 + noise() * 2.0).to_string(),
                shortcut.to_string(),
            ]);
        }
    }
    Table::new(&names, rows).unwrap()
}

#[test]
fn the_latest_patients_and_each_site_are_kept_apart_whole() {
    let trained = train_table(&config(), &table()).unwrap();
    let kinds: Vec<HoldoutKind> = trained.holdouts.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [HoldoutKind::Time, HoldoutKind::Site, HoldoutKind::Site, HoldoutKind::Site]);
    let time = &trained.holdouts[0];
    assert_eq!(time.name, "first row from 2020-10-27 on", "day 300");
    assert_eq!((time.tested[1], time.tested[0]), (100, 200));
    // patients 120, 130, ... 290 have a row on both sides
    assert_eq!((time.left_out, time.developed[1]), (18, 282));
    let auroc = |at: usize| trained.holdouts[at].report.as_ref().unwrap().arms[0].auroc.unwrap().value;
    let random = trained.report.arms[0].auroc.unwrap().value;
    assert!(random > 0.55, "{random}");
    assert!(auroc(0) < 0.5, "the shortcut was turned round later: {}", auroc(0));
    let of =
        |place: &str| trained.holdouts.iter().position(|one| one.name == format!("place {place}")).unwrap();
    assert!(auroc(of("A")) > 0.6 && auroc(of("C")) < 0.6, "{} {}", auroc(of("A")), auroc(of("C")));
    for site in &trained.holdouts[1..] {
        let [_, developed, _] = site.developed;
        assert_eq!(developed + site.tested[1] + site.left_out, 400, "{}", site.name);
    }
    assert!(
        trained.card.contains("## Splits by time and site") && trained.card.contains("| random patients |")
    );
    assert!(trained.card.contains("a later period, and each site in turn"));
}

/// The tested patients decide nothing: with the values and outcomes of those at place B altered, every number of those at
/// the other places is the same.
#[test]
fn nothing_is_learned_from_whom_is_tested() {
    let (config, table) = (config(), table());
    let names: Vec<String> = ["who", "day", "place", "y", "x", "shortcut"].map(str::to_owned).into();
    let altered = |(at, row): (usize, fusion::learned::tabular::Row<'_>)| -> Vec<String> {
        let mut cells: Vec<String> =
            names.iter().map(|name| row.text(name).unwrap_or_default().to_owned()).collect();
        if at >= 600 && cells[2] == "B" {
            cells[3] = if cells[3] == "1" { "0" } else { "1" }.to_owned();
            (cells[4], cells[5]) = ("99".to_owned(), "-99".to_owned());
        }
        cells
    };
    let rows = table.rows().enumerate().map(altered).collect();
    let other = Table::new(&names, rows).unwrap();
    let groups = |table: &Table, wanted: fn(&str) -> bool| {
        let time = train_table(&config, table).unwrap().holdouts.into_iter().next().unwrap();
        let groups = time.report.unwrap().subgroups.into_iter();
        groups.filter(|group| group.column == "place" && wanted(&group.value)).collect::<Vec<_>>()
    };
    let (before, after) = (groups(&table, |place| place != "B"), groups(&other, |place| place != "B"));
    assert_eq!((before.len(), &before), (2, &after));
    assert!(before.iter().all(|group| group.auroc.is_some()));
    assert_ne!(
        groups(&table, |place| place == "B"),
        groups(&other, |place| place == "B"),
        "they were altered"
    );
}

#[test]
fn an_evaluation_shows_sites_and_periods_as_groups() {
    let trained = train_table(&config(), &table()).unwrap();
    let report = evaluate_table(&trained.model, table()).unwrap();
    let groups: Vec<String> =
        report.subgroups.iter().map(|group| format!("{} {}", group.column, group.value)).collect();
    for group in ["place A", "place B", "place C", "period earlier", "period latest"] {
        assert!(groups.contains(&group.to_owned()), "{groups:?}");
    }
}

#[test]
fn columns_that_are_named_must_be_there_and_shares_be_shares() {
    let mut missing = config();
    missing.site = Some("ward".to_owned());
    assert!(train_table(&missing, &table()).unwrap_err().to_string().contains("`ward`"));
    let mut share = config();
    share.time.as_mut().unwrap().latest_share = 1.0;
    assert!(train_table(&share, &table()).unwrap_err().to_string().contains("latest_share"));
}

/// A row that is unlike the fitted ones is answered and flagged; the file carries what is known.
#[test]
fn a_row_unlike_the_fitted_ones_is_flagged() {
    let trained = train_table(&config(), &table()).unwrap();
    let read = fusion::learned::tabular::TabularModel::from_json(trained.model.to_json().as_bytes()).unwrap();
    let names: Vec<String> = ["x", "shortcut"].map(str::to_owned).into();
    let rows = [["0.3", "0.8"], ["60", "-60"], ["", "0.8"]];
    let rows = rows.map(|row| row.map(str::to_owned).to_vec()).into();
    let table = Table::new(&names, rows).unwrap();
    let found: Vec<Option<String>> =
        table.rows().map(|row| read.predict(row).unwrap().distance.unwrap().warning()).collect();
    assert!(found[0].is_none() && found[2].is_none(), "{found:?}");
    assert!(found[1].as_deref().unwrap().contains("extrapolation"));
}
