//! A bucket of an S3 server as a source: `<prefix><Study Instance UID>/`, nested, whatever the keys are called.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::landing::Landing;
use super::web::OpenError;
use super::{FetchLimits, Holding, Source, SourceError};
use crate::bucket::{Bucket, BucketConfig, Object};
use crate::uid::Uid;

/// Objects that are fetched at the same time.
const AT_ONCE: usize = 4;

/// A bucket with one prefix a study.
#[derive(Debug, Clone)]
pub struct S3 {
    bucket: Bucket,
    prefix: String,
}

/// A study in a bucket.
#[derive(Debug)]
struct InBucket {
    bucket: Bucket,
    objects: Vec<Object>,
    limits: FetchLimits,
}

impl S3 {
    /// Prepares connections; nothing is sent yet. `prefix` is empty or ends with a slash.
    pub fn new(config: &BucketConfig, prefix: &str) -> Result<Self, OpenError> {
        Ok(Self { bucket: Bucket::new(config)?, prefix: prefix.to_owned() })
    }
}

#[async_trait]
impl Source for S3 {
    async fn locate(&self, study: &Uid, limits: FetchLimits) -> Result<Box<dyn Holding>, SourceError> {
        let prefix = format!("{}{study}/", self.prefix);
        let mut objects = self.bucket.list(&prefix, limits.max_files).await?;
        // Consoles make empty objects that stand for folders.
        objects.retain(|object| object.bytes > 0 && object.key.starts_with(&prefix));
        if objects.is_empty() {
            return Err(SourceError::Absent);
        }
        let bytes = objects.iter().map(|object| object.bytes).fold(0, u64::saturating_add);
        if bytes > limits.max_bytes {
            return Err(SourceError::TooLarge { bytes, limit: limits.max_bytes });
        }
        let limits = FetchLimits { max_bytes: bytes, ..limits };
        Ok(Box::new(InBucket { bucket: self.bucket.clone(), objects, limits }))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        self.bucket.probe().await
    }
}

#[async_trait]
impl Holding for InBucket {
    fn bytes(&self) -> u64 {
        self.limits.max_bytes
    }

    fn instances(&self) -> Option<u64> {
        None
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    async fn fetch(&self, into: &Path) -> Result<(), SourceError> {
        let landing = Arc::new(Landing::new(into, self.limits));
        let bucket = self.bucket.clone();
        let reads = self.objects.clone().into_iter().map(move |object| {
            let (bucket, landing) = (bucket.clone(), Arc::clone(&landing));
            async move { bucket.read_into(&object, &landing).await }
        });
        stream::iter(reads).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }
}
