//! The server's side of Git's protocol, version 2, as far as fetching needs it.
//!
//! See [gitprotocol-v2](https://git-scm.com/docs/protocol-v2). It sends whole objects, never deltas.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part; tests fail by panicking")]

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::objs::Kind;

/// What a server does besides serving.
#[derive(Clone, Copy, Default)]
pub(crate) struct Policy {
    /// Gives only what a reference names.
    pub(crate) tips_only: bool,
}

pub(crate) struct UploadPack {
    repository: PathBuf,
    pub(crate) policy: Policy,
}

const FLUSH: &[u8] = b"0000";
const DELIMITER: &[u8] = b"0001";

pub(crate) fn line(out: &mut Vec<u8>, content: impl AsRef<[u8]>) {
    let content = content.as_ref();
    write!(out, "{:04x}", content.len() + 4).unwrap();
    out.extend_from_slice(content);
}

/// One part of a request: a line, or what separates lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Line(String),
    Delimiter,
    Flush,
}

/// Reads packets up to and with a flush; fewer at the end of the input.
pub(crate) fn read_request(input: &mut dyn Read) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        match usize::from_str_radix(std::str::from_utf8(&length).unwrap(), 16).unwrap() {
            0 => {
                packets.push(Packet::Flush);
                break;
            }
            1 | 2 => packets.push(Packet::Delimiter),
            length => {
                let mut content = vec![0; length - 4];
                input.read_exact(&mut content).unwrap();
                packets.push(Packet::Line(String::from_utf8_lossy(&content).trim_end().to_owned()));
            }
        }
    }
    packets
}

impl UploadPack {
    pub(crate) fn new(repository: &Path) -> Self {
        Self { repository: repository.to_owned(), policy: Policy::default() }
    }

    fn open(&self) -> gix::Repository {
        gix::open_opts(&self.repository, gix::open::Options::isolated()).unwrap()
    }

    pub(crate) fn advertise(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for capability in ["version 2", "agent=test", "ls-refs=unborn", "fetch=shallow", "object-format=sha1"] {
            line(&mut out, format!("{capability}\n"));
        }
        out.extend_from_slice(FLUSH);
        out
    }

    /// The name of the command in a request.
    pub(crate) fn command(request: &[Packet]) -> Option<&str> {
        request.iter().find_map(|packet| match packet {
            Packet::Line(line) => line.strip_prefix("command="),
            _ => None,
        })
    }

    pub(crate) fn answer(&self, request: &[Packet]) -> Vec<u8> {
        let start = request.iter().position(|packet| *packet == Packet::Delimiter).map_or(request.len(), |at| at + 1);
        let arguments: Vec<&str> = request[start..]
            .iter()
            .filter_map(|packet| match packet {
                Packet::Line(line) => Some(line.as_str()),
                _ => None,
            })
            .collect();
        match Self::command(request) {
            Some("ls-refs") => self.list(&arguments),
            Some("fetch") => self.fetch(&arguments),
            other => panic!("no command {other:?}"),
        }
    }

    fn references(&self) -> Vec<(String, ObjectId, Option<ObjectId>, Option<String>)> {
        let repo = self.open();
        let mut found = Vec::new();
        if let Ok(id) = repo.head_id() {
            let target = repo.head_name().unwrap().map(|name| name.to_string());
            found.push(("HEAD".to_owned(), id.detach(), None, target));
        }
        for reference in repo.references().unwrap().all().unwrap() {
            let mut reference = reference.unwrap();
            let name = reference.name().as_bstr().to_string();
            let id = reference.id().detach();
            let peeled = reference.peel_to_id().unwrap().detach();
            found.push((name, id, (peeled != id).then_some(peeled), None));
        }
        found
    }

    fn list(&self, arguments: &[&str]) -> Vec<u8> {
        let prefixes: Vec<_> = arguments.iter().filter_map(|line| line.strip_prefix("ref-prefix ")).collect();
        let mut out = Vec::new();
        for (name, id, peeled, target) in self.references() {
            if !prefixes.is_empty() && !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let target = target.map(|target| format!(" symref-target:{target}")).unwrap_or_default();
            let peeled = peeled.map(|peeled| format!(" peeled:{peeled}")).unwrap_or_default();
            line(&mut out, format!("{id} {name}{target}{peeled}\n"));
        }
        out.extend_from_slice(FLUSH);
        out
    }

    fn fetch(&self, arguments: &[&str]) -> Vec<u8> {
        let repo = self.open();
        let ids = |word: &str| -> Vec<ObjectId> {
            let ids = arguments.iter().filter_map(|line| line.strip_prefix(word));
            ids.map(|id| ObjectId::from_hex(id.trim().as_bytes()).unwrap()).collect()
        };
        let (wants, haves, cut): (_, _, HashSet<_>) =
            (ids("want "), ids("have "), ids("shallow ").into_iter().collect());
        let depth = arguments.iter().find_map(|line| line.strip_prefix("deepen ")).map(|depth| depth.parse().unwrap());
        let mut out = Vec::new();
        let tips: HashSet<_> = self.references().into_iter().map(|(_, id, ..)| id).collect();
        for want in &wants {
            if !repo.has_object(want) || (self.policy.tips_only && !tips.contains(want)) {
                line(&mut out, format!("ERR upload-pack: not our ref {want}"));
                return out;
            }
        }
        if !arguments.contains(&"done") {
            line(&mut out, "acknowledgments\n");
            let common: Vec<_> = haves.iter().filter(|id| repo.has_object(*id)).collect();
            for id in &common {
                line(&mut out, format!("ACK {id}\n"));
            }
            if common.is_empty() {
                line(&mut out, "NAK\n");
                out.extend_from_slice(FLUSH);
                return out;
            }
            line(&mut out, "ready\n");
            out.extend_from_slice(DELIMITER);
        }

        // What the client has, as far as it told.
        let mut known = HashSet::new();
        let common: Vec<_> = haves.iter().copied().filter(|id| repo.has_object(id)).collect();
        for (commit, _) in ancestors(&repo, &common, None, &cut) {
            known.extend(objects(&repo, commit, &known));
        }
        let sent = ancestors(&repo, &wants, depth, &HashSet::new());
        if depth.is_some() {
            line(&mut out, "shallow-info\n");
            for (commit, border) in &sent {
                if *border {
                    line(&mut out, format!("shallow {commit}\n"));
                } else if cut.contains(commit) {
                    line(&mut out, format!("unshallow {commit}\n"));
                }
            }
            out.extend_from_slice(DELIMITER);
        }
        let mut pack = HashSet::new();
        for want in &wants {
            let mut id = *want;
            while repo.find_header(id).unwrap().kind() == Kind::Tag {
                pack.insert(id);
                id = repo.find_tag(id).unwrap().target_id().unwrap().detach();
            }
        }
        for (commit, _) in &sent {
            if !known.contains(commit) {
                let new = objects(&repo, *commit, &known);
                pack.extend(new);
            }
        }
        line(&mut out, "packfile\n");
        for chunk in write_pack(&repo, &pack).chunks(1000) {
            let mut data = vec![1];
            data.extend_from_slice(chunk);
            line(&mut out, data);
        }
        out.extend_from_slice(FLUSH);
        out
    }

    /// Serves one conversation over a pipe, as `git-upload-pack` does.
    pub(crate) fn serve(&self, input: &mut dyn Read, output: &mut dyn Write) {
        output.write_all(&self.advertise()).unwrap();
        output.flush().unwrap();
        loop {
            let request = read_request(input);
            if Self::command(&request).is_none() {
                return;
            }
            output.write_all(&self.answer(&request)).unwrap();
            output.flush().unwrap();
        }
    }
}

/// The commits from `tips` backwards, to a depth, and whether each is at the border. None behind `cut`.
fn ancestors(
    repo: &gix::Repository,
    tips: &[ObjectId],
    depth: Option<usize>,
    cut: &HashSet<ObjectId>,
) -> Vec<(ObjectId, bool)> {
    let mut found: HashMap<ObjectId, bool> = HashMap::new();
    let mut order = Vec::new();
    let peel = |id: ObjectId| repo.find_object(id).unwrap().peel_to_commit().unwrap().id;
    let mut queue: VecDeque<_> = tips.iter().map(|tip| (peel(*tip), 1)).collect();
    while let Some((id, level)) = queue.pop_front() {
        if found.contains_key(&id) {
            continue;
        }
        let parents: Vec<_> = repo.find_commit(id).unwrap().parent_ids().map(gix::Id::detach).collect();
        let border = depth.is_some_and(|depth| level >= depth) && !parents.is_empty();
        found.insert(id, border);
        order.push(id);
        if !border && !cut.contains(&id) {
            queue.extend(parents.into_iter().filter(|id| repo.has_object(id)).map(|parent| (parent, level + 1)));
        }
    }
    order.into_iter().map(|id| (id, found[&id])).collect()
}

/// A commit with its files, without what is known.
fn objects(repo: &gix::Repository, commit: ObjectId, known: &HashSet<ObjectId>) -> HashSet<ObjectId> {
    let mut found = HashSet::from([commit]);
    let mut queue = vec![repo.find_commit(commit).unwrap().tree_id().unwrap().detach()];
    while let Some(id) = queue.pop() {
        if known.contains(&id) || !found.insert(id) {
            continue;
        }
        if repo.find_header(id).unwrap().kind() == Kind::Tree {
            for entry in repo.find_tree(id).unwrap().iter() {
                let entry = entry.unwrap();
                if !entry.mode().is_commit() {
                    queue.push(entry.object_id());
                }
            }
        }
    }
    found
}

fn write_pack(repo: &gix::Repository, ids: &HashSet<ObjectId>) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&u32::try_from(ids.len()).unwrap().to_be_bytes());
    let mut ids: Vec<_> = ids.iter().collect();
    ids.sort();
    for id in ids {
        let object = repo.find_object(*id).unwrap();
        let kind = match object.kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        let mut size = object.data.len();
        let mut byte = (kind << 4) | u8::try_from(size & 15).unwrap();
        size >>= 4;
        while size > 0 {
            pack.push(byte | 0x80);
            byte = u8::try_from(size & 0x7f).unwrap();
            size >>= 7;
        }
        pack.push(byte);
        let mut deflate = gix::zlib::stream::deflate::Write::new(Vec::new(), gix::zlib::Compression::BEST_SPEED);
        deflate.write_all(&object.data).unwrap();
        deflate.flush().unwrap();
        pack.extend_from_slice(&deflate.into_inner());
    }
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    pack.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
    pack
}
