//! The suite of [`Cluster`].

use super::report::{Broken, Outcome, Report, Suite, brief, contract, require, same};
use crate::{
    ApiFault, ApiFaultKind, ApplyOptions, Cluster, Conflicts, DeleteOptions, Deleted, GroupKind, Manifest, ObjectId,
    Propagation, ResourceType, Scope, Uid, Value,
};

contract! { "../cluster.rs";
    GET = "Reads one object from the server itself.";
    SERVER_SIDE = "`apply` is server-side apply.";
    RETURNED = "The object as the server returned it. Holds `managedFields`.";
    DRY = "The server runs it up to storage, admission included, and forgets it (`dryRun=All`).";
    CREATE = "Creates an object that must not exist.";
    EXISTS = "409 on create: it is there already.";
    REPLACE = "Replaces an object; the manifest's `metadata.resourceVersion` makes it a compare-and-swap.";
    PRECONDITION = "409: a resource version or uid precondition failed, or a field belongs to another manager.";
    PROOF = "The uid is not optional: a delete proves its target.";
    VERSION_PROOF = "The resource version that it must have, where the decision depended on its content.";
    GONE = "It was not there.";
    CONFLICTS_FAIL = "The apply fails and names the field and its owner.";
    CONFLICTS_FORCE = "The apply takes it over: the desired state is the authority for what it declares.";
    INVALID = "422: the object is invalid; see the causes.";
    SECRETS = "Faults carry no credential and no value of a Secret.";
}

const MANAGER: &str = "conformance";
const OTHER: &str = "conformance-other";
const SECRET: &str = "conformance-hunter2";
/// The same in base64.
const SECRET_BASE64: &str = "Y29uZm9ybWFuY2UtaHVudGVyMg==";

/// Holds a [`Cluster`] against its contract, on ConfigMaps and a Secret in a namespace.
///
/// The namespace must exist. The suite makes and deletes objects whose names begin with `conformance-`; no other
/// controller should care for these.
pub async fn cluster(cluster: &dyn Cluster, namespace: &str) -> Report {
    let bench = Bench { cluster, namespace };
    let mut suite = Suite::new("Cluster");
    suite.run("cluster_get_of_nothing", GET, bench.get_of_nothing()).await;
    suite.run("cluster_apply_creates", SERVER_SIDE, bench.apply_creates()).await;
    suite.run("cluster_apply_returns_managed_fields", RETURNED, bench.managed_fields()).await;
    suite.run("cluster_same_apply_changes_nothing", SERVER_SIDE, bench.same_apply()).await;
    suite.run("cluster_apply_changes_and_removes", SERVER_SIDE, bench.apply_changes()).await;
    suite.run("cluster_apply_leaves_fields_of_others", SERVER_SIDE, bench.shared_object()).await;
    suite.run("cluster_dry_run_stores_nothing", DRY, bench.dry_run()).await;
    suite.run("cluster_create", CREATE, bench.create()).await;
    suite.run("cluster_create_of_existing", EXISTS, bench.create_existing()).await;
    suite.run("cluster_replace", REPLACE, bench.replace()).await;
    suite.run("cluster_replace_with_stale_version", PRECONDITION, bench.replace_stale()).await;
    suite.run("cluster_delete_with_wrong_uid", PROOF, bench.delete_wrong_uid()).await;
    suite.run("cluster_delete_of_successor", PROOF, bench.delete_successor()).await;
    suite.run("cluster_delete_with_stale_version", VERSION_PROOF, bench.delete_stale()).await;
    suite.run("cluster_delete_twice", GONE, bench.delete_twice()).await;
    suite.run("cluster_conflict_names_field_and_owner", CONFLICTS_FAIL, bench.conflict()).await;
    suite.run("cluster_force_takes_over", CONFLICTS_FORCE, bench.force()).await;
    suite.run("cluster_invalid_object", INVALID, bench.invalid()).await;
    suite.run("cluster_faults_hide_secrets", SECRETS, bench.secrets()).await;
    suite.report()
}

/// A kind of the core group.
pub(super) fn core_kind(kind: &str, plural: &str) -> ResourceType {
    ResourceType {
        kind: GroupKind::new("", kind),
        version: "v1".into(),
        plural: plural.into(),
        scope: Scope::Namespaced,
    }
}

/// The head of an object.
pub(super) fn head(kind: &str, namespace: &str, name: &str) -> Value {
    let mut body = Value::empty_object();
    body.set(&["apiVersion"], "v1".into());
    body.set(&["kind"], kind.into());
    body.set(&["metadata", "namespace"], namespace.into());
    body.set(&["metadata", "name"], format!("conformance-{name}").into());
    body
}

struct Bench<'a> {
    cluster: &'a dyn Cluster,
    namespace: &'a str,
}

type Answer<T> = Result<T, Broken>;

impl Bench<'_> {
    fn config_map(&self, name: &str, data: &[(&str, &str)]) -> Answer<Manifest> {
        let mut body = head("ConfigMap", self.namespace, name);
        data.iter().for_each(|(key, value)| body.set(&["data", key], (*value).into()));
        Ok(Manifest::from_value(body)?)
    }

    fn secret(&self, change: impl FnOnce(&mut Value)) -> Answer<Manifest> {
        let mut body = head("Secret", self.namespace, "secret");
        change(&mut body);
        Ok(Manifest::from_value(body)?)
    }

    async fn get(&self, id: &ObjectId) -> Answer<Option<Manifest>> {
        Ok(self.cluster.get(&config_maps(), id).await?)
    }

    async fn there(&self, id: &ObjectId) -> Answer<Manifest> {
        Ok(self.get(id).await?.ok_or_else(|| format!("{id} is not there"))?)
    }

    async fn apply(&self, manifest: &Manifest) -> Answer<Manifest> {
        Ok(self.cluster.apply(&config_maps(), manifest, &ApplyOptions::new(MANAGER)).await?.object)
    }

    /// Removes what an earlier case or run left.
    async fn clear(&self, manifest: &Manifest) -> Outcome {
        remove(self.cluster, &resource_of(manifest), manifest.id()).await
    }

    /// A fresh object.
    async fn fresh(&self, name: &str, data: &[(&str, &str)]) -> Answer<Manifest> {
        let manifest = self.config_map(name, data)?;
        self.clear(&manifest).await?;
        self.apply(&manifest).await
    }

    /// Whether an object is still the very same, untouched.
    async fn untouched(&self, object: &Manifest, after: &str) -> Outcome {
        let now = self.get(object.id()).await?;
        let now = now.ok_or_else(|| format!("{} is gone after {after}", object.id()))?;
        let version = (now.uid(), now.resource_version().map(str::to_owned), now.is_deleting());
        let expected = (object.uid(), object.resource_version().map(str::to_owned), false);
        same(&format!("uid, resourceVersion and deletion after {after}"), &version, &expected)
    }

    async fn get_of_nothing(&self) -> Outcome {
        let manifest = self.config_map("nothing", &[])?;
        self.clear(&manifest).await?;
        let found = self.get(manifest.id()).await?;
        require(found.is_none(), || format!("{} was never made and was found", manifest.id()))
    }

    async fn apply_creates(&self) -> Outcome {
        let applied = self.fresh("apply", &[("a", "1")]).await?;
        same(
            "the identity",
            applied.id(),
            &ObjectId::namespaced("", "ConfigMap", self.namespace, "conformance-apply"),
        )?;
        require(applied.uid().is_some() && applied.resource_version().is_some(), || {
            "the applied object has no uid or no resourceVersion".to_owned()
        })?;
        let found = self.there(applied.id()).await?;
        same("data.a", &found.body().text(["data", "a"]), &Some("1"))?;
        self.untouched(&applied, "a get").await?;
        self.clear(&applied).await
    }

    async fn managed_fields(&self) -> Outcome {
        let applied = self.fresh("fields", &[("a", "1")]).await?;
        let fields = applied.managed_fields().unwrap_or_default();
        let named = fields.contains(&format!("\"{MANAGER}\"")) && fields.contains("f:a");
        require(named, || format!("the managedFields name not {MANAGER} and its fields: {fields:?}"))?;
        self.clear(&applied).await
    }

    async fn same_apply(&self) -> Outcome {
        let applied = self.fresh("same", &[("a", "1")]).await?;
        let again = self.apply(&self.config_map("same", &[("a", "1")])?).await?;
        same("the resourceVersion", &again.resource_version(), &applied.resource_version())?;
        self.untouched(&applied, "the same apply").await?;
        self.clear(&applied).await
    }

    async fn apply_changes(&self) -> Outcome {
        let applied = self.fresh("change", &[("a", "1"), ("b", "1")]).await?;
        let changed = self.apply(&self.config_map("change", &[("a", "2")])?).await?;
        same("the uid", &changed.uid(), &applied.uid())?;
        require(changed.resource_version() != applied.resource_version(), || {
            "the resourceVersion is the same after a change".to_owned()
        })?;
        let found = self.there(applied.id()).await?;
        same("data.a", &found.body().text(["data", "a"]), &Some("2"))?;
        same("data.b, which is no longer declared,", &found.body().path(["data", "b"]), &None)?;
        self.clear(&applied).await
    }

    async fn shared_object(&self) -> Outcome {
        let applied = self.fresh("shared", &[("a", "1")]).await?;
        let others = self.config_map("shared", &[("b", "1")])?;
        self.cluster.apply(&config_maps(), &others, &ApplyOptions::new(OTHER)).await?;
        self.apply(&self.config_map("shared", &[("a", "2")])?).await?;
        let found = self.there(applied.id()).await?;
        same("the field of another manager", &found.body().text(["data", "b"]), &Some("1"))?;
        self.clear(&applied).await
    }

    async fn dry_run(&self) -> Outcome {
        let (resource, options) = (config_maps(), ApplyOptions::new(MANAGER).dry_run());
        let manifest = self.config_map("dry", &[("a", "1")])?;
        self.clear(&manifest).await?;
        let answer = self.cluster.apply(&resource, &manifest, &options).await?.object;
        same("data.a in the answer", &answer.body().text(["data", "a"]), &Some("1"))?;
        same("what is stored after a dry apply", &self.get(manifest.id()).await?, &None)?;
        self.cluster.create(&resource, &manifest, &options).await?;
        same("what is stored after a dry create", &self.get(manifest.id()).await?, &None)?;

        let applied = self.apply(&manifest).await?;
        let changed = self.config_map("dry", &[("a", "2")])?;
        let answer = self.cluster.apply(&resource, &changed, &options).await?.object;
        same("data.a in the answer", &answer.body().text(["data", "a"]), &Some("2"))?;
        self.untouched(&applied, "a dry apply").await?;
        self.cluster.replace(&resource, &at_version(&changed, &applied)?, &options).await?;
        self.untouched(&applied, "a dry replace").await?;
        self.clear(&applied).await
    }

    async fn create(&self) -> Outcome {
        let manifest = self.config_map("create", &[("a", "1")])?;
        self.clear(&manifest).await?;
        let created = self.cluster.create(&config_maps(), &manifest, &ApplyOptions::new(MANAGER)).await?.object;
        require(created.uid().is_some(), || "the created object has no uid".to_owned())?;
        self.untouched(&created, "a get").await?;
        self.clear(&manifest).await
    }

    async fn create_existing(&self) -> Outcome {
        let applied = self.fresh("exists", &[("a", "1")]).await?;
        let manifest = self.config_map("exists", &[("a", "2")])?;
        let answer = self.cluster.create(&config_maps(), &manifest, &ApplyOptions::new(MANAGER)).await;
        refused("creating what exists", answer, ApiFaultKind::AlreadyExists)?;
        self.untouched(&applied, "a refused create").await?;
        self.clear(&applied).await
    }

    async fn replace(&self) -> Outcome {
        let applied = self.fresh("replace", &[("a", "1"), ("b", "1")]).await?;
        let manifest = at_version(&self.config_map("replace", &[("a", "2")])?, &applied)?;
        self.cluster.replace(&config_maps(), &manifest, &ApplyOptions::new(MANAGER)).await?;
        let found = self.there(applied.id()).await?;
        same("the uid", &found.uid(), &applied.uid())?;
        let data = (found.body().text(["data", "a"]), found.body().text(["data", "b"]));
        same("data.a and data.b", &data, &(Some("2"), None))?;
        self.clear(&applied).await?;
        let answer = self.cluster.replace(&config_maps(), &manifest, &ApplyOptions::new(MANAGER)).await;
        // Servers differ in which they say; both tell that it is not the object of that version.
        require(
            matches!(&answer, Err(fault) if matches!(fault.kind, ApiFaultKind::NotFound | ApiFaultKind::Conflict)),
            || format!("replacing what is gone gave {}, expected NotFound or Conflict", shown(&answer)),
        )?;
        same("what is stored after a replace of what is gone", &self.get(applied.id()).await?, &None)
    }

    async fn replace_stale(&self) -> Outcome {
        let first = self.fresh("stale", &[("a", "1")]).await?;
        let second = self.apply(&self.config_map("stale", &[("a", "2")])?).await?;
        let manifest = at_version(&self.config_map("stale", &[("a", "3")])?, &first)?;
        let answer = self.cluster.replace(&config_maps(), &manifest, &ApplyOptions::new(MANAGER)).await;
        refused("replacing with a stale resourceVersion", answer, ApiFaultKind::Conflict)?;
        self.untouched(&second, "a refused replace").await?;
        self.clear(&second).await
    }

    async fn delete_wrong_uid(&self) -> Outcome {
        let applied = self.fresh("uid", &[("a", "1")]).await?;
        let options = DeleteOptions::new(Uid::new("00000000-0000-4000-8000-000000000000"));
        for propagation in [Propagation::Background, Propagation::Foreground, Propagation::Orphan] {
            let options = options.clone().propagation(propagation);
            let answer = self.cluster.delete(&config_maps(), applied.id(), &options).await;
            refused("deleting with the uid of another object", answer, ApiFaultKind::Conflict)?;
            self.untouched(&applied, "a refused delete").await?;
        }
        self.clear(&applied).await
    }

    async fn delete_successor(&self) -> Outcome {
        let first = self.fresh("successor", &[("a", "1")]).await?;
        let second = self.fresh("successor", &[("a", "1")]).await?;
        require(first.uid() != second.uid(), || "an object that was made anew has the uid of the old one".to_owned())?;
        let answer = self.cluster.delete(&config_maps(), first.id(), &background(&first)?).await;
        refused("deleting with the uid of a predecessor", answer, ApiFaultKind::Conflict)?;
        self.untouched(&second, "a refused delete").await?;
        self.clear(&second).await
    }

    async fn delete_stale(&self) -> Outcome {
        let first = self.fresh("inspected", &[("a", "1")]).await?;
        let second = self.apply(&self.config_map("inspected", &[("a", "2")])?).await?;
        let version = |object: &Manifest| object.resource_version().unwrap_or_default().to_owned();
        let options = background(&first)?.resource_version(version(&first));
        let answer = self.cluster.delete(&config_maps(), first.id(), &options).await;
        refused("deleting with a stale resourceVersion", answer, ApiFaultKind::Conflict)?;
        self.untouched(&second, "a refused delete").await?;
        let options = background(&second)?.resource_version(version(&second));
        self.cluster.delete(&config_maps(), second.id(), &options).await?;
        same("what is stored after the delete", &self.get(second.id()).await?, &None)
    }

    async fn delete_twice(&self) -> Outcome {
        let applied = self.fresh("twice", &[("a", "1")]).await?;
        let options = background(&applied)?;
        let first = self.cluster.delete(&config_maps(), applied.id(), &options).await?;
        require(!matches!(first, Deleted::NotFound), || "the first delete found nothing".to_owned())?;
        same("what is stored after the delete", &self.get(applied.id()).await?, &None)?;
        let second = self.cluster.delete(&config_maps(), applied.id(), &options).await?;
        require(matches!(second, Deleted::NotFound), || format!("the second delete gave {second:?}"))
    }

    async fn conflict(&self) -> Outcome {
        let applied = self.fresh("conflict", &[("a", "1"), ("b", "1")]).await?;
        let manifest = self.config_map("conflict", &[("a", "2"), ("b", "1")])?;
        let options = ApplyOptions::new(OTHER).conflicts(Conflicts::Fail);
        let answer = self.cluster.apply(&config_maps(), &manifest, &options).await;
        let text = match &answer {
            Err(fault) => said(fault),
            Ok(_) => String::new(),
        };
        let fields: Vec<_> = match &answer {
            Err(fault) => fault.causes.iter().map(|cause| cause.field.clone()).collect(),
            Ok(_) => Vec::new(),
        };
        refused("applying a field of another manager", answer, ApiFaultKind::Conflict)?;
        require(text.contains(&format!("\"{MANAGER}\"")), || format!("the fault does not name the manager: {text}"))?;
        require(fields.iter().any(|field| field.ends_with("data.a")), || {
            format!("the causes name {fields:?}, not data.a")
        })?;
        require(!fields.iter().any(|field| field.ends_with("data.b")), || {
            "data.b has the same value on both sides and is called a conflict".to_owned()
        })?;
        self.untouched(&applied, "a refused apply").await?;
        self.clear(&applied).await
    }

    async fn force(&self) -> Outcome {
        let applied = self.fresh("force", &[("a", "1")]).await?;
        let manifest = self.config_map("force", &[("a", "2")])?;
        let options = ApplyOptions::new(OTHER).conflicts(Conflicts::Force);
        self.cluster.apply(&config_maps(), &manifest, &options).await?;
        same("data.a", &self.there(applied.id()).await?.body().text(["data", "a"]), &Some("2"))?;
        // The field is no longer the first manager's: it may not have it back without force.
        let options = ApplyOptions::new(MANAGER).conflicts(Conflicts::Fail);
        let answer = self.cluster.apply(&config_maps(), &self.config_map("force", &[("a", "1")])?, &options).await;
        refused("applying a field that was taken over", answer, ApiFaultKind::Conflict)?;
        self.clear(&applied).await
    }

    async fn invalid(&self) -> Outcome {
        let mut body = head("ConfigMap", self.namespace, "invalid");
        body.set(&["data", "not a key!"], "1".into());
        let manifest = Manifest::from_value(body)?;
        let answer = self.cluster.apply(&config_maps(), &manifest, &ApplyOptions::new(MANAGER)).await;
        let causes = answer.as_ref().err().map(|fault| fault.causes.len());
        refused("applying a ConfigMap with a key that no key can be", answer, ApiFaultKind::Invalid)?;
        require(causes > Some(0), || "the fault names no cause".to_owned())?;
        same("what is stored", &self.get(manifest.id()).await?, &None)
    }

    async fn secrets(&self) -> Outcome {
        let resource = core_kind("Secret", "secrets");
        let good = self.secret(|body| body.set(&["data", "password"], SECRET_BASE64.into()))?;
        self.clear(&good).await?;
        let applied = self.cluster.apply(&resource, &good, &ApplyOptions::new(MANAGER)).await?.object;

        let other = self.secret(|body| body.set(&["data", "password"], "YW5vdGhlcg==".into()))?;
        let text = self.secret(|body| body.set(&["stringData", "password"], SECRET.into()))?;
        let no_base64 = self.secret(|body| body.set(&["data", "password"], format!("{SECRET}!").into()))?;
        let no_text = self.secret(|body| body.set(&["data", "password", "inner"], SECRET.into()))?;
        let bad_key = self.secret(|body| body.set(&["data", "not a key!"], SECRET_BASE64.into()))?;
        let stray = self.secret(|body| body.set(&["password"], SECRET.into()))?;
        let bad_type = self.secret(|body| {
            body.set(&["type"], "kubernetes.io/dockerconfigjson".into());
            body.set(&["stringData", ".dockerconfigjson"], format!("not json: {SECRET}").into());
        })?;

        let fail = ApplyOptions::new(OTHER).conflicts(Conflicts::Fail);
        let mut faults = Vec::new();
        for manifest in [&good, &other, &text, &no_base64, &no_text, &bad_key, &stray, &bad_type] {
            faults.extend(self.cluster.apply(&resource, manifest, &fail.clone().dry_run()).await.err());
            faults.extend(self.cluster.create(&resource, manifest, &fail).await.err());
            let replace = at_version(manifest, &applied)?.edit(|body| {
                body.set(&["metadata", "uid"], "00000000-0000-4000-8000-000000000000".into());
            })?;
            faults.extend(self.cluster.replace(&resource, &replace, &fail.clone().dry_run()).await.err());
        }
        require(faults.len() > 8, || format!("only {} of 24 bad requests were refused", faults.len()))?;
        for fault in &faults {
            let text = format!("{} {fault:?}", said(fault));
            require(!text.contains(SECRET) && !text.contains(SECRET_BASE64), || {
                format!("a fault of kind {:?} ({}) shows the value of a Secret", fault.kind, fault.code)
            })?;
        }
        remove(self.cluster, &resource, applied.id()).await
    }
}

pub(super) fn config_maps() -> ResourceType {
    core_kind("ConfigMap", "configmaps")
}

fn resource_of(manifest: &Manifest) -> ResourceType {
    if manifest.id().kind.is("", "Secret") { core_kind("Secret", "secrets") } else { config_maps() }
}

/// Deletes an object if it is there.
pub(super) async fn remove(cluster: &dyn Cluster, resource: &ResourceType, id: &ObjectId) -> Outcome {
    if let Some(object) = cluster.get(resource, id).await? {
        cluster.delete(resource, id, &background(&object)?).await?;
        let left = cluster.get(resource, id).await?;
        require(left.is_none(), || format!("{id} is still there after a delete"))?;
    }
    Ok(())
}

fn background(object: &Manifest) -> Answer<DeleteOptions> {
    let uid = object.uid().ok_or_else(|| format!("{} has no uid", object.id()))?;
    Ok(DeleteOptions::new(uid).propagation(Propagation::Background))
}

fn at_version(manifest: &Manifest, of: &Manifest) -> Answer<Manifest> {
    let version = of.resource_version().ok_or_else(|| format!("{} has no resourceVersion", of.id()))?;
    Ok(manifest.edit(|body| body.set(&["metadata", "resourceVersion"], version.into()))?)
}

fn said(fault: &ApiFault) -> String {
    let causes = fault.causes.iter().map(|cause| format!("; {}: {}: {}", cause.reason, cause.field, cause.message));
    format!("{fault}{}", causes.collect::<String>())
}

fn shown<T>(answer: &Result<T, ApiFault>) -> String {
    match answer {
        Ok(_) => "success".to_owned(),
        Err(fault) => format!("{:?} ({})", fault.kind, brief(&said(fault))),
    }
}

fn refused<T>(what: &str, answer: Result<T, ApiFault>, kind: ApiFaultKind) -> Outcome {
    let right = matches!(&answer, Err(fault) if fault.kind == kind);
    require(right, || format!("{what} gave {}, expected {kind:?}", shown(&answer)))
}
