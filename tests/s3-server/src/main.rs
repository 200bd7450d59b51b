//! An S3 server for tests: `s3-server FOLDER PORT ACCESS_KEY SECRET_KEY`. Each folder in FOLDER is a bucket, and the
//! files in it are its objects. It listens on this machine alone, prints its address, and ends when standard input does.
//!
//! It is s3s over a file system. Two things that S3 has and that library has not are added: lists name the ETag of each
//! object, and a read with `If-Match` of another one is 412.

use std::error::Error;
use std::io::Read as _;

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

#[derive(Debug)]
struct Store(FileSystem);

impl Store {
    async fn etag(&self, request: &S3Request<()>, bucket: &str, key: &str) -> S3Result<Option<ETag>> {
        let mut input = HeadObjectInput::builder();
        input.set_bucket(bucket.to_owned()).set_key(key.to_owned());
        let input = input.build().map_err(|_| s3_error!(InternalError))?;
        let head = self.0.head_object(with(request, input)).await?;
        Ok(head.output.e_tag)
    }
}

/// The same request for something else.
fn with<T, U>(request: &S3Request<T>, input: U) -> S3Request<U> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: hyper::http::Extensions::default(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: None,
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let (asked, bucket) = (with(&request, ()), request.input.bucket.clone());
        let mut answer = self.0.list_objects_v2(request).await?;
        for object in answer.output.contents.iter_mut().flatten() {
            let key = object.key.clone().unwrap_or_default();
            object.e_tag = self.etag(&asked, &bucket, &key).await?;
        }
        Ok(answer)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let asked = with(&request, ());
        let GetObjectInput { bucket, key, if_match, .. } = &request.input;
        if let Some(ETagCondition::ETag(wanted)) = if_match
            && self.etag(&asked, bucket, key).await?.as_ref() != Some(wanted)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        self.0.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.0.head_object(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.0.put_object(request).await
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.head_bucket(request).await
    }
}

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, port, access_key, secret_key] = &arguments[..] else {
        return Err("usage: s3-server FOLDER PORT ACCESS_KEY SECRET_KEY".into());
    };
    let files = FileSystem::new(folder).map_err(|error| format!("{error:?}"))?;
    let mut builder = S3ServiceBuilder::new(Store(files));
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key.as_str()));
    let service = builder.build();
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(|| {
        // Whoever started it is gone when this ends: nothing is left behind.
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the client's business.
            drop(connection.await);
        });
    }
}
