//! Studies on other machines: a bucket of a real S3 server and a real Orthanc, each behind a gateway that spoils answers.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::gateway::{Fault, Gateway};
use crate::orthanc::{LOGIN, Orthanc};
use crate::s3_server::{ACCESS_KEY, BUCKET, S3Server};

/// Where a study is that is not in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the bucket.
    Bucket,
    /// On the DICOMweb server.
    Pacs,
}

impl Origin {
    /// The source's configured name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Pacs => "pacs",
        }
    }
}

/// The servers and the ways to them.
#[derive(Debug)]
pub struct Remote {
    /// Holds studies and takes reports.
    pub s3: S3Server,
    /// The way to it.
    pub to_s3: Gateway,
    /// Holds studies, where Orthanc is installed, and the way to it.
    pub pacs: Option<(Orthanc, Gateway)>,
}

impl Remote {
    /// Starts them in the site's folder.
    ///
    /// # Panics
    /// Where one does not come up.
    pub fn start(folder: &Path) -> Self {
        let s3 = S3Server::start(&folder.join("s3"));
        let to_s3 = Gateway::start(s3.address());
        let orthanc = Orthanc::start_pacs(&folder.join("orthanc"));
        let pacs = orthanc.map(|orthanc| {
            let gateway = Gateway::start(orthanc.http());
            (orthanc, gateway)
        });
        for (name, secret) in [("s3-secret", ACCESS_KEY.1), ("pacs-password", LOGIN.1)] {
            let file = folder.join(name);
            fs::write(&file, secret).expect("a written secret");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its owner's alone");
        }
        Self { s3, to_s3, pacs }
    }

    /// Where a study can be: the folder is none of them.
    pub fn origins(&self) -> Vec<Origin> {
        let pacs = self.pacs.is_some().then_some(Origin::Pacs);
        std::iter::once(Origin::Bucket).chain(pacs).collect()
    }

    /// The folder whose studies are the bucket's.
    pub(super) fn studies(&self) -> PathBuf {
        self.s3.bucket().join("studies")
    }

    /// The folder of the bucket's reports.
    pub(super) fn reports(&self) -> PathBuf {
        self.s3.bucket().join("reports")
    }

    /// Moves studies from the bucket to the DICOMweb server.
    pub(super) fn store(&self, studies: &[String]) {
        let (orthanc, _) = self.pacs.as_ref().expect("Orthanc is installed");
        for study in studies {
            let folder = self.studies().join(study);
            for file in fs::read_dir(&folder).expect("a study").flatten() {
                orthanc.store(&fs::read(file.path()).expect("an instance"));
            }
            fs::remove_dir_all(&folder).expect("a study to remove");
        }
    }

    /// The files of a study.
    ///
    /// # Panics
    /// Where they are not there.
    pub fn files(&self, origin: Origin, study: &str) -> Vec<Vec<u8>> {
        match origin {
            Origin::Bucket => {
                let files = fs::read_dir(self.studies().join(study)).expect("a study").flatten();
                files.map(|file| fs::read(file.path()).expect("an instance")).collect()
            }
            Origin::Pacs => self.pacs.as_ref().expect("Orthanc is installed").0.study(study),
        }
    }

    /// Puts an instance beside the others of its study.
    ///
    /// # Panics
    /// Where it is not taken.
    pub fn add(&self, origin: Origin, study: &str, name: &str, file: &[u8]) {
        match origin {
            Origin::Bucket => fs::write(self.studies().join(study).join(name), file).expect("a written file"),
            Origin::Pacs => {
                self.pacs.as_ref().expect("Orthanc is installed").0.store(file);
            }
        }
    }

    /// The tables of `chiasm.toml`.
    pub(super) fn settings(&self, folder: &Path, is_direct: bool) -> String {
        let folder = folder.display();
        let s3 = if is_direct { self.s3.url() } else { self.to_s3.url() };
        let bucket = format!(
            "kind = \"s3\"\nurl = \"{s3}\"\nbucket = \"{BUCKET}\"\npath_style = true\naccess_key_id = \"{}\"\n\
             secret_access_key = {{ file = \"{folder}/s3-secret\" }}\ntimeout_s = 5\n",
            ACCESS_KEY.0
        );
        let mut text = format!(
            "[sources.bucket]\n{bucket}prefix = \"studies/\"\n\n[targets.shelf]\n{bucket}prefix = \"reports/\"\n\n"
        );
        if let Some((orthanc, gateway)) = &self.pacs {
            let pacs = if is_direct { orthanc.url() } else { gateway.url() };
            let written = write!(
                text,
                "[sources.pacs]\nkind = \"dicomweb\"\nurl = \"{pacs}/dicom-web\"\nuser = \"{}\"\n\
                 password = {{ file = \"{folder}/pacs-password\" }}\ntimeout_s = 5\n\n",
                LOGIN.0
            );
            written.expect("a text takes text");
        }
        text
    }
}

/// What an S3 server or a PACS, or the way to it, does now and then. A redirect is none of it: a target that sends reports
/// elsewhere is for a person to look at, and fails its jobs.
pub fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(503, "SlowDown"),
        Fault::Status(500, "InternalError"),
        Fault::Status(429, "TooManyRequests"),
        Fault::Status(401, "Unauthorized"),
        Fault::Status(404, "NoSuchKey"),
        Fault::Status(412, "PreconditionFailed"),
        Fault::Truncated,
        Fault::Cut,
        Fault::Lost,
        Fault::Slow(3),
    ]
}
