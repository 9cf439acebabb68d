//! The store in memory behaves as every store must.

use std::sync::Arc;

use longhaul::{Store, model::Limits, testing::MemoryStore};

async fn make(limits: Limits) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(&limits))
}

longhaul::conformance!(make);
