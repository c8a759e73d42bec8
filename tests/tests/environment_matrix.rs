//! The environment matrix: the rules that an environment can break, in environments that adapters
//! forget, each a test of its own.
//!
//! A rule names the environments that can break it; `PORTPROOF_FULL=1`, as `just matrix` sets it, runs
//! the whole catalogue in each.

use std::{
    env,
    process::{Command, ExitCode},
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};
use portproof::{
    Environment::{self, Collation, Holder, Isolation, PoolOfOne, TimeZone},
    Manifest, Opened, Selection, Target, Verdict, async_trait, check_suites, suites,
};
use portproof_database::Server;
use portproof_ports::{
    AssignmentStore, CodeStore, CredentialStore, EntityStore, EventStore, IdentityStore, KeyStore,
    OrganizationStore, OutboxStore, PolicyStore, Ports, RefreshTokenStore, RelationshipStore,
    SessionStore, TenantStore,
};
use portproof_tests::{Memory, Place, Postgres, Sqlite};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The trial that another process runs under another time zone.
const ALL: &str = "all_adapters_in_the_process_time_zone";

fn main() -> ExitCode {
    let trials = vec![
        trial("postgres_with_a_pool_of_one", || async {
            let server = server().await?;
            let url = server.fresh_database().await?;
            let postgres = Postgres::new(Place::Url(url)).pool_size(1);
            green(PoolOfOne, postgres.named("postgres, one connection")).await
        }),
        trial("postgres_with_its_sessions_in_new_york", || {
            database_with(TimeZone, "SET timezone = 'America/New_York'")
        }),
        trial("postgres_with_its_sessions_in_kolkata", || {
            database_with(TimeZone, "SET timezone = 'Asia/Kolkata'")
        }),
        trial("postgres_with_serializable_transactions", || {
            database_with(
                Isolation,
                "SET default_transaction_isolation = 'serializable'",
            )
        }),
        trial("postgres_with_repeatable_reads", || {
            database_with(
                Isolation,
                "SET default_transaction_isolation = 'repeatable read'",
            )
        }),
        trial(
            "postgres_with_a_collation_that_looks_past_case",
            other_collation,
        ),
        trial("through_references", || {
            green(Holder, Through(Hold::Reference))
        }),
        trial("through_boxes", || green(Holder, Through(Hold::Box))),
        trial("through_arcs", || green(Holder, Through(Hold::Arc))),
        trial(ALL, || async {
            green(TimeZone, Memory).await?;
            green(TimeZone, Sqlite::temporary()?).await?;
            green(TimeZone, Postgres::new(Place::Any)).await
        }),
        Trial::test("all_adapters_with_the_process_in_apia", || {
            under_time_zone("Pacific/Apia")
        }),
        Trial::test("all_adapters_with_the_process_in_kathmandu", || {
            under_time_zone("Asia/Kathmandu")
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial<A>(name: &str, run: impl FnOnce() -> A + Send + 'static) -> Trial
where
    A: Future<Output = Result<(), Failed>>,
{
    Trial::test(name, || tokio::runtime::Runtime::new()?.block_on(run()))
}

/// Fails unless the target keeps every rule that it claims, of those that this environment can break.
async fn green(environment: Environment, target: impl Target) -> Result<(), Failed> {
    let whole = env::var("PORTPROOF_FULL").is_ok_and(|full| full == "1");
    let selection = Selection {
        environment: (!whole).then_some(environment),
        ..Selection::default()
    };
    let report = check_suites(target, suites::all(), &selection, |_| {}).await;
    if report.is_green() {
        return Ok(());
    }
    let broken: Vec<&str> = report
        .broken()
        .filter_map(|outcome| outcome.failure.as_deref())
        .collect();
    Err(format!(
        "{} held; broken:\n{}",
        report.count(Verdict::Held),
        broken.join("\n")
    )
    .into())
}

async fn server() -> Result<Server, Failed> {
    Ok(portproof_database::postgres().await?)
}

async fn run(url: &str, statement: String) -> Result<(), Failed> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// The name of the database of a URL.
fn database(url: &str) -> Result<&str, Failed> {
    let path = url.rsplit_once('/').ok_or("the URL names no database")?.1;
    Ok(path.split('?').next().unwrap_or(path))
}

/// A database whose every session begins with this setting.
async fn database_with(environment: Environment, setting: &str) -> Result<(), Failed> {
    let server = server().await?;
    let url = server.fresh_database().await?;
    run(
        &url,
        format!("ALTER DATABASE {} {setting}", database(&url)?),
    )
    .await?;
    let postgres = Postgres::new(Place::Url(url)).named(format!("postgres, {setting}"));
    green(environment, postgres).await
}

/// A database whose texts are compared and sorted as people do, without regard to case first.
async fn other_collation() -> Result<(), Failed> {
    let server = server().await?;
    let url = server.fresh_database().await?;
    let name = format!("{}_icu", database(&url)?);
    run(
        server.url(),
        format!(
            "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und-u-ks-level2' LOCALE 'C.UTF-8' ENCODING 'UTF8'"
        ),
    )
    .await?;
    let url = url.replace(database(&url)?, &name);
    let postgres = Postgres::new(Place::Url(url)).named("postgres, another collation");
    green(Collation, postgres).await
}

/// How an engine holds a port.
#[derive(Clone, Copy)]
enum Hold {
    Reference,
    Box,
    Arc,
}

/// The memory adapter, held in some way.
struct Through(Hold);

#[async_trait]
impl Target for Through {
    fn manifest(&self) -> Manifest {
        Memory.manifest()
    }

    async fn open(&self) -> Opened<Ports> {
        let ports = Memory.open().await?;
        let mut held = Ports::default();
        macro_rules! hold {
            ($($field:ident: $port:ident, $with:ident;)*) => {$(
                if let Some(port) = ports.$field {
                    held = match self.0 {
                        // A reference that lives as long as the process, like a static.
                        Hold::Reference => held.$with(&*Box::leak(Box::new(port))),
                        Hold::Box => held.$with(Box::new(port) as Box<dyn $port>),
                        Hold::Arc => held.$with(Arc::clone(&port)),
                    };
                }
            )*};
        }
        hold! {
            identity: IdentityStore, with_identity;
            session: SessionStore, with_session;
            credentials: CredentialStore, with_credentials;
            keystore: KeyStore, with_keystore;
            policies: PolicyStore, with_policies;
            assignments: AssignmentStore, with_assignments;
            codes: CodeStore, with_codes;
            refresh_tokens: RefreshTokenStore, with_refresh_tokens;
            entities: EntityStore, with_entities;
            events: EventStore, with_events;
            relationships: RelationshipStore, with_relationships;
            organizations: OrganizationStore, with_organizations;
            outbox: OutboxStore, with_outbox;
            tenants: TenantStore, with_tenants;
        }
        held.transactions = ports.transactions;
        Ok(held)
    }
}

/// Runs everything in a process that was started in another time zone.
fn under_time_zone(zone: &str) -> Result<(), Failed> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["--exact", ALL, "--nocapture"])
        .env("TZ", zone);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&text).into_owned().into())
}
