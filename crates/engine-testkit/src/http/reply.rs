//! An answer before it is on the wire.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::{
    ResponseBody,
    media::{Encoding, Wish},
    warnings,
};
use crate::status::ApiError;

pub(super) enum Content {
    Whole(Bytes),
    Stream(ResponseBody),
}

pub(crate) struct Reply {
    pub(super) status: StatusCode,
    content_type: &'static str,
    content: Content,
    pub(super) warnings: Vec<String>,
    retry_after: Option<u64>,
    /// Headers of its own; `cache-control` is one unless it is here.
    headers: Vec<(header::HeaderName, String)>,
    is_error: bool,
}

const JSON: &str = "application/json";

impl Reply {
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: JSON,
            content: Content::Whole(body.into()),
            warnings: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            is_error: false,
        }
    }

    pub(crate) fn value(value: &Value) -> Self {
        Self::json(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self { content_type: "text/plain; charset=utf-8", ..Self::json(StatusCode::OK, text) }
    }

    /// What nobody handles is not the API's to answer, but the server's under it.
    pub(crate) fn page_not_found() -> Self {
        let page = Self { status: StatusCode::NOT_FOUND, ..Self::text("404 page not found\n") };
        page.with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
    }

    pub(super) fn stream(body: ResponseBody) -> Self {
        Self { content: Content::Stream(body), ..Self::json(StatusCode::OK, Bytes::new()) }
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Writes it as was asked for.
    pub(super) fn written(mut self, wish: &Wish, of_errors: &Wish) -> Self {
        let wish = if self.is_error { of_errors } else { wish };
        let Content::Whole(bytes) = &mut self.content else {
            return self;
        };
        if self.content_type != JSON || bytes.is_empty() {
            return self;
        }
        if wish.encoding == Encoding::Yaml
            && let Some(text) = yaml(bytes)
        {
            *bytes = text.into();
            self.content_type = "application/yaml";
        } else if wish.pretty
            && let Ok(value) = serde_json::from_slice::<Value>(bytes)
        {
            *bytes = serde_json::to_vec_pretty(&value).unwrap_or_default().into();
        } else if bytes.last() != Some(&b'\n') {
            let mut line = Vec::with_capacity(bytes.len() + 1);
            line.extend_from_slice(bytes);
            line.push(b'\n');
            *bytes = line.into();
        }
        self
    }

    /// Without its body, as an answer to HEAD is.
    pub(super) fn without_body(mut self) -> Self {
        self.content = Content::Whole(Bytes::new());
        self
    }

    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let mut headers = HeaderMap::new();
        if self.status != StatusCode::NOT_MODIFIED {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        for warning in warnings::headers(&self.warnings) {
            if let Ok(value) = HeaderValue::from_bytes(warning.as_bytes()) {
                headers.append(header::WARNING, value);
            }
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let body = match self.content {
            Content::Whole(bytes) => Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync(),
            Content::Stream(body) => body,
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

fn yaml(json: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(json).ok()?;
    serde_saphyr::to_string(&value).ok()
}

impl From<ApiError> for Reply {
    fn from(e: ApiError) -> Self {
        let mut reply = Self::json(e.code, serde_json::to_vec(&e.body()).unwrap_or_default());
        reply.retry_after = e.retry_after;
        reply.is_error = true;
        reply
    }
}
