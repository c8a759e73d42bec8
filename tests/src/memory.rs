//! The memory adapter as a target.

use portproof::{Manifest, Opened, Profile, Target, async_trait};
use portproof_memory::MemoryAdapter;
use portproof_ports::Ports;

/// The memory adapter.
#[derive(Clone, Debug, Default)]
pub struct Memory;

#[async_trait]
impl Target for Memory {
    fn manifest(&self) -> Manifest {
        Manifest::new("memory")
            .lacks("reopen", "what it keeps ends with the process")
            .lacks("dump", "it keeps nothing outside its process")
            .profiles(Profile::ALL)
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(MemoryAdapter::new().ports())
    }
}
