//! The same adapter with a fault in it, a waiver that it needs and one that it does not: this test
//! fails, to show how.

use outside::MapAdapter;
use portproof::{Manifest, Opened, Target, async_trait, mutants::faulty};
use portproof_ports::{Port, Ports, SessionStoreAnswer as Answer, SessionStoreCall as Call};

struct Broken;

#[async_trait]
impl Target for Broken {
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
        .fold(Manifest::new("broken"), |manifest, lacks| {
            manifest.lacks(*lacks, "sessions in a map")
        })
        .waives(
            "session::revoke::answers_whether_there_was_one",
            "it always answers true",
        )
        .waives("session::ready::answers", "a waiver that is not needed")
    }

    async fn open(&self) -> Opened<Ports> {
        let mut ports = MapAdapter::default().ports();
        ports.session = ports.session.map(|store| {
            faulty(store, |store, call| async move {
                match call {
                    Call::Revoke { .. } => store.call(call).await.map(|_| Answer::Revoke(true)),
                    // Not live any more: no matter.
                    Call::Get { tenant, id, .. } => {
                        let long_ago = portproof_ports::Timestamp::MIN;
                        store.get(&tenant, &id, long_ago).await.map(Answer::Get)
                    }
                    call => store.call(call).await,
                }
            })
        });
        Ok(ports)
    }
}

fn main() -> std::process::ExitCode {
    portproof::run_suites(Broken)
}
