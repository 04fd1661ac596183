//! `git://`: a TCP connection to a Git daemon. Neither encrypted nor authenticated.

use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{Error, ErrorKind, Result};
use gix::protocol::transport::Protocol as Version;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::Transport;
use super::link::{Link, Receiver, Sender};
use crate::location::Remote;

/// The port of the [Git daemon](https://git-scm.com/docs/git-daemon).
const PORT: u16 = 9418;

pub(crate) fn connect(link: &Arc<Link>, remote: &Remote, timeout: Duration) -> Result<Transport, std::io::Error> {
    let port = remote.url.port.unwrap_or(PORT);
    let stream = link.wait_for(timeout, async {
        tokio::net::TcpStream::connect((remote.host(), port))
            .await
            .map_err(|error| Error::new(ErrorKind::Unavailable, format!("{} cannot be reached: {error}", link.name())))
    })?;
    let (receive, send) = stream.into_split();
    Ok(Box::new(Connection::new(
        Receiver { inner: receive, link: Arc::clone(link) },
        Sender { inner: send, link: Arc::clone(link) },
        Version::V2,
        remote.url.path.clone(),
        Some((remote.host(), remote.url.port)),
        ConnectMode::Daemon,
        false,
    )))
}
