//! The inventory in the cluster against the contract of [`InventoryStore`](gitops_engine_core::InventoryStore).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use gitops_engine_cache::KubeCluster;
use gitops_engine_core::conformance;
use gitops_engine_sync::ClusterInventory;
use gitops_engine_testkit::Cluster;

#[tokio::test]
async fn the_inventory_in_the_cluster() {
    let cluster = Cluster::builder().build();
    let store = ClusterInventory::new(Arc::new(KubeCluster::new(cluster.client())), "default");
    assert_eq!(conformance::inventory_store(&store).await.check().unwrap(), 11);
}
