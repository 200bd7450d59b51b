//! How a radiologist would rate a nodule, by the model that learned from LIDC-IDRI: a comparator beside Brock and no risk of its own.
//! It says what readers said, not what pathology found.

use std::sync::LazyLock;

use super::Comparison;
use super::inputs::IndexNodule;
use crate::learned::tabular::{Table, TabularModel};
use crate::nodule::NoduleKind;

/// The committed model, compiled in.
static MODEL: LazyLock<Option<TabularModel>> = LazyLock::new(|| {
    let file = include_bytes!("../../models/lidc-malignancy-rating/model.json");
    TabularModel::from_json(file).ok()
});

/// Ends of the readers' scale of spiculation: none, marked.
const SPICULATED: (&str, &str) = ("1", "5");

/// The rating of a nodule whose texture and spiculation are stated. What readers rate and no record codes (lobulation, margin,
/// sphericity, calcification) counts as the model has it: as the average of its own nodules.
pub(super) fn compare(index: &IndexNodule<'_>) -> Option<Comparison> {
    let model = MODEL.as_ref()?;
    let name = format!("LIDC-IDRI {}", model.config().version);
    let nodule = index.nodule;
    let (Some(kind), Some(spiculated)) = (nodule.kind, index.spiculated) else {
        let note = "needs texture and spiculation; comparator only".to_owned();
        return Some(Comparison {
            name,
            probability: None,
            note: Some(note),
            category: None,
            other_outcome: true,
        });
    };
    let texture = match kind {
        NoduleKind::NonSolid => "1",
        NoduleKind::PartSolid => "3",
        NoduleKind::Solid => "5",
    };
    let spiculation = if spiculated { SPICULATED.1 } else { SPICULATED.0 };
    let diameter = nodule.diameter_mm.to_string();
    let known = [("diameter", diameter.as_str()), ("texture", texture), ("spiculation", spiculation)];
    let table = table(model, &known)?;
    let found = model.predict(table.rows().next()?)?;
    let note = "as readers rate, not pathology";
    Some(Comparison {
        name,
        probability: Some(found.probability),
        note: Some(note.to_owned()),
        category: None,
        // readers' ratings are no pathology
        other_outcome: true,
    })
}

/// One row with these columns; the others that the model reads are empty.
fn table(model: &TabularModel, known: &[(&str, &str)]) -> Option<Table> {
    let config = model.config();
    let numbers = config.numeric.iter().map(|one| one.column.clone());
    let names: Vec<String> = numbers.chain(config.category.iter().map(|one| one.column.clone())).collect();
    let cell = |name: &String| {
        let found = known.iter().find(|(column, _)| column == name);
        found.map_or_else(String::new, |(_, value)| (*value).to_owned())
    };
    let cells = names.iter().map(cell).collect();
    Table::new(&names, vec![cells]).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_model_that_is_compiled_in_is_read() {
        assert!(super::MODEL.is_some());
    }
}
