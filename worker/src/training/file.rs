//! The configuration file of a training run (TOML): read raw, then checked by the trainer it is for.

use std::path::{Path, PathBuf};

use models::train::TrainConfig;
use models::train::classifier::ClassifierConfig;
use models::train::classifier_bundle::Words;
use serde::Deserialize;

/// What a configuration file asks for. Every key is known: a misspelt one is an error.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TrainingFile {
    /// The ensemble `cxr-findings` with its frontal networks.
    CxrFindings(Box<Ensemble>),
    /// One classifier.
    Classifier(Box<Classifier>),
}

/// The file of `cxr-findings`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// The recipe; what is left out is as in the committed file.
    pub recipe: TrainConfig,
}

/// The file of a classifier.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// How it is trained.
    pub recipe: ClassifierConfig,
    /// How the data is read.
    pub data: Data,
    /// What the bundle says of itself.
    pub bundle: Words,
}

/// How the pictures and labels of a classifier are read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "format", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Data {
    /// An `.npz` in MedMNIST's form: `train_images`, `train_labels`, `val_images`, `val_labels`, 8-bit grey.
    Npz,
    /// A folder with `labels.csv` and DICOM files: `file`, `patient_id`, `split` (`train`, `val`), one column a label.
    Table {
        /// What stands before a label's name in the column of the teacher's probability; without it there is no teacher.
        teacher_prefix: Option<String>,
    },
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrainingFileError {
    /// It could not be read.
    #[error("could not read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is no configuration of a training run.
    #[error("`{path}` is not a training configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line and key.
        source: Box<toml::de::Error>,
    },
    /// The labels and the network's outputs differ in number.
    #[error(
        "`{path}` names {labels} labels and a network of {outputs} outputs: one output a label is needed"
    )]
    Outputs {
        /// The file.
        path: PathBuf,
        /// Labels named.
        labels: usize,
        /// Outputs of the network.
        outputs: usize,
    },
}

impl TrainingFile {
    /// Reads the file at `path`.
    pub fn open(path: &Path) -> Result<Self, TrainingFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TrainingFileError::Read { path: path.to_owned(), source })?;
        let file: Self = toml::from_str(&text)
            .map_err(|source| TrainingFileError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        if let Self::Classifier(own) = &file {
            let (labels, outputs) = (own.bundle.labels.len(), own.recipe.architecture.outputs());
            if labels != outputs {
                return Err(TrainingFileError::Outputs { path: path.to_owned(), labels, outputs });
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../training").join(name)
    }

    #[test]
    fn the_committed_file_of_cxr_findings_is_the_default_recipe_and_a_readout() {
        let TrainingFile::CxrFindings(file) = TrainingFile::open(&committed("cxr-findings.toml")).unwrap()
        else {
            panic!("another kind");
        };
        let readout = file.recipe.readout.as_ref().unwrap();
        assert_eq!((&*readout.blocks, readout.side, readout.share), (&[6, 8, 11][..], 256, 0.7));
        let default = TrainConfig::default();
        let networks = TrainConfig { readout: None, version: default.version.clone(), ..file.recipe };
        assert_eq!(networks, default);
    }

    #[test]
    fn the_committed_file_of_pneumonia_mnist_is_read_and_a_misspelt_key_is_not() {
        let path = committed("pneumonia-mnist.toml");
        let TrainingFile::Classifier(file) = TrainingFile::open(&path).unwrap() else {
            panic!("another kind");
        };
        assert_eq!((file.data, file.bundle.id.as_str()), (Data::Npz, "pneumonia-mnist"));
        let text = std::fs::read_to_string(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (right, wrong) in
            [("epochs =", "epoch ="), ("held_out = 0", "held_out = -"), ("\"npz\"", "\"zip\"")]
        {
            assert!(text.contains(right), "{right}");
            let other = folder.path().join("other.toml");
            std::fs::write(&other, text.replace(right, wrong)).unwrap();
            assert!(wrong.ends_with('-') || TrainingFile::open(&other).is_err(), "{wrong}");
        }
        let two = text.replacen("outputs = 1", "outputs = 2", 1);
        let other = folder.path().join("two.toml");
        std::fs::write(&other, two).unwrap();
        assert!(matches!(TrainingFile::open(&other), Err(TrainingFileError::Outputs { .. })));
    }
}
