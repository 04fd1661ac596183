//! Plan, execute, reconcile: a desired state and a snapshot become a plan, and the plan a converged cluster.
