//! One association, from its request to its end.

use std::net::IpAddr;
use std::sync::Arc;

use dicom_ul::association::server::AsyncServerAssociation;
use dicom_ul::association::{Association, Error};
use dicom_ul::pdu::{
    PDataValue, PDataValueType, Pdu, PresentationContextNegotiated, PresentationContextResultReason,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Receiver;
use super::command::{Ask, CANCEL, ECHO, STORE, Status};
use super::counts::AssociationEnd;
use super::incoming::Incoming;

/// Longest command set, in bytes: one has some hundred.
const COMMAND_BYTES: usize = 64 * 1024;

/// An association that was accepted.
struct Conversation {
    receiver: Arc<Receiver>,
    peer: AsyncServerAssociation<TcpStream>,
    stage: Stage,
    stored: u64,
    refused: u64,
}

/// Where in a message it is.
enum Stage {
    /// Between two messages, or inside a command.
    Command { context: u8, bytes: Vec<u8> },
    /// Inside the data set of a C-STORE.
    Instance { context: u8, ask: Ask, incoming: Box<Incoming> },
    /// Inside the data set of a message that is not for us.
    Skipped { context: u8, ask: Ask },
}

impl Stage {
    const BETWEEN: Self = Self::Command { context: 0, bytes: Vec::new() };

    fn is_between(&self) -> bool {
        matches!(self, Self::Command { bytes, .. } if bytes.is_empty())
    }
}

/// How an association ended.
enum End {
    /// The peer has released it.
    Released,
    /// The peer has aborted it, or is gone.
    Lost(&'static str),
    /// We abort it.
    Abort(&'static str),
}

/// Talks with one peer until one of the two ends it.
pub(super) async fn serve(
    receiver: Arc<Receiver>,
    stream: TcpStream,
    address: IpAddr,
    stopping: CancellationToken,
) {
    let peer = match receiver.options.establish_async(stream).await {
        Ok(peer) => peer,
        Err(error) => {
            receiver.counts.association_ended(AssociationEnd::Rejected);
            tracing::warn!(%address, reason = kind(&error), "no association");
            return;
        }
    };
    let counts = receiver.counts.clone();
    let open = counts.association_begins();
    let calling = peer.peer_ae_title().to_owned();
    let mut conversation = Conversation { receiver, peer, stage: Stage::BETWEEN, stored: 0, refused: 0 };
    let end = conversation.run(&stopping).await;
    let Conversation { peer, stored, refused, .. } = conversation;
    let (counted, reason) = match end {
        End::Released => (AssociationEnd::Released, "released"),
        End::Lost(reason) => (AssociationEnd::Lost, reason),
        End::Abort(reason) => {
            if let Err(error) = peer.abort().await {
                tracing::debug!(reason = kind(&error), "the peer did not hear of the end");
            }
            (AssociationEnd::Aborted, reason)
        }
    };
    drop(open);
    counts.association_ended(counted);
    tracing::info!(calling, %address, stored, refused, reason, "association ended");
}

impl Conversation {
    async fn run(&mut self, stopping: &CancellationToken) -> End {
        loop {
            // What is under way is finished: a sender that is told nothing has to send it again.
            let is_between = self.stage.is_between();
            let pdu = tokio::select! {
                biased;
                () = stopping.cancelled(), if is_between => return End::Abort("stopping"),
                pdu = self.peer.receive() => pdu,
            };
            let values = match pdu {
                Ok(Pdu::PData { data }) => data,
                Ok(Pdu::ReleaseRQ) => return self.release().await,
                Ok(Pdu::AbortRQ { .. }) => return End::Lost("aborted by the peer"),
                Ok(_) => return End::Abort("unexpected PDU"),
                Err(error @ (Error::ConnectionClosed { .. } | Error::WireRead { .. })) => {
                    return End::Lost(kind(&error));
                }
                Err(error) => return End::Abort(kind(&error)),
            };
            for value in values {
                if let Err(end) = self.take(value).await {
                    return end;
                }
            }
        }
    }

    async fn release(&mut self) -> End {
        match self.peer.send(&Pdu::ReleaseRP).await {
            Ok(()) => End::Released,
            Err(error) => End::Lost(kind(&error)),
        }
    }

    /// Takes one fragment of a command or a data set.
    async fn take(&mut self, value: PDataValue) -> Result<(), End> {
        let PDataValue { presentation_context_id: id, value_type, is_last, data } = value;
        match (&mut self.stage, value_type) {
            (Stage::Command { context, bytes }, PDataValueType::Command) => {
                if bytes.is_empty() {
                    *context = id;
                }
                if *context != id || bytes.len() + data.len() > COMMAND_BYTES {
                    return Err(End::Abort("no command"));
                }
                bytes.extend_from_slice(&data);
                if is_last {
                    let bytes = std::mem::take(bytes);
                    self.stage = Stage::BETWEEN;
                    return self.command(id, &bytes).await;
                }
                // An empty fragment would look like the place between two messages.
                if bytes.is_empty() { Err(End::Abort("no command")) } else { Ok(()) }
            }
            (Stage::Instance { context, incoming, .. }, PDataValueType::Data) if *context == id => {
                incoming.write(&self.receiver, &data).await;
                if is_last { self.whole().await } else { Ok(()) }
            }
            (Stage::Skipped { context, .. }, PDataValueType::Data) if *context == id => {
                if is_last {
                    self.whole().await
                } else {
                    Ok(())
                }
            }
            _ => Err(End::Abort("a fragment of another message")),
        }
    }

    async fn command(&mut self, id: u8, bytes: &[u8]) -> Result<(), End> {
        let ask = Ask::parse(bytes).ok_or(End::Abort("no command"))?;
        let context = self.context(id).ok_or(End::Abort("no such presentation context"))?;
        match ask.field {
            STORE if ask.has_dataset => {
                let incoming = Incoming::begin(&self.receiver, &ask, &context).await;
                self.stage = Stage::Instance { context: id, ask, incoming: Box::new(incoming) };
                Ok(())
            }
            ECHO if !ask.has_dataset => self.answer(id, &ask, Status::SUCCESS).await,
            CANCEL => Ok(()),
            _ if ask.has_dataset => {
                self.stage = Stage::Skipped { context: id, ask };
                Ok(())
            }
            _ => self.answer(id, &ask, Status::UNRECOGNIZED_OPERATION).await,
        }
    }

    fn context(&self, id: u8) -> Option<PresentationContextNegotiated> {
        let is_meant = |context: &&PresentationContextNegotiated| {
            context.id == id && context.reason == PresentationContextResultReason::Acceptance
        };
        self.peer.presentation_contexts().iter().find(is_meant).cloned()
    }

    /// The data set is whole.
    async fn whole(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.stage, Stage::BETWEEN) {
            Stage::Instance { context, ask, incoming } => {
                let bytes = incoming.bytes();
                let status = incoming.finish(&self.receiver).await;
                self.receiver.counts.instance(&status, bytes);
                if status == Status::SUCCESS {
                    self.stored += 1;
                } else {
                    self.refused += 1;
                    let (code, comment) = (format!("{:04X}", status.code), status.comment);
                    tracing::warn!(status = code, comment, "an instance was refused");
                }
                self.answer(context, &ask, status).await
            }
            Stage::Skipped { context, ask } => {
                self.answer(context, &ask, Status::UNRECOGNIZED_OPERATION).await
            }
            Stage::Command { .. } => Err(End::Abort("a data set without a command")),
        }
    }

    async fn answer(&mut self, context: u8, ask: &Ask, status: Status) -> Result<(), End> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: ask.answer(status),
        };
        let sent = self.peer.send(&Pdu::PData { data: vec![value] }).await;
        sent.map_err(|error| End::Lost(kind(&error)))
    }
}

/// The kind of an error, for a log; its text could hold what the peer wrote.
pub(super) fn kind(error: &Error) -> &'static str {
    match error {
        Error::Timeout { .. } => "silent for too long",
        Error::ConnectionClosed { .. } => "closed by the peer",
        Error::Rejected { .. } => "rejected: not an application entity that may call, or not ours",
        Error::ReceivePdu { .. } => "no valid PDU",
        Error::UnexpectedPdu { .. } | Error::UnknownPdu { .. } => "unexpected PDU",
        Error::Aborted { .. } => "aborted by the peer",
        _ => "connection lost",
    }
}
