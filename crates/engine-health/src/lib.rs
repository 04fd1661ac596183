//! The health of one Kubernetes object, by pure kind rules.
