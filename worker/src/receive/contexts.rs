//! Whom the receiver answers, and what it takes: the titles of the site, the storage classes, what is read of transfer syntaxes.

use dicom_ingest::storage::storage_classes;
use dicom_ingest::transfer_syntax::TransferSyntax;
use dicom_ul::association::server::{AccessControl, DefaultNegotiation, ServerAssociationOptions};
use dicom_ul::pdu::{AssociationRJServiceUserReason, UserIdentity};

use crate::config::site::{Callers, ReceiveConfig};
use crate::dimse::VERIFICATION;

/// What an association is negotiated by.
pub(super) type Options = ServerAssociationOptions<'static, Titles, DefaultNegotiation>;

/// The allow lists of application entity titles.
#[derive(Debug, Clone)]
pub(super) struct Titles {
    called: Vec<String>,
    calling: Callers,
}

impl AccessControl for Titles {
    fn check_access(
        &self,
        _ours: &str,
        calling: &str,
        called: &str,
        _identity: Option<&UserIdentity>,
    ) -> Result<(), AssociationRJServiceUserReason> {
        if !self.called.iter().any(|title| title == called) {
            return Err(AssociationRJServiceUserReason::CalledAETitleNotRecognized);
        }
        match &self.calling {
            Callers::These(titles) if !titles.iter().any(|title| title == calling) => {
                Err(AssociationRJServiceUserReason::CallingAETitleNotRecognized)
            }
            Callers::Any | Callers::These(_) => Ok(()),
        }
    }
}

/// The options of every association. A sender's transfer syntaxes are taken in its own order: nothing is transcoded.
pub(super) fn options(config: &ReceiveConfig) -> Options {
    let titles = Titles { called: config.called_aes.clone(), calling: config.calling_aes.clone() };
    let mut options = ServerAssociationOptions::new()
        .ae_access_control(titles)
        .max_pdu_length(config.max_pdu_bytes)
        .strict(true)
        .read_timeout(config.idle)
        .write_timeout(config.idle)
        .with_abstract_syntax(VERIFICATION);
    for class in storage_classes() {
        options = options.with_abstract_syntax(class);
    }
    for syntax in TransferSyntax::READ {
        options = options.with_transfer_syntax(syntax);
    }
    options
}
