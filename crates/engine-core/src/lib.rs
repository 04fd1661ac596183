//! The vocabulary of the GitOps engine: identities, manifests, revisions, trees, snapshots, events, errors, and the traits of its five jobs.
