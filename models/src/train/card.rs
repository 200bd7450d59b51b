//! The model card, in Markdown.

use std::fmt::Write as _;

use super::assemble::{SENSITIVITY, SPECIFICITY};
use super::config::TrainConfig;
use super::results::Results;
use crate::bundle::manifest::Manifest;
use crate::evaluation::Interval;

/// How often the validation patients were looked at, which a reader has to know to judge the numbers.
const HISTORY: &str = "The validation patients take no part in training, calibration or thresholds, nor in the choice of the readout, \
its picture and its share, which was made by cross-validation on the training patients. But they were looked at before: at the end of two \
full runs of version 1.0.0 (means 0.679 and 0.692), seven times for edges beside networks, which were not kept, twice for a first form of \
the readout (0.711 to 0.729), once for the networks of this version alone (0.704) and once for this readout without altered copies (0.729). So read the mean as slightly favourable.";

/// Writes the card.
pub(crate) fn markdown(manifest: &Manifest, results: &Results, config: &TrainConfig) -> String {
    [
        head(manifest, results),
        use_section(manifest),
        data_section(manifest),
        recipe_section(manifest, config),
        performance_section(results),
        calibration_section(results),
        threshold_section(manifest, results),
        gate_section(manifest, results),
        limits_section(results),
        reproduce_section(manifest),
    ]
    .join("\n")
}

fn head(manifest: &Manifest, results: &Results) -> String {
    format!(
        "# {} (`{}` {})\n\n**Research software, not a medical device.** On the {} validation patients its mean \
AUROC over fourteen findings is {}, against {} of a public CheXNet re-implementation on the same pictures (difference {}).\n\n\
Weights: `{}`, {} bytes, SHA-256 `{}`.\n",
        manifest.title,
        manifest.id,
        manifest.version,
        results.validation,
        interval(results.mean),
        interval(results.teacher_mean),
        interval(results.difference),
        manifest.weights.file,
        manifest.weights.bytes,
        manifest.weights.sha256,
    )
}

fn use_section(manifest: &Manifest) -> String {
    let rule = &manifest.applies_to;
    format!(
        "## Intended use\n\n{}\n\n\
It applies to modality {}, body part {}, view {}, humans from {} year on. Ages seen in training: {:.0} to {:.0} years. Anything else is \
refused. Where view or body part is not stated, the picture must pass the frontal networks and must not be out of distribution.\n\n\
Not for: lateral views, other body parts, CT, MR, photographs, animals; not for excluding disease; not for patients outside the ages \
seen without saying so.\n",
        manifest.intended_use,
        rule.modalities.join(" or "),
        rule.body_parts.join(", "),
        rule.views.join(" or "),
        rule.age_min_years,
        rule.age_seen_min_years,
        rule.age_seen_max_years,
    )
}

fn data_section(manifest: &Manifest) -> String {
    let training = &manifest.training;
    format!(
        "## Data\n\n{}\n\n- {} patients to train and to cross-validate, {} other patients to validate; one radiograph each.\n\
- {} of them all are under 18 years.\n- Reference standard: labels mined from radiology reports, so noisy; no radiologist read the \
pictures again.\n- Licence: {}\n- Attribution: {}\n",
        training.data,
        training.patients,
        training.validation_patients,
        training.patients_under_18,
        training.licence,
        training.attribution,
    )
}

fn recipe_section(manifest: &Manifest, config: &TrainConfig) -> String {
    let network = &manifest.architecture.findings;
    let stages: Vec<String> = network.stages.iter().map(|stage| stage.channels.to_string()).collect();
    let text = format!(
        "## Model and training\n\nAn ensemble of {} residual networks (Burn), from random weights: {} px input, {}x{} stem with stride 2, residual \
stages of {} channels, mean over the picture, one linear layer. The ensemble is the cross-validation: each member leaves one fold of \
the training patients out, the score is the mean of the members' outputs.\n\n\
- Preprocessing: decoded and windowed as grey 0 to 1, resized as a whole to {} px (triangle filter, no padding{}), minus the picture's \
mean, divided by its standard deviation.\n\
- Loss: 0.7 x squared error on the teacher's standardised logits + 0.9 x cross-entropy on the labels (outputs shifted to the base \
rate) + 0.2 x (age, sex, view).\n\
- Augmentation: rotation of at most 10 degrees, 0.78 to 1.05 of the side seen, shift, gamma, contrast, noise; no flips.\n\
- AdamW, weight decay {}, one-cycle rate to {}, {} pictures a step, gradient norm cut at {}, moving average of the weights {}, {} epochs.\n\
- Seed {}. The order of the data and everything random is seeded; the number of threads does not matter.\n",
        manifest.architecture.members,
        network.input,
        network.stem_kernel,
        network.stem_kernel,
        stages.join("-"),
        network.input,
        manifest.preprocessing.readout.map(|own| format!(", by way of {} px", own.side)).unwrap_or_default(),
        config.weight_decay,
        config.peak_rate,
        config.batch,
        config.gradient_norm,
        config.average_decay,
        config.epochs,
        config.seed,
    );
    text + &readout_section(manifest, config)
}

/// What is read beside the networks, where anything is.
fn readout_section(manifest: &Manifest, config: &TrainConfig) -> String {
    let (Some(recipe), Some(record)) = (&config.readout, &manifest.training.backbone) else {
        return String::new();
    };
    let blocks: Vec<String> = recipe.blocks.iter().map(ToString::to_string).collect();
    let seen = recipe.picture().seen();
    format!(
        "\nBeside them a readout, which has {:.0} % of a finding's logit. The first blocks of a network that learnt photographs, \
not trained on; of the maps after blocks {} (counted from 0) the means of {}x{} cells; for each finding one ridge (kernel plus {}), and the \
mean of the ridges of all folds as one linear layer. Its logits have the mean and spread of the networks', as both say of left-out patients. \
What each place of the maps adds is known exactly: the heat maps are those of the networks and of the readout together.\n\n\
- The network: {} (file's SHA-256 `{}`).\n\
- Preprocessing: the picture of {} px without the outer {} px, {} px in all, 0 to 1 scaled to -1 to 1.\n\
- Learnt from each picture and {} altered copies of it (rotation of at most 6 degrees, 0.92 to 1.06 of the side seen, gamma, contrast).\n\
- Targets: {:.2} x the teacher's standardised logits + {:.2} x the standardised labels.\n\
- Age, sex, view, the frontal check and the distances are the networks' alone.\n",
        100.0 * recipe.share,
        blocks.join(", "),
        recipe.cells,
        recipe.cells,
        recipe.ridge,
        record.source,
        record.sha256,
        recipe.side,
        recipe.margin,
        seen,
        recipe.copies,
        1.0 - recipe.label_share,
        recipe.label_share,
    )
}

fn performance_section(results: &Results) -> String {
    let mut text = format!(
        "## Performance on the validation patients\n\nAUROC with 95 % interval (bootstrap over patients). {HISTORY} `Demographics` is a \
logistic regression on age, sex and view; `out of fold` are the members on the training patients they left out.\n\n\
| finding | cases | AUROC | CheXNet, same pictures | demographics | out of fold |\n|---|---|---|---|---|---|\n"
    );
    for label in &results.labels {
        row(
            &mut text,
            &[
                label.name.to_owned(),
                label.cases.to_string(),
                interval(label.auroc),
                interval(label.teacher),
                format!("{:.3}", label.demographics),
                format!("{:.3}", label.out_of_fold),
            ],
        );
    }
    row(
        &mut text,
        &[
            "**mean**".to_owned(),
            String::new(),
            interval(results.mean),
            interval(results.teacher_mean),
            format!("{:.3}", results.demographics_mean),
            format!("{:.3}", results.out_of_fold_mean),
        ],
    );
    if let Some((networks, readout)) = results.alone {
        let _ignored = write!(
            text,
            "\nOut of fold the networks alone have a mean of {networks:.3} (each member by itself), the readout alone {readout:.3}, \
both {:.3}.\n",
            results.out_of_fold_mean
        );
    }
    let _ignored = write!(
        text,
        "\nSanity: the same networks tell sex at AUROC {:.3}, AP from PA at {:.3}, and age at a correlation of {:.2}.\n",
        results.sex, results.view, results.age_correlation
    );
    text
}

fn calibration_section(results: &Results) -> String {
    let mut text = format!(
        "## Calibration\n\nPlatt's calibration for each finding, fitted on what each member says of the training patients it left out, with slopes \
pulled to their common value. On the validation patients, all findings together: slope {:.2}, intercept {:.2}.\n\n\
| probability, mean of the bin | observed | values |\n|---|---|---|\n",
        results.slope.a, results.slope.b
    );
    for bin in &results.reliability {
        row(
            &mut text,
            &[format!("{:.3}", bin.probability), format!("{:.3}", bin.observed), bin.count.to_string()],
        );
    }
    text.push_str("\n| finding | Brier score | of the constant base rate |\n|---|---|---|\n");
    for label in &results.labels {
        row(
            &mut text,
            &[label.name.to_owned(), format!("{:.4}", label.brier), format!("{:.4}", label.brier_constant)],
        );
    }
    text
}

fn threshold_section(manifest: &Manifest, results: &Results) -> String {
    let mut text = format!(
        "## Thresholds\n\nChosen on the left-out training patients: `present` from the probability that {:.0} % of the patients without the finding stay \
below, `absent` under the one that {:.0} % of the patients with it reach, `indeterminate` between. `Present` is a signal to look, not a \
diagnosis: see the precision. Measured on the validation patients:\n\n\
| finding | low | high | sensitivity of `present` | specificity | precision | indeterminate |\n|---|---|---|---|---|---|---|\n",
        100.0 * SPECIFICITY,
        100.0 * SENSITIVITY,
    );
    for (label, result) in manifest.labels.iter().zip(&results.labels) {
        row(
            &mut text,
            &[
                label.name.clone(),
                format!("{:.3}", label.threshold_low),
                format!("{:.3}", label.threshold_high),
                format!("{:.2}", result.sensitivity),
                format!("{:.2}", result.specificity),
                result.precision.map_or("-".to_owned(), |value| format!("{value:.2}")),
                format!("{:.2}", result.indeterminate),
            ],
        );
    }
    text
}

fn gate_section(manifest: &Manifest, results: &Results) -> String {
    let photographs = results
        .photographs_rejected
        .map_or(String::new(), |share| format!(" and {:.1} % of left-out photographs", 100.0 * share));
    format!(
        "## Frontal networks and distance\n\nA second, smaller ensemble tells upright frontal chest radiographs from everything else. It learnt from the \
training radiographs against turned, mirrored, cut, torn and inverted ones, drawn lateral views, slices, limbs and clouds, and \
photographs; no real lateral view was seen. Threshold {:.3}: {:.1} % of left-out training radiographs pass. At one half, a member \
rejects {:.1} % of drawn negatives made of left-out patients{photographs}. A picture is out of distribution where the Mahalanobis distance of \
the networks' features or of a {} px thumbnail is above the {:.1} % quantile of left-out training radiographs. Of the validation \
radiographs {:.1} % pass as frontal and {:.1} % are called out of distribution.\n",
        manifest.frontal.threshold,
        100.0 * manifest.frontal.kept,
        100.0 * results.negatives_rejected,
        manifest.preprocessing.thumbnail_side,
        100.0 * manifest.novelty.quantile,
        100.0 * results.frontal_kept,
        100.0 * results.novel,
    )
}

fn limits_section(results: &Results) -> String {
    let weak: Vec<&str> =
        results.labels.iter().filter(|label| label.auroc.low < 0.5).map(|label| label.name).collect();
    let weak = if weak.is_empty() { "none".to_owned() } else { weak.join(", ") };
    format!(
        "## Limits\n\n- Findings whose interval includes chance (0.5): {weak}.\n\
- Few cases: the intervals are wide, and an order of findings within them is noise.\n\
- One hospital, one country, published pictures of 8 bit; other detectors and other processing were not seen.\n\
- The labels are mined from reports; the teacher was trained on the same archive and copies its habits.\n\
- The heat maps are coarse and show what raised a score, not where a finding is.\n\
- View and sickness go together (AP is bedside): a score may carry the view.\n"
    )
}

fn reproduce_section(manifest: &Manifest) -> String {
    let training = &manifest.training;
    format!(
        "## Made by\n\n```sh\n{}\n```\n\nSeed {}, {} folds, {} epochs. Codes: SNOMED CT and RadLex as in `manifest.json`, where `verified` says whether a code and its \
name were compared with a public copy.\n",
        training.command, training.seed, training.folds, training.epochs
    )
}

fn interval(interval: Interval) -> String {
    format!("{:.3} ({:.3} to {:.3})", interval.value, interval.low, interval.high)
}

fn row(text: &mut String, cells: &[String]) {
    // writing into a String cannot fail
    let _ignored = writeln!(text, "| {} |", cells.join(" | "));
}
