//! Every rule of the session port, on this adapter.

use outside::MapAdapter;
use portproof::{Manifest, Opened, Target, async_trait};
use portproof_ports::Ports;

struct Map;

#[async_trait]
impl Target for Map {
    fn manifest(&self) -> Manifest {
        [
            "identity",
            "credentials",
            "keystore",
            "policies",
            "assignments",
            "transactions",
            "reopen",
            "dump",
        ]
        .iter()
        .fold(Manifest::new("map"), |manifest, lacks| {
            manifest.lacks(*lacks, "sessions in a map")
        })
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(MapAdapter::default().ports())
    }
}

fn main() -> std::process::ExitCode {
    portproof::run_suites(Map)
}
