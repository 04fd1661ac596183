//! One conversation with a server: what it has, and getting some of it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use gitops_engine_core::{Error, ErrorKind, Result};
use gix::bstr::BString;
use gix::protocol::fetch::{
    Arguments, Context, Negotiate, Options, RefMap, Response, Shallow, Tags, negotiate, refmap,
};
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::{Protocol as Version, Service};
use gix::protocol::{Handshake, LsRefsCommand};
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullName, Target};
use gix::{ObjectId, progress::Discard};

use super::link::Link;
use super::{Transport, http, ssh, tcp};
use crate::error::{classify, from_gix, summary};
use crate::location::{Protocol, Remote};
use crate::odb::Repo;
use crate::refs::Reference;
use crate::worker::Interrupt;
use crate::{Credentials, GitOptions};

/// More references than this are not listed: each costs memory before any of them is asked for.
const REFERENCES: usize = 2_000_000;

pub(crate) struct Session {
    transport: Transport,
    handshake: Handshake,
    link: Arc<Link>,
    // Ends the program with the conversation.
    _running: Option<ssh::Running>,
}

impl Session {
    /// Connects and shakes hands.
    pub(crate) fn connect(
        remote: &Remote,
        options: &GitOptions,
        client: Option<&reqwest::Client>,
        credentials: Option<&Credentials>,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Self> {
        let link = Link::new(interrupt, options.idle_timeout, options.max_fetch, &remote.display);
        let lost = |link: &Link, error: std::io::Error| {
            link.take_fault().unwrap_or_else(|| Error::new(ErrorKind::Unavailable, error.to_string()))
        };
        let mut running = None;
        let mut transport = match (remote.protocol, client, &options.ssh) {
            (Protocol::Http | Protocol::Https, Some(client), _) => {
                http::connect(&link, remote, client, credentials, options.plain_text_credentials)?
            }
            (Protocol::Git, ..) => {
                tcp::connect(&link, remote, options.connect_timeout).map_err(|error| lost(&link, error))?
            }
            (Protocol::Ssh, _, Some(ssh)) => {
                let (transport, started) = ssh::connect(&link, remote, ssh).map_err(|error| lost(&link, error))?;
                running = Some(started);
                transport
            }
            (Protocol::Ssh, _, None) => return Err(ssh::refused(remote)),
            (Protocol::Http | Protocol::Https, None, _) => {
                return Err(Error::new(ErrorKind::Internal, format!("there is no HTTP client for {}", remote.display)));
            }
        };
        // Never asked: our HTTP backend sends credentials itself, the others have none.
        let no_prompt = |_| Ok(None);
        let handshake =
            gix::protocol::handshake(&mut transport, Service::UploadPack, no_prompt, Vec::new(), &mut Discard);
        match handshake {
            Ok(handshake) => Ok(Self { transport, handshake, link, _running: running }),
            Err(error) => {
                let error = classified(&link, error, "cannot be read");
                let explained =
                    running.filter(|_| error.kind() != ErrorKind::Timeout && error.kind() != ErrorKind::Cancelled);
                Err(explained.and_then(|running| running.explain(&link)).unwrap_or(error))
            }
        }
    }

    /// The references of the server whose full names begin with one of the prefixes.
    pub(crate) fn list(&mut self, prefixes: &[String]) -> Result<Vec<Reference>> {
        let listed = match &self.handshake.refs {
            // Before version 2 of the protocol, servers tell everything first.
            Some(refs) => refs.clone(),
            None => {
                let mut wanted = RefPrefixes::new();
                wanted.extend(prefixes.iter().map(|prefix| BString::from(prefix.as_str())));
                LsRefsCommand::new(Some(wanted), &self.handshake.capabilities, agent())
                    .invoke_blocking(&mut self.transport, &mut Discard, false)
                    .map_err(|error| classified(&self.link, error, "cannot list its references"))?
            }
        };
        if listed.len() > REFERENCES {
            let message = format!("{} has more than {REFERENCES} references", self.link.name());
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let references = listed.iter().filter_map(reference);
        Ok(references
            .filter(|reference| prefixes.iter().any(|prefix| reference.name.starts_with(prefix.as_str())))
            .collect())
    }

    /// Fetches objects and everything that they need, and points references of ours to them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the server does not have, or does not give, one of them.
    pub(crate) fn fetch(
        &mut self,
        repo: &Repo,
        wanted: &[(ObjectId, String)],
        depth: Option<NonZeroU32>,
        interrupt: &Interrupt,
    ) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let span = tracing::debug_span!("fetch", repository = self.link.name(), wanted = wanted.len());
        span.in_scope(|| {
            repo.with(|handle| {
                self.receive(handle, wanted, depth, interrupt)
                    .map_err(|error| classified(&self.link, error, "cannot be fetched from"))
            })
        })?;
        keep(repo, wanted)
    }

    fn receive(
        &mut self,
        repo: &gix::Repository,
        wanted: &[(ObjectId, String)],
        depth: Option<NonZeroU32>,
        interrupt: &Interrupt,
    ) -> gix::Result<()> {
        let mappings = wanted.iter().map(|(id, local)| refmap::Mapping {
            remote: refmap::Source::ObjectId(*id),
            local: Some(local.as_str().into()),
            spec_index: refmap::SpecIndex::ExplicitInRemote(0),
        });
        let ref_map = RefMap { mappings: mappings.collect(), object_hash: repo.object_hash(), ..Default::default() };
        // A store that is cut stays cut where it is unless a depth says otherwise.
        let shallow = depth.map_or(Shallow::NoChange, Shallow::DepthAtRemote);
        let mut local = repo.clone();
        // Many questions are for objects that are not here: do not look for new packs each time.
        local.objects.refresh = gix::odb::store::RefreshMode::Never;
        local.objects.unset_object_cache();
        let mut graph = local.revision_graph(None);
        let mut negotiation = Negotiation {
            repo: &local,
            graph: &mut graph,
            ref_map: &ref_map,
            shallow: &shallow,
            negotiator: gix::negotiate::Algorithm::Consecutive.into_negotiator(),
        };
        let directory = repo.objects.store_ref().path().join("pack");
        let options = gix::odb::pack::bundle::write::Options {
            thread_limit: None,
            index_version: gix::odb::pack::index::Version::default(),
            iteration_mode: gix::odb::pack::data::input::Mode::Verify,
            alloc_limit_bytes: Some(crate::odb::ALLOCATION_LIMIT),
            compression: gix::zlib::Compression::default(),
        };
        let mut keep: Option<PathBuf> = None;
        gix::protocol::fetch(
            &mut negotiation,
            |pack, progress, should_interrupt| {
                let written = gix::odb::pack::Bundle::write_to_directory(
                    pack,
                    Some(&directory),
                    progress,
                    should_interrupt,
                    // A pack may leave out objects that we said we have.
                    Some(repo.objects.clone()),
                    repo.object_hash(),
                    options,
                )?;
                keep = written.keep_path;
                Ok(true)
            },
            Discard,
            interrupt.flag(),
            Context {
                handshake: &mut self.handshake,
                transport: &mut self.transport,
                user_agent: agent(),
                trace_packetlines: false,
            },
            Options {
                shallow_file: repo.shallow_file()?,
                shallow: &shallow,
                tags: Tags::None,
                reject_shallow_remote: false,
            },
        )?;
        // The mark that keeps a pack while nothing refers to it. Nobody collects garbage while we hold the write lock.
        if let Some(keep) = keep {
            std::fs::remove_file(keep).ok();
        }
        Ok(())
    }

    /// Says goodbye, as far as there is somebody to say it to.
    pub(crate) fn close(mut self) {
        if self.handshake.server_protocol_version == Version::V2 {
            gix::protocol::indicate_end_of_interaction(&mut self.transport, false).ok();
        }
    }
}

/// Points references of ours to objects.
pub(crate) fn keep(repo: &Repo, wanted: &[(ObjectId, String)]) -> Result<()> {
    repo.with(|handle| {
        let mut handle = handle.clone();
        handle.refs.write_reflog = gix::refs::store::WriteReflog::Disable;
        let mut edits = Vec::new();
        for (id, name) in wanted {
            let failed = || Error::new(ErrorKind::Internal, format!("{name:?} is not a reference that Git allows"));
            edits.push(RefEdit {
                change: Change::Update {
                    log: LogChange::default(),
                    expected: PreviousValue::Any,
                    new: Target::Object(*id),
                },
                name: FullName::try_from(name.as_str()).map_err(|_| failed())?,
                deref: false,
            });
        }
        handle
            .edit_references(edits)
            .map(drop)
            .map_err(|error| from_gix(error, format!("what was fetched from {} cannot be kept", repo.name())))
    })
}

struct Negotiation<'a, 'b, 'c> {
    repo: &'a gix::Repository,
    graph: &'a mut gix::negotiate::Graph<'b, 'c>,
    ref_map: &'a RefMap,
    shallow: &'a Shallow,
    negotiator: Box<dyn gix::negotiate::Negotiator>,
}

impl Negotiate for Negotiation<'_, '_, '_> {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        negotiate::mark_complete_and_common_ref(
            &self.repo.objects,
            &self.repo.refs,
            || Ok(std::iter::empty::<(gix::refs::file::Store, gix::OdbHandle)>()),
            &mut *self.negotiator,
            self.graph,
            self.ref_map,
            self.shallow,
            |_| false,
        )
    }

    fn add_wants(&mut self, arguments: &mut Arguments, known: &[bool]) -> bool {
        negotiate::add_wants(&self.repo.objects, arguments, self.ref_map, known, self.shallow, |_| false)
    }

    fn one_round(
        &mut self,
        state: &mut negotiate::one_round::State,
        arguments: &mut Arguments,
        previous: Option<&Response>,
    ) -> gix::Result<(negotiate::Round, bool)> {
        negotiate::one_round(&mut *self.negotiator, self.graph, state, arguments, previous)
    }
}

fn agent() -> (&'static str, Option<String>) {
    ("agent", Some(concat!("gitops-engine/", env!("CARGO_PKG_VERSION")).into()))
}

fn reference(listed: &Ref) -> Option<Reference> {
    let (name, id) = match listed {
        Ref::Peeled { full_ref_name, tag, .. } => (full_ref_name, *tag),
        Ref::Direct { full_ref_name, object } => (full_ref_name, *object),
        Ref::Symbolic { full_ref_name, tag, object, .. } => (full_ref_name, tag.unwrap_or(*object)),
        Ref::Unborn { .. } => return None,
    };
    Some(Reference { name: name.to_string(), id })
}

/// Our own error when there was one below gix, else that of gix in our classes.
fn classified(link: &Link, error: gix::Error, what: &str) -> Error {
    if let Some(fault) = link.take_fault() {
        return fault;
    }
    let text = summary(&error);
    let lower = text.to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    let message = format!("{} {what}: {text}", link.name());
    // What upload-pack and the daemon say in an ERR line has no class but its text.
    let missing = [
        "not our ref",
        "unadvertised object",
        "not valid sha1",
        "no such ref",
        "access denied or repository not exported",
        "repository not found",
        "no such repository",
    ];
    let kind = if has(&missing) {
        ErrorKind::NotFound
    } else if has(&["access denied", "permission denied"]) {
        ErrorKind::PermissionDenied
    } else {
        match classify(&error) {
            // The other side closed the connection or broke the protocol. Nothing here is wrong with the input.
            ErrorKind::Internal | ErrorKind::InvalidInput
                if has(&["eof", "unexpected end", "broken pipe", "connection"]) =>
            {
                ErrorKind::Unavailable
            }
            kind => kind,
        }
    };
    let error = Error::new(kind, message);
    if lower.contains("smart") && lower.contains("dumb") {
        return Error::new(ErrorKind::InvalidInput, format!("{} is not a Git repository: {text}", link.name()))
            .help("check the URL: the server answered, but not with Git's smart protocol");
    }
    error
}
