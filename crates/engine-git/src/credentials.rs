//! Credentials by value: no helper programs, no prompts, no files of the user's account.

use std::fmt;

use async_trait::async_trait;
use gitops_engine_core::Result;

/// What proves to an HTTP server who asks. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A user and a password or token ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)), what most Git servers want.
    Basic {
        /// The user. Many servers take any name together with a token.
        username: String,
        /// The password or token.
        password: String,
    },
    /// A bearer token ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
    Bearer(String),
}

impl Credentials {
    /// A user with a password or token.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { username: username.into(), password: password.into() }
    }

    /// A bearer token.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::Bearer(token.into())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(redacted)",
            Self::Bearer(_) => "Bearer(redacted)",
        })
    }
}

/// A question for credentials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CredentialRequest {
    /// The URL of the repository, without credentials.
    pub url: String,
    /// The server refused what the source gave before: a cached token may have expired. When the answer is the same
    /// again, the operation fails as [`Unauthenticated`](gitops_engine_core::ErrorKind::Unauthenticated).
    pub rejected: bool,
}

/// Where credentials come from. [`Credentials`] themselves are a source.
///
/// Asked before each operation that talks to an HTTP server, and once more when the server refuses the answer. Counts
/// towards the deadline of the operation.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The credentials for a repository; `None` to ask anonymously.
    ///
    /// # Errors
    /// Whatever keeps the source from answering; the operation fails with it.
    async fn credentials(&self, request: &CredentialRequest) -> Result<Option<Credentials>>;
}

#[async_trait]
impl CredentialSource for Credentials {
    async fn credentials(&self, _request: &CredentialRequest) -> Result<Option<Credentials>> {
        Ok(Some(self.clone()))
    }
}
