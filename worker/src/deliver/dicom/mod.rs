//! A PACS over DICOM: structured report, overlay and segmentation by C-STORE (PS3.7 9.1.1), exactly as the ledger stores them.
//!
//! An instance has one SOP Instance UID for ever, so storing it again is no second effect: an archive keeps what it has,
//! or takes the same bytes again, and `0111` (duplicate SOP instance) is a success. Hence nothing is looked up first:
//! many archives let a sender store and not query.

mod dimse;
mod failure;

use async_trait::async_trait;
use dicom_ul::association::client::{AsyncClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use tokio::net::TcpStream;

use self::dimse::{Answer, Command};
use self::failure::{association, judge};
use super::object::{Letter, TRANSFER_SYNTAX};
use super::trouble::Trouble;
use super::{DeliverError, Parcel, Receipts, Target, TransientCode};
use crate::config::site::DicomConfig;
use crate::dimse::{IMPLICIT_LITTLE, VERIFICATION};
use crate::message::Name;

/// Longest PDU that is read, in bytes: an answer has some hundred.
const PDU_BYTES: u32 = 16 * 1024;
/// Longest answer to a command, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;
/// Longest fragment of a data set that is sent, in bytes.
const FRAGMENT_BYTES: usize = 64 * 1024;
/// What a fragment has in front: item length, context and control header (PS3.8 9.3.5).
const FRAGMENT_HEAD: usize = 6;

/// A PACS as a target.
#[derive(Debug)]
pub struct DicomTarget {
    name: Name,
    config: DicomConfig,
}

impl DicomTarget {
    /// Nothing is reached yet.
    pub fn new(name: Name, config: &DicomConfig) -> Self {
        Self { name, config: config.clone() }
    }

    /// Runs an exchange within the time for one association.
    async fn in_time(&self, exchange: impl Future<Output = Result<(), Trouble>>) -> Result<(), DeliverError> {
        let timed_out = || Err(Trouble::now(TransientCode::TimedOut));
        let done = tokio::time::timeout(self.config.timeout, exchange).await;
        done.unwrap_or_else(|_| timed_out()).map_err(|trouble| trouble.at(&self.name))
    }

    async fn associate(
        &self,
        sop_class: &str,
        transfer_syntax: &str,
    ) -> Result<(AsyncClientAssociation<TcpStream>, u8), Trouble> {
        let association = ClientAssociationOptions::new()
            .calling_ae_title(self.config.calling_ae.clone())
            .called_ae_title(self.config.called_ae.clone())
            .with_presentation_context(sop_class.to_owned(), vec![transfer_syntax.to_owned()])
            .max_pdu_length(PDU_BYTES)
            .connection_timeout(self.config.timeout)
            .establish_async(self.config.address.as_str())
            .await
            .map_err(association)?;
        let context = association.presentation_contexts().first().map(|context| context.id);
        let context = context.ok_or(Trouble::now(TransientCode::SopClassRefused))?;
        Ok((association, context))
    }

    async fn store(&self, letter: &Letter<'_>) -> Result<(), Trouble> {
        let (mut peer, context) = self.associate(letter.sop_class, TRANSFER_SYNTAX).await?;
        let (sop_class, sop_instance) = (letter.sop_class, letter.sop_instance_uid.as_str());
        let command = Command::Store { sop_class, sop_instance };
        send(&mut peer, context, PDataValueType::Command, &command.bytes()).await?;
        send(&mut peer, context, PDataValueType::Data, letter.dataset).await?;
        let answer = answer(&mut peer).await?;
        end(peer).await;
        judge(command.expects(answer)?)
    }

    async fn echo(&self) -> Result<(), Trouble> {
        let (mut peer, context) = self.associate(VERIFICATION, IMPLICIT_LITTLE).await?;
        let command = Command::Echo { sop_class: VERIFICATION };
        send(&mut peer, context, PDataValueType::Command, &command.bytes()).await?;
        let answer = answer(&mut peer).await?;
        end(peer).await;
        judge(command.expects(answer)?)
    }
}

#[async_trait]
impl Target for DicomTarget {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        // A study without an identified patient has no structured report: there is nothing for an archive.
        let letters = Letter::all(parcel).map_err(|trouble| trouble.at(&self.name))?;
        let mut receipts = Receipts::new();
        for letter in letters {
            self.in_time(self.store(&letter)).await?;
            let place =
                format!("{}@{}/{}", self.config.called_ae, self.config.address, letter.sop_instance_uid);
            receipts.insert(letter.part.to_owned(), place);
        }
        Ok(receipts)
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        self.in_time(self.echo()).await
    }
}

/// Sends a command or a data set, in as many pieces as the peer wants.
async fn send(
    peer: &mut AsyncClientAssociation<TcpStream>,
    context: u8,
    of: PDataValueType,
    bytes: &[u8],
) -> Result<(), Trouble> {
    let accepted = usize::try_from(peer.acceptor_max_pdu_length()).unwrap_or(FRAGMENT_BYTES);
    let length = accepted.saturating_sub(FRAGMENT_HEAD).clamp(2, FRAGMENT_BYTES);
    let mut pieces = bytes.chunks(length).peekable();
    while let Some(piece) = pieces.next() {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: of.clone(),
            is_last: pieces.peek().is_none(),
            data: piece.to_vec(),
        };
        peer.send(&Pdu::PData { data: vec![value] }).await.map_err(association)?;
    }
    Ok(())
}

/// Receives the answer to a command.
async fn answer(peer: &mut AsyncClientAssociation<TcpStream>) -> Result<Answer, Trouble> {
    let mut command = Vec::new();
    loop {
        let values = match peer.receive().await.map_err(association)? {
            Pdu::PData { data } => data,
            Pdu::AbortRQ { .. } => return Err(Trouble::now(TransientCode::ConnectionCut)),
            _ => return Err(Trouble::now(TransientCode::AnswerNotUnderstood)),
        };
        for value in values {
            if value.value_type != PDataValueType::Command {
                return Err(Trouble::now(TransientCode::AnswerNotUnderstood));
            }
            command.extend_from_slice(&value.data);
            if command.len() > ANSWER_BYTES {
                return Err(Trouble::now(TransientCode::AnswerTooLong));
            }
            if value.is_last {
                return Answer::parse(&command)
                    .ok_or_else(|| Trouble::now(TransientCode::AnswerNotUnderstood));
            }
        }
    }
}

/// Ends the association. What was to be said is said: whether the peer says goodbye changes nothing.
async fn end(peer: AsyncClientAssociation<TcpStream>) {
    if let Err(error) = peer.release().await {
        tracing::debug!(kind = failure::kind(&error), "the association did not end in order");
    }
}
