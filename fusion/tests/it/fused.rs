//! Models of a table with pictures: what the levels learn of made-up rows, which one is kept, and who answers when a side is
//! missing.

use std::sync::OnceLock;

use burn::tensor::Device;
use fusion::learned::ModelFileError;
use fusion::learned::fused::{
    Answered, Embeddings, FusedConfig, FusedModel, FusedTrainError, FusedTrained, Level, evaluate_fused,
    train_fused,
};
use fusion::learned::tabular::{Row, Table};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::made_up_table;

const CONFIG: &str = r#"
record_needs = ["x", "z"]
shortcuts = ["ward"]

[image]
key = "picture"
label = "Picture"
source = "made in code"
components = 3

[splits]
count = 6
test_share = 0.3
seeds = 1

[network]
members = 4
width = 16
meeting = 8
seeds = 2
steps = 300
rate = 0.02

[[subsets]]
name = "ward A only"
column = "ward"
value = "A"

[table]
id = "made-up-fused"
MADE_UP
missing_flags = true
subgroups = ["ward"]
seed = 7
numeric = [
    { column = "x", label = "X", unit = "1", range = [-10.0, 10.0] },
    { column = "z", label = "Z", unit = "1", range = [-10.0, 10.0] },
]
"#;

/// 400 patients of one row each. The picture's vector carries `a`, the record `x`; the outcome follows their sum, or, where
/// they interact, their product, which no sum of two logits can say.
fn made_up(interact: bool) -> (Table, Embeddings) {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut vectors = Vec::new();
    let mut rows = Vec::new();
    for case in 0..400_u32 {
        let mut draw = || random.random_range(-1.0..1.0_f64);
        let (a, x, z, other, third) = (draw(), draw(), draw(), draw(), draw());
        let odds = if interact { 9.0 * a * x + 0.8 * x } else { 2.5 * a + 2.0 * x };
        let sick = random.random_range(0.0..1.0) < 1.0 / (1.0 + (-odds).exp());
        #[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
        vectors.push((
            format!("p{case}"),
            vec![(3.0 * a + other) as f32, (a * 2.0) as f32, third as f32, (a - other) as f32],
        ));
        let shown = if case % 9 == 0 { String::new() } else { format!("{x:.4}") };
        let second = if case % 9 == 0 && case % 2 == 0 { String::new() } else { format!("{z:.4}") };
        let ward = if case % 2 == 0 { "A" } else { "B" };
        let label = u8::from(sick).to_string();
        rows.push(vec![format!("w{case}"), label, shown, second, ward.to_owned(), format!("p{case}")]);
    }
    let names = ["who", "y", "x", "z", "ward", "picture"].map(str::to_owned);
    (Table::new(&names, rows).unwrap(), Embeddings::new(vectors).unwrap())
}

fn config() -> FusedConfig {
    toml::from_str(&made_up_table(CONFIG)).unwrap()
}

fn train(interact: bool) -> FusedTrained {
    let (table, embeddings) = made_up(interact);
    train_fused(&config(), &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap()
}

fn interacting() -> &'static FusedTrained {
    static TRAINED: OnceLock<FusedTrained> = OnceLock::new();
    TRAINED.get_or_init(|| train(true))
}

fn additive() -> &'static FusedTrained {
    static TRAINED: OnceLock<FusedTrained> = OnceLock::new();
    TRAINED.get_or_init(|| train(false))
}

/// A row of its own for one question.
fn asked(x: &str, z: &str) -> Table {
    let names = ["x", "z", "ward", "picture"].map(str::to_owned);
    Table::new(&names, vec![vec![x.to_owned(), z.to_owned(), "A".to_owned(), "q".to_owned()]]).unwrap()
}

fn first(table: &Table) -> Row<'_> {
    table.rows().next().unwrap()
}

#[test]
fn where_the_sides_interact_the_gated_level_is_better_and_kept() {
    let trained = interacting();
    let decision = &trained.ladder.decision;
    assert!(decision.better, "{}", decision.reason);
    assert_eq!(decision.keeps, Level::L2, "{}", decision.reason);
    assert!(trained.card.contains("| level kept | L2 |"));
    let arm = |name: &str| trained.ladder.subsets[0].arms.iter().find(|arm| arm.name == name).unwrap();
    let gain = arm("L2 gated").brier_less_l1.unwrap();
    assert!(gain.value < -0.02, "{gain:?}");
    assert_eq!(trained.ladder.report.arms[0].name, "L2 gated");
    // the same picture speaks for one and against the other, as the record has it
    let vector = [3.0, 2.0, 0.0, 1.0];
    let answer = |x: &str| {
        let table = asked(x, "0");
        trained.model.predict(first(&table), Some(&vector)).unwrap().unwrap()
    };
    let (high, low) = (answer("0.9"), answer("-0.9"));
    assert!(high.probability > 0.75 && low.probability < 0.25, "{high:?} {low:?}");
    assert_eq!((high.answered, high.level), (Answered::Fused, Level::L2));
    assert!(high.correction.abs() > 0.3);
    assert!(high.low <= high.probability && high.probability <= high.high);
}

#[test]
fn where_the_sides_add_up_late_fusion_is_kept_and_the_file_has_no_network() {
    let trained = additive();
    let decision = &trained.ladder.decision;
    assert_eq!(decision.keeps, Level::L1, "{}", decision.reason);
    assert!(!trained.model.to_json().contains("\"networks\""));
    let arm = |name: &str| trained.ladder.subsets[0].arms.iter().find(|arm| arm.name == name).unwrap();
    let auroc = |name: &str| arm(name).auroc.unwrap().value;
    assert!(auroc("L1 late") > auroc("L0 image only").max(auroc("L0 record only")) + 0.03);
    assert!((auroc("ward only") - 0.5).abs() < 0.1, "the ward says nothing");
    assert_eq!(trained.ladder.subsets[1].name, "ward A only");
    assert_eq!(trained.ladder.subsets[1].rows, 200);
    assert!(decision.compared.iter().any(|one| one.name == "ward A"), "{:?}", decision.compared);
    // with a side missing both levels are the calibrated other side, so that neither is worse there
    for name in ["record taken away", "picture taken away"] {
        let found = decision.compared.iter().find(|one| one.name == name).unwrap();
        assert!((found.l1 - found.l2).abs() < 1e-9 && !found.worse, "{found:?}");
    }
}

#[test]
fn a_missing_side_is_answered_by_the_other_alone_and_nothing_by_nobody() {
    for model in [&interacting().model, &additive().model] {
        let vector = [1.5, 1.0, 0.2, 0.5];
        let (known, unknown) = (asked("0.4", "0.1"), asked("", ""));
        let whole = model.predict(first(&known), Some(&vector)).unwrap().unwrap();
        let image = model.predict(first(&unknown), Some(&vector)).unwrap().unwrap();
        assert_eq!((image.answered, image.level), (Answered::ImageOnly, Level::L1));
        assert_eq!(Some(image.probability.to_bits()), whole.image_only.map(f64::to_bits));
        assert_eq!(image.record_only, None);
        let record = model.predict(first(&known), None).unwrap().unwrap();
        assert_eq!((record.answered, record.level), (Answered::RecordOnly, Level::L1));
        assert_eq!(Some(record.probability.to_bits()), whole.record_only.map(f64::to_bits));
        assert_eq!(model.predict(first(&unknown), None).unwrap(), None);
        // a vector of another network counts as none
        assert_eq!(
            model.predict(first(&known), Some(&[1.0])).unwrap().unwrap().answered,
            Answered::RecordOnly
        );
    }
}

#[test]
fn shares_of_the_sides_add_up_and_so_do_the_inputs_of_late_fusion() {
    let logit = |probability: f64| (probability / (1.0 - probability)).ln();
    let vector = [1.5, 1.0, 0.2, 0.5];
    let known = asked("0.4", "-0.7");
    for model in [&interacting().model, &additive().model] {
        let found = model.predict(first(&known), Some(&vector)).unwrap().unwrap();
        let other = model.predict(first(&asked("-0.4", "-0.7")), Some(&vector)).unwrap().unwrap();
        // against a row of which nothing is known, the same for both
        let rest = |found: &fusion::learned::fused::FusedPrediction| {
            logit(found.probability) - found.sides.iter().map(|side| side.1).sum::<f64>()
        };
        assert!((rest(&found) - rest(&other)).abs() < 1e-5);
        let l1 = |found: &fusion::learned::fused::FusedPrediction| {
            logit(found.probability)
                - found.correction
                - found.contributions.iter().map(|one| one.1).sum::<f64>()
        };
        assert!((l1(&found) - l1(&other)).abs() < 1e-9, "{found:?}");
    }
}

#[test]
fn a_model_file_answers_as_the_model_and_training_again_gives_the_same_bytes() {
    let trained = interacting();
    let read = FusedModel::from_json(trained.model.to_json().as_bytes(), &Device::flex()).unwrap();
    assert_eq!(read.digest(), trained.model.digest());
    let known = asked("0.3", "0.2");
    let vector = [0.3, 0.2, 0.1, 0.0];
    assert_eq!(
        read.predict(first(&known), Some(&vector)).unwrap(),
        trained.model.predict(first(&known), Some(&vector)).unwrap()
    );
    let again = train(true);
    assert_eq!(again.model.to_json(), trained.model.to_json());
    assert_eq!(again.card, trained.card);
}

#[test]
fn an_evaluation_on_other_patients_has_the_model_beside_each_side() {
    let (table, embeddings) = made_up(true);
    let report = evaluate_fused(&interacting().model, &table, &embeddings, &Device::flex()).unwrap();
    let names: Vec<&str> = report.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["made-up-fused", "image only", "record only"]);
    assert!(report.arms[0].auroc.unwrap().value > report.arms[1].auroc.unwrap().value + 0.1);
    let names: Vec<&str> = report.stress.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "25 % of the record's inputs taken away",
            "50 % of the record's inputs taken away",
            "record taken away",
            "picture taken away"
        ]
    );
    // without the record every row is answered by its picture
    let alone = report.arms[1].auroc.unwrap().value;
    assert!((report.stress[2].auroc.unwrap() - alone).abs() < 1e-12);
    assert!(report.stress[1].auroc.unwrap() < report.arms[0].auroc.unwrap().value);
    let text = interacting().model.evaluation_markdown("on others", &report);
    assert!(text.contains("## TRIPOD+AI") && text.contains("| 27 usability |"), "{text}");
    // rows without a picture have no answer when the record is taken away
    let none = Embeddings::new([("p0".to_owned(), vec![0.1, 0.2, 0.3, 0.4])]).unwrap();
    let report = evaluate_fused(&interacting().model, &table, &none, &Device::flex()).unwrap();
    assert!(report.stress[2].name.starts_with("record taken away (1 of "), "{:?}", report.stress[2]);
}

/// Nine in ten answers of each class are within the bounds of their own, by which sides answered.
#[test]
fn an_answer_that_says_nothing_either_way_is_marked_by_the_sides_that_gave_it() {
    let trained = additive();
    let file: serde_json::Value = serde_json::from_str(trained.model.to_json()).unwrap();
    let strata = file["conformal"]["strata"].as_object().unwrap();
    assert_eq!(strata.keys().collect::<Vec<_>>(), ["fused", "image-only", "record-only"]);
    assert!(trained.card.contains("by which sides answered") && trained.card.contains("fused, image-only"));
    assert!(trained.card.contains("cross-fitted by patient"));
    let (table, embeddings) = made_up(false);
    let mut counts = std::collections::BTreeMap::new();
    for row in table.rows() {
        let vector = row.text("picture").and_then(|key| embeddings.vector(key));
        for vector in [vector, None] {
            let Some(found) = trained.model.predict(row, vector).unwrap() else { continue };
            let of: &mut (u32, u32) = counts.entry(found.answered.word()).or_default();
            of.0 += u32::from(found.indeterminate.unwrap());
            of.1 += 1;
            let bounds = &strata[found.answered.word()];
            let (no, yes) = (bounds[0].as_f64().unwrap(), bounds[1].as_f64().unwrap());
            let set = [found.probability <= no, 1.0 - found.probability <= yes];
            assert_eq!(found.indeterminate, Some(set[0] == set[1]), "{found:?}");
        }
    }
    for (sides, (marked, all)) in &counts {
        assert!(*marked > 0 && marked < all, "{sides}: {marked} of {all}");
    }
    // a file of an older program has no bounds and marks nothing
    let mut old = file;
    old.as_object_mut().unwrap().remove("conformal");
    let old = FusedModel::from_json(&serde_json::to_vec(&old).unwrap(), &Device::flex()).unwrap();
    let known = asked("0.1", "0.1");
    assert_eq!(old.predict(first(&known), None).unwrap().unwrap().indeterminate, None);
}

#[test]
fn isotonic_calibration_is_refused_where_both_sides_are_cross_fitted() {
    let (table, embeddings) = made_up(false);
    let mut config = config();
    config.table.calibration = fusion::learned::tabular::CalibrationMethod::Isotonic;
    let error = train_fused(&config, &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("cross-fitted by patient"), "{error}");
}

#[test]
fn a_network_that_cannot_learn_answers_as_late_fusion() {
    let (table, embeddings) = made_up(false);
    let mut config = config();
    config.network.rate = 1e-12;
    config.splits.count = 2;
    let trained = train_fused(&config, &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap();
    let less = trained.ladder.subsets[0].arms[0].brier_less_l1.unwrap();
    assert!(less.value.abs() < 1e-6, "it starts as L1: {less:?}");
    assert_eq!(trained.ladder.decision.keeps, Level::L1);
}

/// Where the outcome decides what is written down, that something is missing must not be an input: the network sees the
/// same numbers for a row with the median and for a row without.
#[test]
fn without_missing_flags_the_network_does_not_see_that_a_value_is_missing() {
    let (_, embeddings) = made_up(true);
    let mut random = ChaCha8Rng::seed_from_u64(3);
    // x says nothing, but is missing only where the outcome is
    let names = ["who", "y", "x", "z", "ward", "picture"].map(str::to_owned);
    let rows = (0..400).map(|case| {
        let sick = random.random_range(0..2) == 1;
        let x =
            if sick && case % 10 < 7 { String::new() } else { random.random_range(-1.0..1.0).to_string() };
        let z = random.random_range(-1.0..1.0).to_string();
        vec![format!("w{case}"), u8::from(sick).to_string(), x, z, "A".to_owned(), format!("p{case}")]
    });
    let table = Table::new(&names, rows.collect()).unwrap();
    let auroc = |flags: bool| {
        let mut config = config();
        config.table.missing_flags = flags;
        config.network.steps = 100;
        let trained = train_fused(&config, &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap();
        trained.ladder.subsets[0].arms[0].auroc.unwrap().value
    };
    let (with, without) = (auroc(true), auroc(false));
    assert!(with > 0.75 && without < 0.65, "with flags {with}, without {without}");
}

#[test]
fn what_cannot_be_trained_says_why() {
    let (table, embeddings) = made_up(false);
    let device = Device::flex();
    let mut wrong = config();
    wrong.splits.test_share = 1.5;
    let error = train_fused(&wrong, &table, &embeddings, &device, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, FusedTrainError::Config(_)), "{error}");
    let mut absent = config();
    absent.image.key = "no such column".to_owned();
    let error = train_fused(&absent, &table, &embeddings, &device, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, FusedTrainError::Table(_)), "{error}");
    let none = Embeddings::new([]).unwrap();
    let error = train_fused(&config(), &table, &none, &device, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, FusedTrainError::TooFew { pictured: 0, .. }), "{error}");
    let unequal = [("a".to_owned(), vec![1.0]), ("b".to_owned(), vec![1.0, 2.0])];
    assert!(Embeddings::new(unequal).is_err());
    assert!(Embeddings::new([("a".to_owned(), vec![f32::NAN])]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A file that is cut or altered anywhere is refused or still answers with probabilities; it never stops the program.
    #[test]
    fn an_altered_model_file_is_refused_or_sound(at in 0_usize..60_000, byte in 32_u8..127, cut in any::<bool>()) {
        let mut bytes = interacting().model.to_json().as_bytes().to_vec();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        match FusedModel::from_json(&bytes, &Device::flex()) {
            Err(
                ModelFileError::Json { .. }
                | ModelFileError::Format { .. }
                | ModelFileError::Columns { .. }
                | ModelFileError::Unsound
                | ModelFileError::Unit(_),
            ) => {}
            Ok(model) => {
                let known = asked("0.3", "0.2");
                if let Ok(Some(found)) = model.predict(first(&known), Some(&[0.3, 0.2, 0.1, 0.0])) {
                    prop_assert!((0.0..=1.0).contains(&found.probability));
                }
            }
        }
    }
}

/// The committed models are read, and their four files say the same. To renew a card after a wanted change of what it states,
/// run the test and copy the file that its message names.
#[test]
fn committed_files_agree() {
    for (id, components) in [("icu-at-exam", 16), ("pad-ufes-20-fused", 8)] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(id);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let model = FusedModel::from_json(read("model.json").as_bytes(), &Device::flex()).unwrap();
        let config: FusedConfig = toml::from_str(&read("config.toml")).unwrap();
        assert_eq!(model.config(), &config, "{id}");
        assert_eq!(config.image.components, components);
        let mut ladder: fusion::learned::fused::Ladder =
            serde_json::from_str(&read("evaluation.json")).unwrap();
        let stated = ladder.report.sample_size.take().map(|size| size.text());
        ladder.report.sample_size = model.sample_size(&ladder.report);
        let made = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("fused").join(id);
        std::fs::create_dir_all(&made).unwrap();
        let sample_size = ladder.report.sample_size.as_ref().unwrap();
        std::fs::write(made.join("sample_size.json"), serde_json::to_string_pretty(sample_size).unwrap())
            .unwrap();
        std::fs::write(made.join("card.md"), model.card(&ladder)).unwrap();
        assert_eq!(stated.as_ref(), Some(&sample_size.text()), "{id}");
        let card = read("card.md");
        assert!(model.card(&ladder) == card, "{id}: the card changed; the new one is in {}", made.display());
        assert_eq!(model.decision().keeps, ladder.decision.keeps, "{id}");
        assert_eq!(model.decision().reason, ladder.decision.reason, "{id}");
        assert!(card.contains(model.digest()), "{id}: the card is of another file");
    }
}
