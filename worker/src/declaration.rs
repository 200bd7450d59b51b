//! Which pipeline reads a study, and which of its series: declared in data, see `worker/pipelines.toml`.

mod pattern;
mod rule;

use serde::Deserialize;

pub use pattern::Pattern;
pub use rule::{Attribute, Count, Objection, Range, SeriesRule};

const DECLARED: &str = include_str!("../pipelines.toml");

/// One declared pipeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Stable identifier; part of the report key.
    pub id: String,
    /// Version of this declaration; part of the job key.
    pub version: String,
    /// What it reads and says, in one sentence.
    pub description: String,
    /// The model bundle that scores the image.
    pub model: String,
    /// Which series it reads.
    #[serde(default)]
    pub series: SeriesRule,
    /// Views from the most to the least preferred (View Position, 0018,5101).
    #[serde(default)]
    pub prefer_views: Vec<String>,
    /// Where body part and view are stated, a picture is refused when its probability of being an upright frontal chest
    /// radiograph is below this, 0 to 1.
    #[serde(default)]
    pub least_frontal: f64,
    /// The same for a picture that does not pass as frontal and whose distance from the training pictures is above this.
    #[serde(default = "any_distance")]
    pub most_novel: f64,
    /// Whether a nodule that the model outlines is a fact for the formulas, where no person states one.
    #[serde(default)]
    pub outlines_are_facts: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declarations {
    pipeline: Vec<Pipeline>,
}

/// A declaration is broken.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// It does not parse.
    #[error("the declaration of pipelines is not valid")]
    Form(#[from] toml::de::Error),
    /// It declares nothing.
    #[error("the declaration declares no pipeline")]
    Empty,
}

/// No picture is too far from the training pictures.
fn any_distance() -> f64 {
    f64::INFINITY
}

impl Pipeline {
    /// The pipeline that is built in and reads studies.
    pub fn declared() -> Result<Self, DeclarationError> {
        Self::parse(DECLARED)?.into_iter().next().ok_or(DeclarationError::Empty)
    }

    /// The pipelines of a declaration of the form of `worker/pipelines.toml`; at least one.
    pub fn parse(text: &str) -> Result<Vec<Self>, DeclarationError> {
        let declarations: Declarations = toml::from_str(text)?;
        if declarations.pipeline.is_empty() {
            return Err(DeclarationError::Empty);
        }
        Ok(declarations.pipeline)
    }

    /// A pipeline that a stored job names and of which nothing more is known here.
    pub fn unknown(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            version: "unknown".to_owned(),
            description: "A pipeline that this site does not have any more".to_owned(),
            model: String::new(),
            series: SeriesRule::default(),
            prefer_views: Vec::new(),
            least_frontal: 0.0,
            most_novel: f64::MAX,
            outlines_are_facts: false,
        }
    }

    /// How much this pipeline prefers a view: 0 is best.
    pub fn view_rank(&self, view: Option<&str>) -> usize {
        view.and_then(|view| {
            self.prefer_views.iter().position(|preferred| preferred.eq_ignore_ascii_case(view.trim()))
        })
        .unwrap_or(self.prefer_views.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Pipeline;

    #[test]
    fn the_declared_pipeline_prefers_pa_before_ap_before_the_rest() {
        let pipeline = Pipeline::declared().unwrap();
        let ranks = [Some("pa"), Some("AP "), Some("LL"), None].map(|view| pipeline.view_rank(view));
        assert_eq!(ranks, [0, 1, 2, 2]);
    }

    #[test]
    fn a_declaration_of_a_rule_alone_checks_no_picture() {
        let text = "[[pipeline]]\nid = \"a\"\nversion = \"1\"\ndescription = \"d\"\nmodel = \"m\"\n";
        let rule = "[pipeline.series]\nimages = { least = 2 }\n";
        let pipelines = Pipeline::parse(&format!("{text}{rule}{text}")).unwrap();
        assert_eq!(pipelines.len(), 2);
        assert_eq!(pipelines[0].series.images.least, Some(2));
        assert!(pipelines[0].least_frontal <= 0.0 && pipelines[0].most_novel.is_infinite());
        for bad in ["", "[[pipeline]]\nid = \"a\"", &format!("{text}{}", rule.replace("least", "lowest"))] {
            assert!(Pipeline::parse(bad).is_err(), "{bad}");
        }
    }
}
