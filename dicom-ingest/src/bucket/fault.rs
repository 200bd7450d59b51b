//! The SDK's errors as ours. Nothing of a server's words is kept.

use aws_sdk_s3::error::SdkError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::source::SourceError;

/// An error of a request about the bucket.
pub(super) fn of_place<E>(error: SdkError<E, HttpResponse>) -> SourceError {
    of(error, |status| SourceError::NoSuchPlace { status })
}

/// An error of a request about an object that was there a moment ago.
pub(super) fn of_object<E>(error: SdkError<E, HttpResponse>) -> SourceError {
    of(error, |_| SourceError::Changed)
}

fn of<E>(error: SdkError<E, HttpResponse>, missing: impl Fn(u16) -> SourceError) -> SourceError {
    match error {
        SdkError::TimeoutError(_) => SourceError::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => SourceError::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_io() => SourceError::Unreachable(None),
        // What is left of failures before the wire are credentials that could not be had.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            SourceError::Denied { status: 401 }
        }
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            // An answer of success that is none of S3's.
            let is_success = (200..300).contains(&status);
            if is_success {
                SourceError::NotUnderstood("it is not of an S3 server")
            } else {
                SourceError::of_status(status, missing(status))
            }
        }
        SdkError::ResponseError(answer) => match answer.raw().status().as_u16() {
            200..=299 => SourceError::Truncated,
            status => SourceError::of_status(status, missing(status)),
        },
        _ => SourceError::NotUnderstood("it is of a kind that the library does not know"),
    }
}
