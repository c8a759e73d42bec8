//! Every rule of the core ports, on the memory adapter.

use std::process::ExitCode;

use portproof::{Manifest, Opened, Target, async_trait};
use portproof_memory::MemoryAdapter;
use portproof_ports::Ports;

struct Memory;

#[async_trait]
impl Target for Memory {
    fn manifest(&self) -> Manifest {
        Manifest::new("memory")
            .lacks("reopen", "what it keeps ends with the process")
            .lacks("dump", "it keeps nothing outside its process")
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(MemoryAdapter::new().ports())
    }
}

fn main() -> ExitCode {
    portproof::run_suites(Memory)
}
