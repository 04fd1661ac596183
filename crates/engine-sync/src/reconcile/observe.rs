//! From a revision spec to a desired state, with as little work as possible.

use std::sync::Arc;

use gitops_engine_core::{DesiredState, Error, ErrorKind, GenerateRequest, Input, Problems, Revision, Tree};

use super::ReconcilerParts;
use crate::Application;

/// A desired state, and what it was made from.
#[derive(Clone)]
#[non_exhaustive]
pub struct Observed {
    /// The desired state.
    pub desired: Arc<DesiredState>,
    /// Every tree and blob that it was made from.
    pub inputs: Arc<[Input]>,
    /// What the generator warns about.
    pub warnings: Vec<Arc<Error>>,
}

impl ReconcilerParts {
    /// The revision that the application follows now.
    ///
    /// # Errors
    /// The store's.
    pub async fn resolve(&self, application: &Application) -> Result<Revision, Error> {
        self.store.resolve(&application.revision).await
    }

    /// The desired state at a revision. Where every input of `last` is unchanged its objects are taken over: a commit
    /// that touches other directories costs no rendering.
    ///
    /// # Errors
    /// The store's, and all of the generator's.
    pub async fn observe(
        &self,
        application: &Application,
        revision: &Revision,
        last: Option<&Observed>,
    ) -> Result<Observed, Problems> {
        if let Some(last) = last
            && last.desired.revision == *revision
        {
            return Ok(last.clone());
        }
        let tree = self.store.tree(revision).await?;
        if let Some(last) = last
            && is_unchanged(&*tree, &last.inputs)?
        {
            let desired = DesiredState::new(revision.clone(), last.desired.objects.clone());
            return Ok(Observed { desired: Arc::new(desired), ..last.clone() });
        }
        if tree.entry(&application.path)?.is_none() {
            let error = Error::new(
                ErrorKind::NotFound,
                format!(
                    "there is no path {:?} at revision {} of {}",
                    application.path.as_str(),
                    revision.short(),
                    self.store.name()
                ),
            );
            return Err(error.help("correct the path of the application").into());
        }
        let name = application.name.as_str();
        let mut request = GenerateRequest::new(tree, application.path.clone(), name);
        request.namespace.clone_from(&application.namespace);
        request.capabilities = self.driver.cache.snapshot().capabilities();
        let rendering = self.generator.generate(request).await?;
        Ok(Observed {
            desired: Arc::new(DesiredState::new(revision.clone(), rendering.objects)),
            inputs: rendering.inputs.into(),
            warnings: rendering.warnings,
        })
    }
}

fn is_unchanged(tree: &dyn Tree, inputs: &[Input]) -> Result<bool, Error> {
    if inputs.is_empty() {
        return Ok(false);
    }
    for input in inputs {
        match tree.entry(&input.path)? {
            Some(entry) if entry.id == input.id => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}
