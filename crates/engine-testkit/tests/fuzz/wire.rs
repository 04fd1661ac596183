//! Bytes on the socket: half requests, slow clients, pipelines, broken chunks, noise.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::corpus;
use crate::invariants;
use crate::random::Random;

/// How long a server may take for what is whole.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) async fn attack(address: SocketAddr, random: &mut Random, seed: u64, case: u64) {
    let (bytes, closes) = bytes(random);
    let shown = || format!("seed {seed}, connection {case}: {:?}", String::from_utf8_lossy(&bytes));
    let mut stream = tokio::time::timeout(LIMIT, TcpStream::connect(address)).await.unwrap().unwrap();
    let step = if random.one_in(4) { 1 + random.below(40) } else { bytes.len().max(1) };
    for part in bytes.chunks(step) {
        // The server may have seen enough.
        if stream.write_all(part).await.is_err() {
            break;
        }
        if step < 8 {
            tokio::task::yield_now().await;
        }
    }
    // Without more to come every answer ends; what is unfinished is ended by us.
    if closes {
        let _closed = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    let wait = if closes { LIMIT } else { Duration::from_millis(20) };
    loop {
        match tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(n)) => answer.extend_from_slice(&buffer[..n]),
            Err(_) => {
                assert!(!closes, "{}: no end after {LIMIT:?}", shown());
                break;
            }
        }
    }
    if !answer.is_empty() {
        let status = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        let code: u16 = status
            .strip_prefix("HTTP/1.1 ")
            .or(status.strip_prefix("HTTP/1.0 "))
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        let is_fine =
            (200..500).contains(&code) || matches!(code, 504 | 505) || code == 500 && invariants::is_intended(&answer);
        assert!(is_fine, "{}: {status}", shown());
    }
}

/// What is sent, and whether our side then says that nothing follows.
fn bytes(random: &mut Random) -> (Vec<u8>, bool) {
    match random.below(8) {
        0 => (random.bytes(3000), true),
        1 => {
            let mut whole = request(random);
            whole.truncate(random.below(whole.len()));
            (whole, random.one_in(2))
        }
        2 => {
            let mut pipeline = Vec::new();
            for _ in 0..1 + random.below(6) {
                pipeline.extend(request(random));
            }
            (pipeline, true)
        }
        3 => {
            let mut bytes = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n".to_vec();
            bytes.extend_from_slice(random.of::<&[u8]>(&[
                b"zz\r\nabc\r\n",
                b"ffffffffffffffff\r\n",
                b"-1\r\n",
                b"3;ext=\"\r\nabc\r\n0\r\n\r\n",
                b"2\r\nabc\r\n0\r\n\r\n",
                b"0\r\nTrailer: x\r\n\r\n",
            ]));
            (bytes, true)
        }
        4 => {
            let length = *random.of(&["-1", "99999999999999999999", "5", "0", "abc", "1, 2"]);
            (format!("PUT /api/v1/namespaces/default/configmaps/a HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nab").into_bytes(), true)
        }
        5 => {
            let mut bytes = b"GET /api/v1/pods HTTP/1.1\r\n".to_vec();
            for i in 0..random.below(300) {
                bytes.extend_from_slice(format!("X-{i}: {}\r\n", "v".repeat(random.below(200))).as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
            (bytes, true)
        }
        6 => {
            let line = *random.of(&[
                "GET /%ff\u{0} HTTP/1.1",
                "GET /api HTTP/9.9",
                "GET",
                " / HTTP/1.1",
                "GET http://[::1 HTTP/1.1",
                "PRI * HTTP/2.0",
                "CONNECT a:1 HTTP/1.1",
                "OPTIONS * HTTP/1.1",
            ]);
            (format!("{line}\r\nHost: x\r\n\r\n").into_bytes(), true)
        }
        _ => (request(random), true),
    }
}

/// A request of the other kind, written out, with bytes in it that no library would send. Never a watch: it has no end.
fn request(random: &mut Random) -> Vec<u8> {
    let draft = corpus::request(random);
    let target = draft.target.replace("watch=", "wotch=");
    let mut bytes =
        format!("{} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", draft.method, draft.body.len())
            .into_bytes();
    for (name, value) in &draft.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&draft.body);
    bytes
}
