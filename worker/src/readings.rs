//! The pipelines of a site, each with the model that it reads with: what is built in, and what the site configured.

use std::sync::Arc;

use models::{Bundle, BundleError};

use crate::config::Config;
use crate::config::site::PipelineConfig;
use crate::declaration::{DeclarationError, Pipeline};
use crate::message::Name;
use crate::model::{BUILT_IN, BundlePlace, ModelNumber, SiteModel};

/// A pipeline and the model that it reads with.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Its model among those of the site.
    pub model: ModelNumber,
    /// Its model's bundle.
    pub bundle: Arc<Bundle>,
    /// What tells the bundle from every other ([`Bundle::identity`]), found when it was opened.
    pub identity: String,
}

/// All pipelines of a site, the built-in one first.
#[derive(Debug, Clone)]
pub struct Readings {
    all: Vec<Reading>,
    models: Vec<SiteModel>,
    default: usize,
}

/// The pipelines of a site are not usable.
#[derive(Debug, thiserror::Error)]
pub enum ReadingsError {
    /// The declared pipeline is broken.
    #[error("the declared pipeline is not usable")]
    Declaration(#[from] DeclarationError),
    /// A bundle does not verify, or nobody pinned its key.
    #[error("{code}: the bundle of pipeline `{pipeline}` is not used")]
    Bundle {
        /// The pipeline.
        pipeline: String,
        /// The stable code of what is wrong.
        code: &'static str,
        /// What is wrong, and what to do.
        source: BundleError,
    },
    /// A pipeline takes facts from outlines that its model does not draw.
    #[error(
        "pipeline `{pipeline}` has `outlines_are_facts`, and no segment of its bundle is a nodule of the lung by its code: remove the key, or use a bundle that outlines nodules (SNOMED CT 427359005, 786838002 or 308689002 as the segment's type)"
    )]
    NoNodule {
        /// The pipeline.
        pipeline: String,
    },
}

impl Readings {
    /// Opens and verifies every bundle that the site reads with.
    pub fn open(config: &Config) -> Result<Self, ReadingsError> {
        let declared = Pipeline::declared()?;
        let mut readings = Self { all: Vec::new(), models: Vec::new(), default: 0 };
        let place = BundlePlace::BuiltIn { signature: config.models.built_in_signature.clone() };
        readings.add(declared.clone(), place, config)?;
        for (name, own) in &config.pipelines {
            let place = BundlePlace::Folder(own.bundle.clone());
            readings.add(site_pipeline(name, own, &declared), place, config)?;
        }
        let wanted = config.default_pipeline.as_ref();
        readings.default = readings.position(wanted).unwrap_or(0);
        Ok(readings)
    }

    fn add(
        &mut self,
        mut pipeline: Pipeline,
        place: BundlePlace,
        config: &Config,
    ) -> Result<(), ReadingsError> {
        let id = pipeline.id.clone();
        let failed =
            |source: BundleError| ReadingsError::Bundle { pipeline: id, code: source.code(), source };
        let opened = place.open(&config.models.pinned).and_then(|bundle| {
            let model = SiteModel::of(&bundle, place)?;
            Ok((bundle, model))
        });
        let (bundle, model) = opened.map_err(failed)?;
        if pipeline.outlines_are_facts && !outlines_nodules(&bundle) {
            return Err(ReadingsError::NoNodule { pipeline: pipeline.id });
        }
        if pipeline.model.is_empty() {
            bundle.id().clone_into(&mut pipeline.model);
            bundle.version().clone_into(&mut pipeline.version);
        }
        if pipeline.description.is_empty() {
            pipeline.description.clone_from(&bundle.model_card().title);
        }
        let identity = model.identity.clone();
        // two pipelines may read with one bundle: it is on the device once
        let known = self.models.iter().position(|one| one.identity == identity);
        let number = known.unwrap_or(self.models.len());
        if known.is_none() {
            self.models.push(model);
        }
        self.all.push(Reading { pipeline, model: ModelNumber(number), bundle: Arc::new(bundle), identity });
        Ok(())
    }

    /// The pipeline that a request means: by name, the site's choice where it names none. `None` where no pipeline has
    /// that name.
    pub fn of(&self, name: Option<&Name>) -> Option<&Reading> {
        match name {
            None => self.all.get(self.default),
            Some(name) => self.all.get(self.position(Some(name))?),
        }
    }

    /// The name under which a job keeps its pipeline; `None` is the built-in one, as jobs of version 0.1.0 have it.
    pub fn stored_name(&self, name: Option<&Name>) -> Option<Name> {
        let reading = self.of(name)?;
        if reading.model == BUILT_IN && reading.pipeline.id == self.built_in().pipeline.id {
            return None;
        }
        reading.pipeline.id.parse().ok()
    }

    /// The pipeline of a job that keeps this name.
    pub fn of_stored(&self, name: Option<&Name>) -> Option<&Reading> {
        match name {
            None => self.all.first(),
            Some(name) => self.of(Some(name)),
        }
    }

    /// The built-in pipeline.
    pub fn built_in(&self) -> &Reading {
        &self.all[0]
    }

    /// All of them, the built-in one first.
    pub fn all(&self) -> &[Reading] {
        &self.all
    }

    /// Every model once, by its number.
    pub fn models(&self) -> &[SiteModel] {
        &self.models
    }

    /// Every model's number, that of the site's choice of pipeline first: the order in which a device takes them.
    pub fn in_order(&self) -> Vec<ModelNumber> {
        let first = self.all.get(self.default).map_or(BUILT_IN, |reading| reading.model);
        let others = (0..self.models.len()).map(ModelNumber).filter(|number| *number != first);
        std::iter::once(first).chain(others).collect()
    }

    fn position(&self, name: Option<&Name>) -> Option<usize> {
        let name = name?.as_str();
        self.all.iter().position(|reading| reading.pipeline.id == name)
    }
}

impl Reading {
    /// Everything of the pipeline that can change a report, as text for the job key.
    pub fn versions(&self) -> String {
        let Pipeline { id, version, .. } = &self.pipeline;
        // what a site declares has no version of its own
        let rule = serde_json::to_string(&(&self.pipeline.series, &self.pipeline.prefer_views));
        let rule = rule.unwrap_or_default();
        // said only where it is so: jobs of other pipelines keep their keys
        let facts = if self.pipeline.outlines_are_facts { ";outlines=facts" } else { "" };
        format!("pipeline={id}/{version};{}={};rule={rule}{facts}", self.bundle.id(), self.identity)
    }
}

/// A pipeline as the site configured it; model and version are those of its bundle.
fn site_pipeline(name: &Name, own: &PipelineConfig, declared: &Pipeline) -> Pipeline {
    Pipeline {
        id: name.to_string(),
        version: String::new(),
        description: own.description.clone().unwrap_or_default(),
        model: String::new(),
        series: own.series.clone(),
        prefer_views: own.prefer_views.clone(),
        // an ensemble of our own training has the checks of the built-in one; other models have none
        least_frontal: declared.least_frontal,
        most_novel: declared.most_novel,
        outlines_are_facts: own.outlines_are_facts,
    }
}

/// Whether something that the model outlines is a nodule of the lung.
fn outlines_nodules(bundle: &Bundle) -> bool {
    let mut segments = bundle.model_card().segments.iter();
    segments
        .any(|segment| fusion::nodule::is_lung_nodule_code(&segment.property.system, &segment.property.code))
}
