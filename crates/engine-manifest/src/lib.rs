//! From a tree to manifests: directories of YAML and JSON, and allowed external programs.
