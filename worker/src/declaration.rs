//! Which pipeline reads a study: declared in data, see `worker/pipelines.toml`.

use serde::Deserialize;

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
    /// Views from the most to the least preferred (View Position, 0018,5101).
    pub prefer_views: Vec<String>,
    /// Where body part and view are stated, a picture is refused when its probability of being an upright frontal chest
    /// radiograph is below this, 0 to 1.
    pub least_frontal: f64,
    /// The same for a picture that does not pass as frontal and whose distance from the training pictures is above this.
    pub most_novel: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declarations {
    pipeline: Vec<Pipeline>,
}

/// The built-in declaration is broken.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// It does not parse.
    #[error("`pipelines.toml` is not valid")]
    Form(#[from] toml::de::Error),
    /// It declares nothing.
    #[error("`pipelines.toml` declares no pipeline")]
    Empty,
}

impl Pipeline {
    /// The pipeline that is built in.
    pub fn declared() -> Result<Self, DeclarationError> {
        let declarations: Declarations = toml::from_str(DECLARED)?;
        declarations.pipeline.into_iter().next().ok_or(DeclarationError::Empty)
    }

    /// A pipeline that a stored job names and of which nothing more is known here.
    pub fn unknown(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            version: "unknown".to_owned(),
            description: "A pipeline that this site does not have any more".to_owned(),
            model: String::new(),
            prefer_views: Vec::new(),
            least_frontal: 0.0,
            most_novel: f64::MAX,
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
}
