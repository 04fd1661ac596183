//! Where a repository is: the kinds of URL, and how they are shown.

use std::fmt;
use std::path::{Path, PathBuf};

use gitops_engine_core::{Error, ErrorKind, Result};
use gix::url::Scheme;

/// A repository on this machine, opened in place, or one behind a server.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Local(PathBuf),
    Remote(Box<Remote>),
}

/// The protocols that are spoken to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Git,
    Http,
    Https,
    Ssh,
}

/// A server's repository. The URL holds no password.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) protocol: Protocol,
    pub(crate) url: gix::Url,
    pub(crate) display: String,
    /// User and password that stood in the URL.
    pub(crate) userinfo: Option<(String, String)>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl Location {
    /// Reads a path, a URL, or the short form of ssh (`user@host:path`).
    pub(crate) fn parse(text: &str) -> Result<Self> {
        // The text may hold a password, so no error repeats it.
        let bad = |why: &str| {
            Error::new(ErrorKind::InvalidInput, format!("the location of the Git repository cannot be read: {why}"))
                .help("give a path, or a URL that begins with file://, https://, http://, ssh:// or git://")
        };
        if text.trim().is_empty() {
            return Err(bad("it is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(bad("it holds control characters"));
        }
        let url = gix::url::parse(text).map_err(|_| bad("it is neither a path nor a URL"))?;
        let protocol = match url.scheme {
            Scheme::File => {
                if url.host().is_some_and(|host| !host.is_empty() && host != "localhost") {
                    return Err(bad("a file:// URL names another machine"));
                }
                let path = gix::path::from_bstr(url.path.as_ref() as &gix::bstr::BStr)
                    .map_err(|_| bad("the path is not valid on this system"))?;
                return Ok(Self::Local(path.into_owned()));
            }
            Scheme::Git => Protocol::Git,
            Scheme::Http => Protocol::Http,
            Scheme::Https => Protocol::Https,
            Scheme::Ssh => Protocol::Ssh,
            // `ext::` and remote helpers name programs to run.
            _ => {
                let message = format!("the protocol {:?} is not supported", url.scheme.as_str());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .help("use file, https, http, ssh or git; no remote helper is ever run"));
            }
        };
        if url.host().is_none_or(str::is_empty) {
            return Err(bad("it names no host"));
        }
        Ok(Self::Remote(Box::new(Remote::new(protocol, url))))
    }

    /// For people, without credentials.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Local(path) => show_path(path),
            Self::Remote(remote) => remote.display.clone(),
        }
    }
}

fn show_path(path: &Path) -> String {
    path.display().to_string()
}

impl Remote {
    fn new(protocol: Protocol, mut url: gix::Url) -> Self {
        let password = url.set_password(None);
        let http = matches!(protocol, Protocol::Http | Protocol::Https);
        // For ssh the user is part of the address; for HTTP it is a credential, and often a token without a password.
        let userinfo = match (http, password) {
            (true, password) => url.set_user(None).map(|user| (user, password.unwrap_or_default())),
            (false, _) => None,
        };
        let path = url.path.to_string();
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
        let user = url.user().map(|user| format!("{user}@")).unwrap_or_default();
        let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = url.host().unwrap_or_default();
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let display = format!("{}://{user}{host}{port}/{path}", url.scheme.as_str());
        Self { protocol, url, display, userinfo }
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether the other side is this machine, so that nobody listens in between.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host() == "localhost" || self.host().parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn locations_are_shown_without_credentials() {
        for (text, shown) in [
            ("/srv/git/shop.git", "/srv/git/shop.git"),
            ("./shop", "./shop"),
            ("file:///srv/git/shop.git", "/srv/git/shop.git"),
            ("https://github.com/a/b.git", "https://github.com/a/b.git"),
            ("https://me:s3cret@github.com/a/b", "https://github.com/a/b"),
            ("https://s3cret@github.com/a/b", "https://github.com/a/b"),
            ("https://h:8443/a/b?private_token=s3cret", "https://h:8443/a/b"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("git@github.com:a/b.git", "ssh://git@github.com/a/b.git"),
            ("ssh://git:s3cret@host:2222/a/b", "ssh://git@host:2222/a/b"),
            ("git://host/a", "git://host/a"),
        ] {
            let location = Location::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(location.display(), shown);
            assert!(!format!("{location:?}").contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_it() {
        for text in [
            "",
            " ",
            "https://",
            "file://host/a",
            "ext::sh -c s3cret",
            "foo://u:s3cret@h/",
            "https://u:s3cret@",
            "a\nb",
        ] {
            let error = Location::parse(text).err().unwrap_or_else(|| panic!("{text:?} was accepted"));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, loopback) in [
            ("http://127.0.0.1:80/a", true),
            ("http://[::1]/a", true),
            ("http://localhost/a", true),
            ("http://127.0.0.1.example.com/a", false),
            ("http://10.0.0.1/a", false),
        ] {
            let Location::Remote(remote) = Location::parse(text).unwrap() else { panic!("{text} is remote") };
            assert_eq!(remote.is_loopback(), loopback, "{text}");
        }
    }
}
