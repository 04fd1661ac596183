//! The GitOps engine as a library.
