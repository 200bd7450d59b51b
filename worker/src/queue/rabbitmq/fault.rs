//! What the broker says when something is wrong, as errors of the queue.

use std::error::Error as StdError;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

use crate::queue::QueueError;

/// An error that can pass.
pub(super) fn unavailable(
    act: &'static str,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> QueueError {
    QueueError::Unavailable { act, source: source.into() }
}

/// Why a connection could not be made.
pub(super) fn connecting(error: Error) -> QueueError {
    let refused = match protocol_kind(&error) {
        Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => {
            "the broker refuses the login; check the user in `queue.url` and `queue.password`"
        }
        Some(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) => {
            "the broker refuses the virtual host of `queue.url`; make it, or give the user permissions on it"
        }
        _ => {
            let Some(said) = certificate_problem(&error) else {
                return unavailable("connect to the broker", error);
            };
            let reason = format!(
                "certificates do not fit ({said}); check `queue.ca_file`, the host in `queue.url` and our own certificate"
            );
            return QueueError::Unusable { reason };
        }
    };
    QueueError::Unusable { reason: refused.to_owned() }
}

/// What is wrong with the broker's certificate, or what the broker finds wrong with ours.
fn certificate_problem(error: &Error) -> Option<String> {
    use rustls::Error::{AlertReceived, InvalidCertificate};

    let ErrorKind::IOError(error) = error.kind() else { return None };
    let said = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    matches!(said, InvalidCertificate(_) | AlertReceived(_)).then(|| said.to_string())
}

/// Why an exchange or queue of the site `prefix` could not be declared. The broker's text names which one.
pub(super) fn declaring(prefix: &str, error: Error) -> QueueError {
    let reason = match (protocol_kind(&error), message(&error)) {
        // Other preconditions, such as a queue that is just being stopped, pass.
        (Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)), Some(text))
            if text.contains("inequivalent") =>
        {
            format!(
                "an exchange or queue of this name has other properties on the broker ({text}); delete it once it is \
                 empty, or set another `queue.prefix`"
            )
        }
        (Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)), Some(text)) => format!(
            "the user may not declare or bind its exchanges and queues ({text}); give it configure, write and read \
             permissions on names that begin with `{prefix}.`"
        ),
        _ => return unavailable("declare its exchanges and queues", error),
    };
    QueueError::Unusable { reason }
}

/// True when an exchange or queue is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(protocol_kind(error), Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)))
}

/// An error with its causes, for the log.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}

fn protocol_kind(error: &Error) -> Option<&AMQPErrorKind> {
    match error.kind() {
        ErrorKind::ProtocolError(said) => Some(said.kind()),
        _ => None,
    }
}

fn message(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::ProtocolError(said) => Some(said.get_message().to_string()),
        _ => None,
    }
}
