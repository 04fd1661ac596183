//! Listing all objects of a kind, page by page.

use gitops_engine_core::{ApiFault, ApiFaultKind, Coverage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Stopped, Watch};
use crate::fault::{Redaction, refusal};
use crate::index::Update;
use crate::request::{Call, Url};

/// A page of 500 objects of the largest size is no page that a server sends; a list without pages may be this large.
const LARGEST_PAGE: usize = 1 << 30;
/// Lists that outlive the server's history are asked for in one piece in the end.
const PAGED_TRIES: u32 = 3;
/// Parsing takes some 25 µs an object: other tasks get their turn in between.
const OBJECTS_PER_TURN: usize = 32;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    token: Option<String>,
}

impl Watch {
    /// Lists everything and returns the version to watch from.
    pub(super) async fn list(&mut self) -> Result<Result<String, ApiFault>, Stopped> {
        let context = self.context.clone();
        // Never closed.
        let Ok(_permit) = context.lists.acquire().await else { return Err(Stopped) };
        let mut expired = 0;
        loop {
            match self.list_once(expired < PAGED_TRIES).await? {
                Err(fault) if is_expired(&fault) && expired < PAGED_TRIES => {
                    tracing::debug!(kind = %self.resource.kind, "the list expired between pages, starting again");
                    expired += 1;
                }
                outcome => return Ok(outcome),
            }
        }
    }

    async fn list_once(&mut self, paged: bool) -> Result<Result<String, ApiFault>, Stopped> {
        let mut ids = Vec::new();
        let mut unreadable: Vec<String> = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let body = match self.fetch_page(paged, token.as_deref()).await {
                Ok(body) => body,
                Err(fault) => return Ok(Err(fault)),
            };
            let page: Page<'_> = match serde_json::from_slice(&body) {
                Ok(page) => page,
                Err(error) => {
                    let text = format!("the list of {} makes no sense: {error}", self.resource.plural);
                    return Ok(Err(ApiFault::new(ApiFaultKind::Protocol, 200, text)));
                }
            };
            for items in page.items.unwrap_or_default().chunks(OBJECTS_PER_TURN) {
                let mut arrivals = Vec::with_capacity(items.len());
                for item in items {
                    match self.context.intake.item(&self.resource, item) {
                        Ok(arrival) => {
                            ids.push(arrival.object.id.clone());
                            arrivals.push(arrival);
                        }
                        Err(error) => unreadable.push(error.to_string()),
                    }
                }
                self.send(Update::Put { kind: self.resource.kind.clone(), run: self.run, arrivals }).await?;
                tokio::task::yield_now().await;
            }
            token = page.metadata.token.filter(|token| !token.is_empty());
            if token.is_none() {
                self.permission.reset();
                self.interrupted = false;
                self.listed = match unreadable.first() {
                    None => Coverage::Complete,
                    Some(first) => {
                        Coverage::Broken(format!("{} objects could not be read: {first}", unreadable.len()).into())
                    }
                };
                let (kind, coverage) = (self.resource.kind.clone(), self.listed.clone());
                self.send(Update::Listed { kind, run: self.run, ids, coverage }).await?;
                return Ok(Ok(page.metadata.resource_version));
            }
        }
    }

    async fn fetch_page(&self, paged: bool, token: Option<&str>) -> Result<bytes::Bytes, ApiFault> {
        let mut url = Url::collection(&self.resource, None);
        if paged {
            url = url.query("limit", &self.context.page_size.to_string());
        }
        if let Some(token) = token {
            url = url.query("continue", token);
        }
        let call = Call { limit: LARGEST_PAGE, ..Call::get(url, self.context.request_timeout) };
        let reply = call.send(self.context.connection.client()).await?;
        if reply.status.is_success() { Ok(reply.body) } else { Err(refusal(&reply, &Redaction::default())) }
    }
}

pub(super) fn is_expired(fault: &ApiFault) -> bool {
    fault.code == 410
}
