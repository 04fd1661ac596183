//! The protocol: from an HTTP request to the state and back.

mod gate;
pub(crate) mod params;
mod read;
pub(crate) mod route;
mod server;
mod show;
mod tls;
mod watch;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use serde_json::Value;
use tower::Service;

pub(crate) use read::expired_page;
pub use server::Server;

use self::{gate::Admitted, params::Params, route::Route};
use crate::{
    access::{self, User},
    clock::Now,
    cluster::Inner,
    discovery,
    fault::WatchPlan,
    json,
    resources::Resource,
    status::{About, ApiError},
    table::Include,
    webhook::Course,
    write::{self, Answer, FieldValidation, Options, Outcome, Target, create, delete, patch, scale, update},
};

/// Errors of a transport: what a client sees when the connection breaks.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A whole answer or a stream of watch events.
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// Objects nested deeper than this are refused before they reach any recursion.
const MAX_DEPTH: usize = 100;

/// The cluster as a `tower` service: one future per request, no socket.
#[derive(Clone)]
pub(crate) struct ApiService {
    inner: Arc<Inner>,
    /// Who asks, where no token says so.
    user: Option<Arc<User>>,
}

impl ApiService {
    pub(crate) fn new(inner: Arc<Inner>, user: Option<Arc<User>>) -> Self {
        Self { inner, user }
    }
}

impl<B> Service<Request<B>> for ApiService
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (inner, user) = (self.inner.clone(), self.user.clone());
        Box::pin(async move { handle(inner, user, request).await })
    }
}

/// What a client sees when a fault cuts its connection.
pub(crate) fn cut() -> BoxError {
    Box::new(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer"))
}

fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// An answer before it is on the wire.
pub(crate) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: ResponseBody,
    warnings: Vec<String>,
    retry_after: Option<u64>,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "application/json", body: full(body), warnings: Vec::new(), retry_after: None }
    }

    pub(crate) fn value(value: &Value) -> Self {
        Self::json(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default())
    }

    fn text(text: &'static str) -> Self {
        Self { content_type: "text/plain; charset=utf-8", ..Self::json(StatusCode::OK, text) }
    }

    fn stream(body: ResponseBody) -> Self {
        Self { body, ..Self::json(StatusCode::OK, Bytes::new()) }
    }

    pub(crate) fn with_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }
}

impl From<ApiError> for Reply {
    fn from(e: ApiError) -> Self {
        let mut reply = Self::json(e.code, serde_json::to_vec(&e.body()).unwrap_or_default());
        reply.retry_after = e.retry_after;
        reply
    }
}

/// The parts of a request that the handlers look at.
pub(crate) struct Call {
    pub(crate) route: Route,
    pub(crate) params: Params,
    pub(crate) path: String,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: Bytes,
    pub(crate) now: Now,
    /// The revision that a read is to be answered from, when a fault makes it stale.
    pub(crate) stale: Option<u64>,
    /// What is to become of a watch.
    pub(crate) plan: Option<WatchPlan>,
    /// A watch that is to begin with `410 Gone`.
    pub(crate) gone: bool,
    /// Who writes, and what webhooks say to it.
    pub(crate) course: Arc<Course>,
}

impl Call {
    /// How objects are to be shown.
    fn form(&self) -> Result<show::Form, ApiError> {
        let include = self.params.get("includeObject");
        let known = Include::of(include);
        let form = show::Form::of(&self.accept, known.unwrap_or(Include::Metadata));
        match (form, known) {
            (show::Form::Table(_), None) => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {:?}: must be 'Metadata', \
                 'Object', 'None', or empty",
                include.unwrap_or_default()
            ))),
            (form, _) => Ok(form),
        }
    }
}

async fn handle<B>(
    inner: Arc<Inner>,
    user: Option<Arc<User>>,
    request: Request<B>,
) -> Result<Response<ResponseBody>, BoxError>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    inner.ensure_controllers();
    let (parts, body) = request.into_parts();
    let limit = inner.settings.body_limit;
    // A body that is too large is read no further; the rest of the request still gets its answer.
    let collected = Limited::new(body, limit).collect().await;
    let (bytes, too_large) = match collected {
        Ok(body) => (body.to_bytes(), false),
        Err(e) if e.downcast_ref::<http_body_util::LengthLimitError>().is_some() => (Bytes::new(), true),
        Err(e) => return Err(e),
    };
    let header =
        |name: header::HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let params = Params::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path().to_owned();
    let content_type = header(header::CONTENT_TYPE);
    let mut call = Call {
        route: Route::of(&parts.method, &path, &params),
        accept: header(header::ACCEPT),
        content_type: content_type.split(';').next().unwrap_or_default().trim().to_lowercase(),
        user_agent: header(header::USER_AGENT),
        params,
        path,
        body: bytes,
        now: inner.clock.now(),
        stale: None,
        plan: None,
        gone: false,
        course: Arc::default(),
    };
    let Admitted { record, mut verdict, course, refused } = gate::admit(&inner, &call, user.as_ref(), &parts);
    call.course = course.clone();
    if let Some(delay) = verdict.delay {
        tokio::time::sleep(delay).await;
    }
    verdict.jumps.iter().for_each(|jump| inner.clock.jump(*jump));
    if verdict.cut_before {
        return Err(cut());
    }
    call.now = inner.clock.now();
    call.stale = gate::stale_revision(&inner, &call, &verdict);
    (call.plan, call.gone) = (verdict.watch, verdict.gone);
    let is_read = call.route.verb == "get";
    if !is_read {
        gate::meddle(&inner, &call, &verdict.writers);
    }
    let reply = match verdict.error.take() {
        Some(e) => Reply::from(e),
        None if refused.is_some() => refused.map_or_else(|| Reply::text(""), Reply::from),
        None if verdict.broken => {
            Reply { status: StatusCode::SERVICE_UNAVAILABLE, ..Reply::text("service unavailable\n") }
        }
        None if too_large => Reply::from(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )),
        None => {
            let mut answer = dispatch(&inner, &call);
            // Webhooks are asked with no lock held, and then the write is done again with what they said.
            while course.asks() && course.ask().await {
                answer = dispatch(&inner, &call);
            }
            let mut reply = answer.unwrap_or_else(Reply::from);
            reply.warnings.extend(course.warnings());
            reply
        }
    };
    if is_read {
        gate::meddle(&inner, &call, &verdict.writers);
    }
    inner.state.lock().note_time(call.now.elapsed);
    inner.wake_controllers();
    if verdict.cut_after {
        return Err(cut());
    }
    let mut reply = verdict.error_after.map_or(reply, Reply::from);
    if verdict.cut_body {
        reply.body = gate::CutShort::wrap(reply.body);
    }
    let took = inner.clock.elapsed().saturating_sub(record.at);
    inner.recorder.lock().answered(record.seq, reply.status.as_u16(), took);
    reply.body = gate::Counted::wrap(&inner, &record, reply.body);
    Ok(finish(reply))
}

fn finish(reply: Reply) -> Response<ResponseBody> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    for warning in &reply.warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {warning:?}")) {
            headers.append(header::WARNING, value);
        }
    }
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let mut response = Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

fn dispatch(inner: &Arc<Inner>, call: &Call) -> Result<Reply, ApiError> {
    let route = &call.route;
    if !route.is_resource() {
        return plain(inner, call);
    }
    if route.too_long {
        return Err(ApiError::unknown_path());
    }
    if !inner.state.lock().registry.knows(&route.group) {
        // Nobody handles this prefix: not an answer of the API but of the server under it.
        return Ok(Reply { status: StatusCode::NOT_FOUND, ..Reply::text("404 page not found\n") });
    }
    let resource = {
        let state = inner.state.lock();
        let resource = state.registry.get(&route.group, &route.resource).cloned();
        resource.filter(|r| r.versions.contains(&route.version))
    }
    .ok_or_else(ApiError::unknown_path)?;
    if resource.namespaced != route.namespace.is_some()
        && (!resource.namespaced || route.name.is_some() || matches!(&*route.verb, "create" | "deletecollection"))
    {
        return Err(ApiError::unknown_path());
    }
    check_subresource(&resource, &route.subresource)?;
    if !resource.stored {
        return review(inner, &resource, call);
    }
    match route.verb.as_str() {
        "get" => read::get(inner, &resource, call),
        "list" => read::list(inner, &resource, call),
        "watch" => Ok(Reply::stream(watch::start(inner, &resource, call)?)),
        "create" | "update" | "patch" | "delete" | "deletecollection" => change(inner, &resource, call),
        _ => Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn check_subresource(resource: &Resource, subresource: &str) -> Result<(), ApiError> {
    let known = match subresource {
        "" => true,
        "status" => resource.status,
        "scale" => resource.scale.is_some(),
        "finalize" => resource.is("", "namespaces"),
        "eviction" => resource.is("", "pods"),
        "log" => resource.is("", "pods"),
        "token" => resource.is("", "serviceaccounts"),
        _ => false,
    };
    if known { Ok(()) } else { Err(ApiError::unknown_path()) }
}

/// Paths that are not resources.
fn plain(inner: &Arc<Inner>, call: &Call) -> Result<Reply, ApiError> {
    if call.route.verb != "get" && call.route.verb != "head" {
        return Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ));
    }
    match call.path.trim_end_matches('/') {
        "/readyz" | "/healthz" | "/livez" => Ok(Reply::text("ok")),
        "/version" => {
            let (major, minor) = inner.settings.version;
            Ok(Reply::value(&serde_json::json!({
                "major": major.to_string(), "minor": minor.to_string(), "gitVersion": format!("v{major}.{minor}.0"),
                "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
                "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "in-process",
            })))
        }
        _ => discovery::answer(&inner.state.lock(), call),
    }
}

fn review(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    if call.route.verb != "create" {
        return Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ));
    }
    let body = decode_body(call)?;
    let namespace = call.route.namespace.as_deref();
    let state = inner.state.lock();
    let body = access::review::answer(&state, call.course.user(), resource, namespace, body, call.now)?;
    drop(state);
    Ok(Reply::json(StatusCode::CREATED, serde_json::to_vec(&body).unwrap_or_default()))
}

/// Reads a body as JSON or YAML, bounded in depth.
fn decode_body(call: &Call) -> Result<Value, ApiError> {
    let value = match call.content_type.as_str() {
        "application/vnd.kubernetes.protobuf" => return Err(unsupported()),
        "application/yaml" | "application/apply-patch+yaml" if !looks_like_json(&call.body) => {
            let text = std::str::from_utf8(&call.body).map_err(|e| ApiError::bad_request(e.to_string()))?;
            serde_saphyr::from_str::<Value>(text)
                .map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")))?
        }
        _ => serde_json::from_slice::<Value>(&call.body)
            .map_err(|e| ApiError::bad_request(format!("couldn't get version/kind; json parse error: {e}")))?,
    };
    if json::deeper_than(&value, MAX_DEPTH) {
        return Err(ApiError::bad_request("the object is nested too deeply"));
    }
    Ok(value)
}

fn looks_like_json(body: &[u8]) -> bool {
    body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}

fn unsupported() -> ApiError {
    ApiError::unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: application/json, \
         application/yaml",
    )
}

fn options(call: &Call) -> Result<Options, ApiError> {
    let validation = match call.params.get("fieldValidation") {
        None | Some("Warn") => FieldValidation::Warn,
        Some("Strict") => FieldValidation::Strict,
        Some("Ignore") => FieldValidation::Ignore,
        Some(other) => {
            return Err(ApiError::invalid(
                About { group: "meta.k8s.io", resource: "CreateOptions", name: "" },
                &[crate::status::Cause::unsupported(
                    "fieldValidation",
                    &other.into(),
                    &["", "Ignore", "Strict", "Warn"],
                )],
            ));
        }
    };
    // Without a name of its own a manager is called after its program, except for apply, which must say who it is.
    let is_apply = call.content_type == "application/apply-patch+yaml";
    let agent = call.user_agent.split(['/', ' ']).next().unwrap_or_default();
    let manager = match call.params.get("fieldManager") {
        Some(name) => name,
        None if is_apply => "",
        None if agent.is_empty() => "unknown",
        None => agent,
    };
    if manager.len() > 128 {
        return Err(ApiError::invalid(
            About { group: "meta.k8s.io", resource: "PatchOptions", name: "" },
            &[crate::status::Cause::invalid("fieldManager", &manager.into(), "may not be more than 128 bytes")],
        ));
    }
    Ok(Options {
        dry_run: call.params.dry_run(match call.route.verb.as_str() {
            "create" => "CreateOptions",
            "update" => "UpdateOptions",
            "patch" => "PatchOptions",
            _ => "DeleteOptions",
        })?,
        manager: manager.to_owned(),
        validation,
        force: call.params.flag("force"),
        now: call.now,
        course: Some(call.course.clone()),
    })
}

fn change(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let route = &call.route;
    let options = options(call)?;
    call.form()?;
    let target = Target {
        resource,
        version: &route.version,
        namespace: route.namespace.as_deref().unwrap_or_default(),
        name: route.name.as_deref().unwrap_or_default(),
        subresource: &route.subresource,
    };
    let answer = match route.verb.as_str() {
        "create" => create_or_act(inner, target, call, &options)?,
        "update" => {
            check_json(call)?;
            let body = decode_body(call)?;
            let mut state = inner.state.lock();
            match &*route.subresource {
                "scale" => scale::write(&mut state, target, body, None, &options)?,
                _ => update::update(&mut state, target, body, &options)?,
            }
        }
        "patch" => {
            let kind = patch::Kind::of(&call.content_type).ok_or_else(|| {
                let mut e = ApiError::unsupported_media_type("415: Unsupported Media Type");
                e.details = Some(Value::Object(serde_json::Map::new()));
                e
            })?;
            if options.force && kind != patch::Kind::Apply {
                return Err(ApiError::invalid(
                    About { group: "meta.k8s.io", resource: "PatchOptions", name: "" },
                    &[crate::status::Cause::forbidden("force", "may not be specified for non-apply patch")],
                ));
            }
            let body = decode_body(call)?;
            let mut state = inner.state.lock();
            match &*route.subresource {
                "scale" => scale::write(&mut state, target, body, Some(kind), &options)?,
                _ => patch::patch(&mut state, target, kind, body, &options)?,
            }
        }
        verb => {
            let body = if call.body.is_empty() { Value::Null } else { decode_body(call)? };
            let how = delete::DeleteOptions::parse(&body, &call.params)?;
            if verb == "deletecollection" {
                return read::delete_collection(inner, resource, call, &how, &options);
            }
            delete::delete(&mut inner.state.lock(), target, &how, &options)?
        }
    };
    Ok(reply_with(resource, call, &answer))
}

fn check_json(call: &Call) -> Result<(), ApiError> {
    match call.content_type.as_str() {
        "" | "application/json" | "application/yaml" => Ok(()),
        _ => Err(unsupported()),
    }
}

fn create_or_act(inner: &Arc<Inner>, target: Target<'_>, call: &Call, options: &Options) -> Result<Answer, ApiError> {
    check_json(call)?;
    let body = decode_body(call)?;
    let mut state = inner.state.lock();
    match target.subresource {
        "" if target.name.is_empty() => create::create(&mut state, target, body, options, None),
        "eviction" => {
            let how = delete::DeleteOptions {
                dry_run: options.dry_run,
                ..delete::DeleteOptions::parse(body.get("deleteOptions").unwrap_or(&Value::Null), &call.params)?
            };
            delete::delete(&mut state, target, &how, options)?;
            let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
            Ok(Answer { created: true, ..Answer::of(Outcome::Value(status)) })
        }
        "token" => {
            let account = format!("system:serviceaccount:{}:{}", target.namespace, target.name);
            let mut token = body;
            token["status"] =
                serde_json::json!({"token": access::token_of(&account), "expirationTimestamp": options.now.rfc3339()});
            Ok(Answer { created: true, ..Answer::of(Outcome::Value(token)) })
        }
        _ => Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn reply_with(resource: &Resource, call: &Call, answer: &write::Answer) -> Reply {
    let status = if answer.created { StatusCode::CREATED } else { StatusCode::OK };
    let is_status = json::str_at(answer.outcome.value(), &["kind"]) == "Status";
    // It was looked at before anything was written.
    let form = call.form().unwrap_or(show::Form::Whole);
    let body: Bytes = match &answer.outcome {
        Outcome::Value(v) if is_status || !call.route.subresource.is_empty() => {
            serde_json::to_vec(v).unwrap_or_default().into()
        }
        Outcome::Value(v) => show::value(resource, &call.route.version, form, v, call.now),
        Outcome::Stored(s) => show::object(resource, &call.route.version, form, s, call.now),
    };
    let mut reply = Reply::json(status, body);
    reply.warnings.clone_from(&answer.warnings);
    reply
}
