//! As much of HTTP/1.1 as the server needs, by hand: a library would not let go of a connection in the middle.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fault::Fault;

/// The longest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// The longest body of a request, in bytes.
const BODY_BYTES: usize = 64 * 1024 * 1024;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    body_bytes: usize,
}

/// Where requests are answered.
pub(crate) trait Desk {
    /// What will go wrong with the request that begins like this.
    fn fault(&self, head: &Head) -> Option<Fault>;

    /// Has the request its effect, and answers.
    fn answer(&self, head: &Head, body: &[u8], fault: Option<Fault>) -> Reply;
}

/// What is done instead of, or as, an answer.
#[derive(Debug)]
pub(crate) enum Reply {
    Whole {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// An answer that is this long, written as fast as it is read.
    Endless {
        bytes: u64,
    },
    Late(Duration, Box<Reply>),
    Never,
    Cut,
    /// RST instead of FIN, after these bytes.
    Reset {
        after: Vec<u8>,
    },
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".into(), "application/fhir+json; charset=utf-8".into())];
        Self::Whole { status, headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// The answer whose body ends in the middle, though it says that it is whole.
    pub(crate) fn truncated(mut self) -> Self {
        if let Self::Whole { body, .. } = &mut self {
            body.truncate(body.len() / 2);
        }
        self
    }

    /// The first half of the bytes of the answer, head included.
    pub(crate) fn first_half(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.truncate(bytes.len() / 2);
        bytes
    }

    /// The bytes of the answer, head included.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self::Whole { status, headers, body } = self else { return Vec::new() };
        let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
        let headers: Vec<u8> =
            headers.iter().flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes()).collect();
        [head.as_bytes(), &headers, b"\r\n", body].concat()
    }
}

/// Answers requests on one connection until it ends. A connection that breaks is the client's business.
pub(crate) async fn serve(mut stream: TcpStream, desk: impl Desk) {
    let mut unread = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut unread).await {
        let fault = desk.fault(&head);
        let wanted = match fault {
            Some(Fault::ResetMidRequest(bytes)) => bytes.min(head.body_bytes),
            _ => head.body_bytes,
        };
        let Some(body) = read_body(&mut stream, &mut unread, wanted).await else { return };
        let mut reply = desk.answer(&head, &body, fault);
        while let Reply::Late(time, then) = reply {
            tokio::time::sleep(time).await;
            reply = *then;
        }
        if write(&mut stream, reply).await.is_none() {
            return;
        }
    }
}

/// Writes the reply; `None` where the connection is at its end.
async fn write(stream: &mut TcpStream, reply: Reply) -> Option<()> {
    match reply {
        whole @ Reply::Whole { .. } => stream.write_all(&whole.bytes()).await.ok(),
        Reply::Endless { bytes } => {
            let head = "HTTP/1.1 200 Status\r\ncontent-type: application/fhir+json\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x1_0000], b"\r\n"].concat();
            for _ in 0..bytes / 0x1_0000 {
                stream.write_all(&chunk).await.ok()?;
            }
            stream.write_all(b"0\r\n\r\n").await.ok()
        }
        Reply::Never => std::future::pending().await,
        Reply::Reset { after } => {
            stream.write_all(&after).await.ok()?;
            stream.set_zero_linger().ok()?;
            None
        }
        Reply::Cut | Reply::Late(..) => None,
    }
}

/// The head of the next request; `None` at the end of the connection.
async fn read_head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Head> {
    let end = loop {
        if let Some(place) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break place;
        }
        more(stream, unread, HEAD_BYTES).await?;
    };
    let text = String::from_utf8_lossy(&unread[..end]).into_owned();
    unread.drain(..end + 4);
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    Some(Head {
        method,
        path,
        authorization: header("authorization"),
        content_type: header("content-type"),
        cache_control: header("cache-control"),
        body_bytes: header("content-length").map_or(Some(0), |length| length.parse().ok())?,
    })
}

async fn read_body(stream: &mut TcpStream, unread: &mut Vec<u8>, bytes: usize) -> Option<Vec<u8>> {
    while unread.len() < bytes {
        more(stream, unread, BODY_BYTES).await?;
    }
    Some(unread.drain(..bytes).collect())
}

/// Reads some more; `None` at the end of the connection or above the limit.
async fn more(stream: &mut TcpStream, unread: &mut Vec<u8>, limit: usize) -> Option<()> {
    if unread.len() > limit {
        return None;
    }
    let read = stream.read_buf(unread).await.ok()?;
    (read > 0).then_some(())
}
