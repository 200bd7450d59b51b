//! Reading an object, whole or in ranges, each piece checked before the next is asked for.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Bucket, Checksums, Object, fault};
use crate::source::landing::Landing;
use crate::source::{SourceError, pause};

/// The most bytes that one request gives; they are held in memory until they are known to be whole.
pub const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// What the server says an object's bytes sum up to.
#[derive(Debug, Default)]
struct Stated {
    crc32: Option<String>,
    sha256: Option<String>,
}

impl Bucket {
    /// Reads an object as it was listed into a file.
    pub(crate) async fn read_into(&self, object: &Object, landing: &Landing) -> Result<(), SourceError> {
        let mut file = landing.begin().await?;
        if object.bytes <= WINDOW_BYTES {
            file.write(&self.window(object, None).await?).await?;
            return file.end().await.map(drop);
        }
        let (stated, object) = self.stated(object).await?;
        let mut sum = crc32fast::Hasher::new();
        let mut begin = 0;
        while begin < object.bytes {
            let end = object.bytes.min(begin + WINDOW_BYTES);
            let bytes = self.window(&object, Some((begin, end))).await?;
            sum.update(&bytes);
            file.write(&bytes).await?;
            begin = end;
        }
        let sha256 = file.end().await?;
        let holds =
            |stated: Option<&String>, sum: &[u8]| stated.is_none_or(|stated| *stated == STANDARD.encode(sum));
        let is_it = holds(stated.crc32.as_ref(), &sum.finalize().to_be_bytes())
            && holds(stated.sha256.as_ref(), &sha256);
        if is_it { Ok(()) } else { Err(SourceError::Damaged) }
    }

    /// The checksums of a whole object, where the server has them, and the object with its ETag, where the list had none.
    /// Checksums of an object that was uploaded in parts are sums of sums (`..-3`) and are of no use here.
    async fn stated(&self, object: &Object) -> Result<(Stated, Object), SourceError> {
        let mut request = self.client.head_object().bucket(&self.name).key(&object.key);
        if self.checksums == Checksums::Supported {
            request = request.checksum_mode(ChecksumMode::Enabled);
        }
        let head = request.send().await.map_err(fault::of_object)?;
        if object.etag.as_deref().is_some_and(|etag| head.e_tag() != Some(etag)) {
            return Err(SourceError::Changed);
        }
        let whole = |sum: Option<&str>| sum.filter(|sum| !sum.contains('-')).map(str::to_owned);
        let stated = Stated { crc32: whole(head.checksum_crc32()), sha256: whole(head.checksum_sha256()) };
        let etag = head.e_tag().map(str::to_owned);
        Ok((stated, Object { etag, ..object.clone() }))
    }

    /// A range of the object, or all of it, tried again where its body breaks off; what befalls a request before its body
    /// comes is the SDK's to try again.
    async fn window(&self, object: &Object, range: Option<(u64, u64)>) -> Result<Vec<u8>, SourceError> {
        let mut tries = 1;
        loop {
            match self.once(object, range).await {
                Err(error @ (SourceError::Truncated | SourceError::Damaged))
                    if pause::before_next(tries, &error).await =>
                {
                    tries += 1;
                }
                read => return read,
            }
        }
    }

    async fn once(&self, object: &Object, range: Option<(u64, u64)>) -> Result<Vec<u8>, SourceError> {
        let mut request = self.client.get_object().bucket(&self.name).key(&object.key);
        if let Some(etag) = &object.etag {
            request = request.if_match(etag);
        }
        if let Some((begin, end)) = range {
            request = request.range(format!("bytes={begin}-{}", end - 1));
        } else if self.checksums == Checksums::Supported {
            request = request.checksum_mode(ChecksumMode::Enabled);
        }
        let answer = request.send().await.map_err(fault::of_object)?;
        if object.etag.as_deref().is_some_and(|etag| answer.e_tag() != Some(etag)) {
            return Err(SourceError::Changed);
        }
        let expected = range.map_or(object.bytes, |(begin, end)| end - begin);
        if answer.content_length().and_then(|length| u64::try_from(length).ok()) != Some(expected) {
            return Err(SourceError::Changed);
        }
        body(answer.body, expected).await
    }
}

/// Exactly so many bytes. The SDK compares the checksum, where there is one, when the last of them came.
pub(super) async fn body(mut stream: ByteStream, expected: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    while let Some(chunk) = stream.next().await {
        let is_complete = bytes.len() as u64 == expected;
        let chunk =
            chunk.map_err(|_| if is_complete { SourceError::Damaged } else { SourceError::Truncated })?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > expected {
            return Err(SourceError::Damaged);
        }
    }
    if bytes.len() as u64 == expected { Ok(bytes) } else { Err(SourceError::Truncated) }
}
