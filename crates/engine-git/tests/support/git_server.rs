//! A Git server on loopback, over HTTP and over the daemon's protocol, with the faults that servers have.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part; tests fail by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::upload_pack::{Packet, UploadPack, read_request};

/// How the server behaves.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// The only `Authorization` header that is let in.
    pub(crate) authorization: Option<String>,
    /// The answer to everything.
    pub(crate) status: Option<u16>,
    /// Where `/moved` redirects to.
    pub(crate) moved_to: Option<String>,
    /// Gives only what a reference names.
    pub(crate) tips_only: bool,
    /// Stops in the middle of a pack, for ever.
    pub(crate) stall_in_pack: bool,
    /// Cuts the connection in the middle of a pack.
    pub(crate) cut_in_pack: bool,
    /// Answers with a page for people.
    pub(crate) web_page: bool,
}

pub(crate) struct GitServer {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    repository: Arc<Path>,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    fn upload_pack(&self) -> UploadPack {
        let mut upload_pack = UploadPack::new(&self.repository);
        upload_pack.policy.tips_only = self.behaviour.lock().tips_only;
        upload_pack
    }
}

impl GitServer {
    /// A server that speaks HTTP.
    pub(crate) async fn http(repository: &Path) -> Self {
        Self::start(repository, |stream, shared| async move {
            let service = hyper::service::service_fn(move |request| respond(request, shared.clone()));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        })
        .await
    }

    /// A server that speaks HTTP over TLS, as `localhost`.
    pub(crate) async fn https(repository: &Path) -> Self {
        Self::start(repository, |stream, shared| async move {
            let Ok(stream) = tls().accept(stream).await else { return };
            let service = hyper::service::service_fn(move |request| respond(request, shared.clone()));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        })
        .await
    }

    /// A server that speaks the protocol of the Git daemon.
    pub(crate) async fn daemon(repository: &Path) -> Self {
        Self::start(repository, |mut stream, shared| async move {
            let upload_pack = shared.upload_pack();
            let Some(_path) = read_line(&mut stream).await else { return };
            stream.write_all(&upload_pack.advertise()).await.unwrap();
            loop {
                let mut request = Vec::new();
                loop {
                    match read_line(&mut stream).await {
                        None => return,
                        Some(packet) => {
                            request.push(packet);
                            if request.last() == Some(&Packet::Flush) {
                                break;
                            }
                        }
                    }
                }
                let Some(command) = UploadPack::command(&request) else { return };
                shared.requests.lock().push(command.to_owned());
                let answer = upload_pack.answer(&request);
                if shared.behaviour.lock().stall_in_pack && command == "fetch" {
                    stream.write_all(&answer[..answer.len() / 2]).await.unwrap();
                    std::future::pending::<()>().await;
                }
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    async fn start<F>(repository: &Path, serve: fn(tokio::net::TcpStream, Shared) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { repository: repository.into(), behaviour: Arc::default(), requests: Arc::default() };
        let (behaviour, requests) = (Arc::clone(&shared.behaviour), Arc::clone(&shared.requests));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, shared.clone()));
            }
        });
        Self { address, behaviour, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/shop.git", self.address)
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock());
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock())
    }
}

/// The authority that the certificate of the server comes from. Made for these tests and used nowhere else.
pub(crate) const AUTHORITY: &[u8] = include_bytes!("../tls/authority.pem");

fn tls() -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

async fn read_line(stream: &mut tokio::net::TcpStream) -> Option<Packet> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.ok()?;
    let size = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
    let mut packet = length.to_vec();
    if size > 4 {
        let mut content = vec![0; size - 4];
        stream.read_exact(&mut content).await.ok()?;
        packet.extend(content);
    }
    read_request(&mut packet.as_slice()).pop()
}

/// A body that stops: at the end, in the middle for ever, or in the middle with an error.
struct Answer {
    content: Option<Bytes>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    End,
    Stall,
    Cut,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match (self.content.take(), self.then) {
            (Some(content), _) => Poll::Ready(Some(Ok(Frame::data(content)))),
            (None, Then::End) => Poll::Ready(None),
            (None, Then::Stall) => Poll::Pending,
            (None, Then::Cut) => Poll::Ready(Some(Err(std::io::Error::other("cut")))),
        }
    }
}

fn answer(status: u16, kind: &str, content: impl Into<Bytes>) -> Response<Answer> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", kind)
        .body(Answer { content: Some(content.into()), then: Then::End })
        .unwrap()
}

async fn respond(request: Request<Incoming>, shared: Shared) -> Result<Response<Answer>, Infallible> {
    let behaviour = shared.behaviour.lock().clone();
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let packets = read_request(&mut body.as_ref());
    shared.requests.lock().push(UploadPack::command(&packets).unwrap_or("discover").to_owned());
    if let Some(status) = behaviour.status {
        return Ok(answer(status, "text/plain", "no"));
    }
    if let (Some(tail), Some(to)) = (path.strip_prefix("/moved.git"), &behaviour.moved_to) {
        let mut moved = answer(301, "text/plain", "");
        let query = if tail == "/info/refs" { "?service=git-upload-pack" } else { "" };
        moved.headers_mut().insert("location", format!("{to}{tail}{query}").parse().unwrap());
        return Ok(moved);
    }
    if behaviour.authorization.is_some() && behaviour.authorization != authorization {
        let mut refused = answer(401, "text/plain", "who are you");
        refused.headers_mut().insert("www-authenticate", "Basic realm=\"git\"".parse().unwrap());
        return Ok(refused);
    }
    if behaviour.web_page {
        return Ok(answer(200, "text/html", "<html>hello</html>"));
    }
    let upload_pack = shared.upload_pack();
    Ok(match path.as_str() {
        "/shop.git/info/refs" => {
            let mut out = b"001e# service=git-upload-pack\n0000".to_vec();
            out.extend(upload_pack.advertise());
            answer(200, "application/x-git-upload-pack-advertisement", out)
        }
        "/shop.git/git-upload-pack" => {
            let mut content = upload_pack.answer(&packets);
            let mut then = Then::End;
            if UploadPack::command(&packets) == Some("fetch") && (behaviour.stall_in_pack || behaviour.cut_in_pack) {
                content.truncate(content.len() / 2);
                then = if behaviour.stall_in_pack { Then::Stall } else { Then::Cut };
            }
            let mut response = answer(200, "application/x-git-upload-pack-result", content);
            response.body_mut().then = then;
            response
        }
        _ => answer(404, "text/plain", "not here"),
    })
}
