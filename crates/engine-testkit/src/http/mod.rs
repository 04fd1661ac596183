//! The protocol: from an HTTP request to the state and back.

mod body;
mod change;
mod custom;
mod gate;
pub(crate) mod media;
mod options;
pub(crate) mod params;
mod plain;
mod read;
mod reply;
pub(crate) mod route;
mod server;
mod show;
mod tls;
mod token;
mod warnings;
mod watch;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited, combinators::UnsyncBoxBody};
use tower::Service;

pub(crate) use read::expired_page;
pub(crate) use reply::Reply;
pub use server::Server;

use self::{gate::Admitted, params::Params, route::Route};
use crate::{
    access::{self, User},
    clock::Now,
    cluster::Inner,
    fault::WatchPlan,
    resources::Resource,
    status::ApiError,
    webhook::Course,
    write::Warnings,
};

/// Errors of a transport: what a client sees when the connection breaks.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A whole answer or a stream of watch events.
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// What a server since 1.33 says to whoever uses them.
const ENDPOINTS: &str = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

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

/// The parts of a request that the handlers look at.
pub(crate) struct Call {
    pub(crate) method: http::Method,
    pub(crate) route: Route,
    pub(crate) params: Params,
    pub(crate) path: String,
    pub(crate) accept: String,
    /// The media type of the body, without parameters.
    pub(crate) content_type: String,
    pub(crate) full_type: String,
    pub(crate) if_none_match: String,
    /// How the answer is to be shown, once somebody has looked at what it is of.
    pub(crate) wish: media::Wish,
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
    /// What writes tell the client beside the answer.
    pub(crate) warnings: Warnings,
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
        method: parts.method.clone(),
        route: Route::of(&parts.method, &path, &params),
        accept: header(header::ACCEPT),
        content_type: content_type.split(';').next().unwrap_or_default().trim().to_lowercase(),
        full_type: content_type,
        if_none_match: header(header::IF_NONE_MATCH),
        wish: media::Wish::default(),
        user_agent: header(header::USER_AGENT),
        params,
        path,
        body: bytes,
        now: inner.clock.now(),
        stale: None,
        plan: None,
        gone: false,
        course: Arc::default(),
        warnings: Warnings::default(),
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
        None if verdict.broken => Reply::text("service unavailable\n").with_status(StatusCode::SERVICE_UNAVAILABLE),
        None if too_large => Reply::from(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )),
        None => {
            let mut answer = dispatch(&inner, &mut call);
            // Webhooks are asked with no lock held, and then the write is done again with what they said.
            while course.asks() && course.ask().await {
                call.warnings.take();
                answer = dispatch(&inner, &mut call);
            }
            let mut reply = answer.unwrap_or_else(Reply::from);
            reply.warnings.extend(call.warnings.take());
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
    let reply = verdict.error_after.map_or(reply, Reply::from).written(&call.wish, &media::of_error(&call));
    let reply = if call.method == http::Method::HEAD { reply.without_body() } else { reply };
    let took = inner.clock.elapsed().saturating_sub(record.at);
    inner.recorder.lock().answered(record.seq, reply.status.as_u16(), took);
    Ok(reply.into_response().map(|body| {
        let body = if verdict.cut_body { gate::CutShort::wrap(body) } else { body };
        gate::Counted::wrap(&inner, &record, body)
    }))
}

pub(crate) fn not_allowed() -> ApiError {
    let message = "the server does not allow this method on the requested resource";
    let mut e = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    e.details = Some(serde_json::json!({}));
    e
}

fn dispatch(inner: &Arc<Inner>, call: &mut Call) -> Result<Reply, ApiError> {
    let route = &call.route;
    if !route.is_resource() {
        return plain::answer(inner, call);
    }
    let (resource, built_in) = {
        let state = inner.state.lock();
        if !state.registry.knows(&route.group) {
            return Ok(Reply::page_not_found());
        }
        let resource = state.registry.get(&route.group, &route.resource).cloned();
        (resource.filter(|r| r.versions.contains(&route.version)), state.registry.is_built_in(&route.group))
    };
    let nowhere = || if built_in { Err(ApiError::unknown_path()) } else { Ok(Reply::page_not_found()) };
    if route.too_long || call.path.contains("//") {
        return nowhere();
    }
    let Some(resource) = resource else {
        return nowhere();
    };
    if resource.is_custom() {
        if !custom::is_in_scope(&resource, route) {
            return nowhere();
        }
        // About a version that goes away something is said whatever becomes of the request.
        call.warnings.say(resource.crd.get(&*route.version).and_then(|version| version.warning.clone()));
        custom::check(&resource, route)?;
    } else {
        match methods(&resource, route) {
            None => return nowhere(),
            Some(methods) if !methods.contains(&call.method.as_str()) => return Err(not_allowed()),
            Some(_) => {}
        }
    }
    let listable = route.name.is_none() || route.verb == "watch";
    let of = if resource.is_custom() { media::Of::Custom } else { media::Of::BuiltIn(listable) };
    media::route(call, of)?;
    if resource.is("", "endpoints") {
        call.warnings.say([ENDPOINTS.to_owned()]);
    }
    call.wish = media::wish(call, of)?;
    let call = &*call;
    if resource.is("", "bindings") {
        return change::bind(inner, &resource, call);
    }
    if !resource.stored {
        return review(inner, &resource, call);
    }
    let reply = match call.route.verb.as_str() {
        "get" => read::get(inner, &resource, call),
        "list" => read::list(inner, &resource, call),
        "watch" => Ok(Reply::stream(watch::start(inner, &resource, call)?)),
        _ => change::change(inner, &resource, call),
    }?;
    // How the answer is to look is the last that is asked, when everything is done.
    media::check(call)?;
    Ok(reply)
}

/// The subresources that are more than a line in discovery.
const IMPLEMENTED: [&str; 9] =
    ["status", "scale", "finalize", "eviction", "binding", "ephemeralcontainers", "resize", "log", "token"];

/// The methods that a path of a built-in kind takes; `None` for a path that is none.
fn methods(resource: &Resource, route: &Route) -> Option<Vec<&'static str>> {
    let of = |verbs: &[String], methods: &[(&str, &'static str)]| {
        let known = methods.iter().filter(|(verb, _)| verbs.iter().any(|v| v == verb));
        let methods: Vec<&'static str> = known.map(|(_, method)| *method).collect();
        (!methods.is_empty()).then_some(methods)
    };
    let elsewhere = resource.namespaced != route.namespace.is_some();
    if elsewhere && !resource.namespaced {
        return None;
    }
    match (&route.name, &*route.subresource) {
        // Over all namespaces.
        (None, _) if elsewhere => of(&resource.verbs, &[("list", "GET")]),
        (None, _) => of(&resource.verbs, &[("list", "GET"), ("create", "POST"), ("deletecollection", "DELETE")]),
        (Some(_), _) if elsewhere && route.verb != "watch" => None,
        (Some(_), "") => {
            of(&resource.verbs, &[("get", "GET"), ("update", "PUT"), ("patch", "PATCH"), ("delete", "DELETE")])
        }
        (Some(_), sub) if IMPLEMENTED.contains(&sub) => {
            let found = resource.subresources(&route.version).into_iter().find(|s| s.name == sub)?;
            of(&found.verbs, &[("get", "GET"), ("create", "POST"), ("update", "PUT"), ("patch", "PATCH")])
        }
        _ => None,
    }
}

fn review(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let body = body::object(resource, &call.route.version, call)?.value;
    let namespace = call.route.namespace.as_deref();
    let state = inner.state.lock();
    let body = access::review::answer(&state, call.course.user(), resource, namespace, body, call.now)?;
    drop(state);
    Ok(Reply::json(StatusCode::CREATED, serde_json::to_vec(&body).unwrap_or_default()))
}
