//! An S3 server for tests: `s3-server FOLDER PORT ACCESS_KEY SECRET_KEY`. Each folder in FOLDER is a bucket, and the
//! files in it are its objects. It listens on this machine alone, prints its address, and ends when standard input does.

use std::error::Error;
use std::io::Read as _;

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, port, access_key, secret_key] = &arguments[..] else {
        return Err("usage: s3-server FOLDER PORT ACCESS_KEY SECRET_KEY".into());
    };
    let files = FileSystem::new(folder).map_err(|error| format!("{error:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
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
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the client's business.
            drop(connection.await);
        });
    }
}
