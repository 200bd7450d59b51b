//! What the recipes of unlike networks have alike.

/// A recipe with what a network of radiographs says of the images that it is for, in the place of `RADIOGRAPHS`.
pub(crate) fn of_radiographs(recipe: &str) -> String {
    const RADIOGRAPHS: &str = r#"[applies_to]
modalities = ["CR", "DX"]
sop_classes = ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"]
body_parts = []
views = []"#;
    recipe.replace("RADIOGRAPHS", RADIOGRAPHS)
}
