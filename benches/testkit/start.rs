//! From nothing to the first answer.

use crate::harness::{Line, measure};
use crate::target::{Request, cluster};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A cluster is built and lists its ConfigMaps. The result is the number of bytes of the answer.
pub(crate) fn in_process(name: &'static str) -> Line {
    let runtime = runtime();
    let work = |()| {
        runtime.block_on(async {
            let cluster = cluster();
            let answer = Request::get(MAPS).send(&cluster.client()).await;
            (cluster, answer)
        })
    };
    measure(name, 50, || {}, work, |(_, answer)| u64::from(answer.is_some()))
}

/// A cluster is built and takes a Deployment by server-side apply: defaults, validation, managed fields.
pub(crate) fn write(name: &'static str) -> Line {
    let runtime = runtime();
    let work = |()| {
        runtime.block_on(async {
            let cluster = cluster();
            let answer = crate::requests::application(0, 0).send(&cluster.client()).await;
            (cluster, answer)
        })
    };
    measure(name, 50, || {}, work, |(_, answer)| u64::from(answer.is_some()))
}

/// A cluster is built, listens, and lists its ConfigMaps over HTTP.
pub(crate) fn loopback(name: &'static str) -> Line {
    let runtime = runtime();
    let work = |()| {
        runtime.block_on(async {
            let cluster = cluster();
            let server = cluster.serve().await.unwrap();
            let client = kube::Client::try_from(kube::Config::new(server.url().parse().unwrap())).unwrap();
            let answer = Request::get(MAPS).send(&client).await;
            (cluster, server, answer)
        })
    };
    measure(name, 50, || {}, work, |(_, _, answer)| u64::from(answer.is_some()))
}
