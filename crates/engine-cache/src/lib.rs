//! The watch-fed picture of a cluster: discovery, snapshots, ownership, change stream.
