//! `http://` and `https://`: the smart protocol over a client of our own.
//!
//! gix brings a backend, but it cannot be stopped while a server is silent, reads the environment for proxies, and
//! tells errors apart poorly. This one awaits everything (see [`Link`]), and decides about redirects and credentials
//! itself.

use std::any::Any;
use std::error::Error as _;
use std::io::{self, BufRead, Cursor, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use gitops_engine_core::{Error, ErrorKind, Result};
use gix::protocol::transport::Protocol as Version;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport as GitHttp,
};
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};

use super::Transport;
use super::link::Link;
use crate::location::{Protocol, Remote};
use crate::{Credentials, GitOptions, PlainTextCredentials, Proxy};

/// Redirects of one request. More is a loop.
const REDIRECTS: usize = 5;

/// Reads the certificate authorities of the options.
pub(crate) fn authorities(options: &GitOptions) -> Result<Vec<reqwest::Certificate>> {
    let mut authorities = Vec::new();
    for pem in &options.certificates {
        let found = reqwest::Certificate::from_pem_bundle(pem).unwrap_or_default();
        if found.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a certificate authority cannot be read")
                .help("GitOptions::certificate_authorities takes certificates in PEM form"));
        }
        authorities.extend(found);
    }
    Ok(authorities)
}

/// A client for all requests of a store, so that connections are reused between polls. Reads the certificates of the
/// system, which takes milliseconds.
pub(crate) fn client(protocol: Protocol, options: &GitOptions, authorities: &[reqwest::Certificate]) -> Result<Client> {
    install_crypto();
    let builder = || -> Result<reqwest::ClientBuilder> {
        let builder = Client::builder()
            .connect_timeout(options.connect_timeout)
            .referer(false)
            .user_agent(concat!("git/gitops-engine-", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::custom(redirect));
        // An embedder decides about proxies, not the environment of his process.
        Ok(match &options.proxy {
            Proxy::None => builder.no_proxy(),
            Proxy::Environment => builder,
            Proxy::Url(url) => {
                let proxy = reqwest::Proxy::all(url)
                    .map_err(|_| Error::new(ErrorKind::InvalidInput, "the URL of the proxy cannot be read"))?;
                builder.no_proxy().proxy(proxy)
            }
        })
    };
    let merged = match authorities {
        [] => builder()?.build(),
        authorities => builder()?.tls_certs_merge(authorities.iter().cloned()).build(),
    };
    match merged {
        Ok(client) => Ok(client),
        // A system without any authority can still use what needs none.
        Err(_) if protocol == Protocol::Http => builder()?.tls_certs_only(authorities.iter().cloned()).build(),
        Err(error) => Err(error),
    }
    .map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("TLS cannot be set up: {}", without_url(error))).help(
            "install the certificate authorities of the system, or give some with GitOptions::certificate_authorities",
        )
    })
}

/// TLS needs one implementation of cryptography in the process. A host that chose one keeps it.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race against the host is fine: then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Follows a server that moved a repository on the same host, also from http to https; never to another host, where
/// neither the embedder nor the credentials wanted to go, and never from https to http.
fn redirect(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let previous = attempt.previous();
    // Only the first request of a conversation may move; the others follow what it found.
    let discovery = attempt.url().path().ends_with("/info/refs") && attempt.url().query() == Some(DISCOVERY_QUERY);
    let follow = discovery
        && previous.len() <= REDIRECTS
        && previous.first().is_some_and(|first| same_party(first, attempt.url()));
    if follow { attempt.follow() } else { attempt.stop() }
}

const DISCOVERY_QUERY: &str = "service=git-upload-pack";

/// Whether credentials for one URL may go to the other.
fn same_party(one: &Url, other: &Url) -> bool {
    let same = one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default();
    let upgraded = one.scheme() == "http"
        && other.scheme() == "https"
        && one.port_or_known_default() == Some(80)
        && other.port_or_known_default() == Some(443);
    one.host_str() == other.host_str() && (same || upgraded)
}

/// Starts a conversation with a server. Nothing is sent yet.
pub(crate) fn connect(
    link: &Arc<Link>,
    remote: &Remote,
    client: &Client,
    credentials: Option<&Credentials>,
    plain_text: PlainTextCredentials,
) -> Result<Transport> {
    let authorization = match credentials {
        None => None,
        Some(_)
            if remote.protocol == Protocol::Http
                && plain_text == PlainTextCredentials::Loopback
                && !remote.is_loopback() =>
        {
            let message = format!("credentials for {} would go over the network in plain text", remote.display);
            return Err(Error::new(ErrorKind::Refused, message)
                .help("use https://, or decide otherwise with GitOptions::plain_text_credentials"));
        }
        Some(credentials) => Some(header(credentials)?),
    };
    let backend = Backend { link: Arc::clone(link), client: client.clone(), authorization, moved: Arc::default() };
    Ok(Box::new(GitHttp::new_http(backend, remote.url.clone(), Version::V2, false)))
}

fn header(credentials: &Credentials) -> Result<HeaderValue> {
    let text = match credentials {
        Credentials::Basic { username, password } => {
            format!("Basic {}", base64(format!("{username}:{password}").as_bytes()))
        }
        Credentials::Bearer(token) => format!("Bearer {token}"),
    };
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the credentials hold characters that HTTP does not allow"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// [RFC 4648](https://www.rfc-editor.org/rfc/rfc4648#section-4), with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut bits = [0u8; 4];
        bits[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(bits);
        for digit in 0..4 {
            let known = digit <= chunk.len();
            text.push(if known { DIGITS[(bits >> (18 - 6 * digit)) as usize & 63] as char } else { '=' });
        }
    }
    text
}

struct Backend {
    link: Arc<Link>,
    client: Client,
    authorization: Option<HeaderValue>,
    /// Where the repository moved to.
    moved: Arc<Mutex<Option<String>>>,
}

impl Backend {
    fn request(&self, method: reqwest::Method, url: &str, headers: HeaderMap) -> io::Result<reqwest::RequestBuilder> {
        let url = Url::parse(url).map_err(|_| {
            let message = format!("the URL of {} is not one that HTTP can use", self.link.name());
            self.link.fail(Error::new(ErrorKind::InvalidInput, message))
        })?;
        let mut request = self.client.request(method, url).headers(headers);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }
}

impl Http for Backend {
    type Headers = HeaderLines;
    type ResponseBody = Body;
    type PostBody = PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<HeaderLines, Body>> {
        let request = self.request(reqwest::Method::GET, url, header_map(headers)).map_err(gix::Error::from_error)?;
        let response = send(&self.link, request).map_err(gix::Error::from_error)?;
        if response.url().as_str() != url {
            let tail = url.strip_prefix(base_url).unwrap_or_default();
            match response.url().as_str().strip_suffix(tail) {
                Some(base) if !tail.is_empty() => *self.moved.lock() = Some(base.to_owned()),
                _ => {
                    let message = format!("{} redirects to what is not a repository", self.link.name());
                    let error = self.link.fail(Error::new(ErrorKind::InvalidInput, message));
                    return Err(gix::Error::from_error(error));
                }
            }
        }
        let exchange = Arc::new(Mutex::new(Exchange::received(response)));
        let link = Arc::clone(&self.link);
        Ok(GetResponse {
            headers: HeaderLines { exchange: Arc::clone(&exchange), link: Arc::clone(&link), text: None },
            body: Body { exchange, link, chunk: Bytes::new() },
        })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<HeaderLines, Body, PostBody>> {
        let request = self.request(reqwest::Method::POST, url, header_map(headers)).map_err(gix::Error::from_error)?;
        let exchange = Arc::new(Mutex::new(Exchange::Writing { request: Box::new(request), body: Vec::new() }));
        let link = Arc::clone(&self.link);
        Ok(PostResponse {
            post_body: PostBody(Arc::clone(&exchange)),
            headers: HeaderLines { exchange: Arc::clone(&exchange), link: Arc::clone(&link), text: None },
            body: Body { exchange, link, chunk: Bytes::new() },
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result<()> {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.moved.lock().clone()
    }
}

fn header_map(lines: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines {
        // gix writes these lines; none of them comes from outside.
        if let Some((name, value)) = line.as_ref().split_once(':')
            && let (Ok(name), Ok(value)) = (HeaderName::try_from(name.trim()), HeaderValue::try_from(value.trim()))
        {
            map.insert(name, value);
        }
    }
    map
}

/// One request and its response. It is sent when the first part of the response is wanted.
enum Exchange {
    Writing { request: Box<reqwest::RequestBuilder>, body: Vec<u8> },
    Received { headers: Vec<u8>, response: Box<Response> },
    Failed,
}

impl Exchange {
    fn received(response: Response) -> Self {
        let mut headers = Vec::new();
        for (name, value) in response.headers() {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.push(b':');
            headers.extend_from_slice(value.as_bytes());
            headers.push(b'\n');
        }
        Self::Received { headers, response: Box::new(response) }
    }

    fn response(&mut self, link: &Link) -> io::Result<(&mut Vec<u8>, &mut Response)> {
        if let Self::Writing { .. } = self {
            let Self::Writing { request, body } = std::mem::replace(self, Self::Failed) else {
                return Err(failed());
            };
            *self = Self::received(send(link, request.body(body))?);
        }
        match self {
            Self::Received { headers, response } => Ok((headers, response)),
            _ => Err(failed()),
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("the request failed before")
}

struct PostBody(Arc<Mutex<Exchange>>);

impl Write for PostBody {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut *self.0.lock() {
            Exchange::Writing { body, .. } => body.extend_from_slice(buffer),
            _ => return Err(io::Error::other("the request is on its way already")),
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct HeaderLines {
    exchange: Arc<Mutex<Exchange>>,
    link: Arc<Link>,
    text: Option<Cursor<Vec<u8>>>,
}

impl HeaderLines {
    fn text(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        match &mut self.text {
            Some(text) => Ok(text),
            empty => {
                let mut exchange = self.exchange.lock();
                let (headers, _) = exchange.response(&self.link)?;
                Ok(empty.insert(Cursor::new(std::mem::take(headers))))
            }
        }
    }
}

impl Read for HeaderLines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text()?.read(buffer)
    }
}

impl BufRead for HeaderLines {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.text()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(text) = &mut self.text {
            text.consume(amount);
        }
    }
}

struct Body {
    exchange: Arc<Mutex<Exchange>>,
    link: Arc<Link>,
    chunk: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let bytes = available.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&available[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() {
            let mut exchange = self.exchange.lock();
            let (_, response) = exchange.response(&self.link)?;
            let next = self.link.wait(async {
                let lost = |error| transport_error(self.link.name(), error);
                response.chunk().await.map_err(lost)
            })?;
            match next {
                None => return Ok(&[]),
                Some(chunk) => {
                    self.link.received(chunk.len())?;
                    self.chunk = chunk;
                }
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.advance(amount.min(self.chunk.len()));
    }
}

fn send(link: &Link, request: reqwest::RequestBuilder) -> io::Result<Response> {
    let response = link.wait(async { request.send().await.map_err(|error| transport_error(link.name(), error)) })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(link.fail(refusal(link.name(), status, &response)))
}

/// What a status other than success means.
fn refusal(name: &str, status: StatusCode, response: &Response) -> Error {
    let error = |kind, what: &str| Error::new(kind, format!("{name}: the server says {status}{what}"));
    match status {
        StatusCode::UNAUTHORIZED => error(ErrorKind::Unauthenticated, "")
            .help("give other credentials with GitOptions::credentials; some servers say this for a repository that is not there"),
        StatusCode::FORBIDDEN => error(ErrorKind::PermissionDenied, ""),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            error(ErrorKind::NotFound, "").help("some servers say this when credentials are missing")
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => error(ErrorKind::Unauthenticated, "").help("this comes from the proxy"),
        status if status.is_redirection() => {
            let to = response.headers().get(reqwest::header::LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| response.url().join(to).ok()).map_or_else(String::new, |to| {
                format!(" to {}://{}{}", to.scheme(), to.host_str().unwrap_or_default(), to.path())
            });
            error(ErrorKind::InvalidInput, &to)
                .help("a redirect to another host, to plain http, or more than once is not followed: name the new URL")
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => error(ErrorKind::Unavailable, ""),
        status if status.is_server_error() => error(ErrorKind::Unavailable, ""),
        _ => error(ErrorKind::Internal, ""),
    }
}

fn transport_error(name: &str, error: reqwest::Error) -> Error {
    if is_about_certificate(&error) {
        let message = format!("the certificate of {name} is not trusted: {}", without_url(error));
        return Error::new(ErrorKind::InvalidInput, message)
            .help("add its authority with GitOptions::certificate_authorities");
    }
    let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
    Error::new(kind, format!("{name} cannot be reached: {}", without_url(error)))
}

fn is_about_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    // An I/O error does not name what it wraps as its source, but the source of that.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.is_some_and(|inner| is_about_certificate(inner)) || error.source().is_some_and(is_about_certificate)
}

/// The chain of causes without the URL, which may hold what nobody should see.
fn without_url(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let line = next.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn credentials_stay_with_the_host_they_are_for() {
        for (one, other, same) in [
            ("https://a/x", "https://a/y", true),
            ("https://a/x", "https://a:443/y", true),
            ("http://a/x", "https://a/x", true),
            ("https://a/x", "http://a/x", false),
            ("https://a/x", "https://b/x", false),
            ("https://a/x", "https://a:8443/x", false),
            ("http://a:8080/x", "https://a/x", false),
            ("https://a/x", "https://a.b/x", false),
        ] {
            assert_eq!(same_party(&Url::parse(one).unwrap(), &Url::parse(other).unwrap()), same, "{one} {other}");
        }
    }

    #[test]
    fn credentials_that_would_break_a_header_are_refused() {
        let error = header(&Credentials::bearer("s3cret\r\nX-Evil: 1")).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(!format!("{:?}", header(&Credentials::bearer("s3cret")).unwrap()).contains("s3cret"));
    }
}
