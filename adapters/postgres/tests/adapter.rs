//! What is this adapter's own: connecting, migrating and sealing.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

#[path = "../../sql/tests/shared/mod.rs"]
mod shared;
mod support;
#[path = "../../sql/tests/shared/transactions.rs"]
mod transactions;

use std::{sync::atomic::Ordering, time::Duration};

use portproof::{Selection, Verdict, check_suites, suites};
use portproof_ports::{
    ErrorKind, Expected, Identifier, IdentityFilter, IdentityId, IdentityKind, KeyId,
    NewIdentifier, NewIdentity, PageRequest, PortError, PortResult, Ports, RoleId, Username,
};
use portproof_postgres::{
    ConnectError, KeystoreCost, MigrateError, PostgresAdapter, PostgresOptions, SealingError,
};
use portproof_tests::{Place, Postgres};
use shared::{at, new_key, new_session, tenant};
use sqlx::{Connection, PgConnection};

async fn raw() -> PgConnection {
    PgConnection::connect(&support::postgres().await.unwrap())
        .await
        .unwrap()
}

async fn execute(sql: impl Into<String>) {
    let sql = sqlx::AssertSqlSafe(sql.into());
    sqlx::raw_sql(sql).execute(&mut raw().await).await.unwrap();
}

/// Options for a schema of the test's own, which is dropped first.
async fn fresh(schema: &str) -> PostgresOptions {
    execute(format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
    PostgresAdapter::options(&support::postgres().await.unwrap()).schema(schema)
}

/// The server's URL with other parts.
async fn url_with(change: impl Fn(&mut sqlx::postgres::PgConnectOptions)) -> String {
    use sqlx::ConnectOptions;
    let mut options = support::postgres().await.unwrap().parse().unwrap();
    change(&mut options);
    options.to_url_lossy().to_string()
}

/// The URL of a new database with this name.
async fn empty_database(name: &str) -> String {
    execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    execute(format!("CREATE DATABASE {name}")).await;
    url_with(|options| *options = options.clone().database(name)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_defaults_do_not_matter() {
    let url = empty_database("portproof_defaults").await;
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "TimeZone = 'America/St_Johns'",
        "default_transaction_read_only = on",
        "search_path = ''",
    ] {
        execute(format!("ALTER DATABASE portproof_defaults SET {setting}")).await;
    }
    // Writes in transactions and without, races, instants, and plain names of tables: what these
    // settings can break.
    let selection = Selection {
        ports: ["session", "refresh_tokens", "transactions"]
            .map(Into::into)
            .into(),
        ..Selection::default()
    };
    let target = Postgres::new(Place::Url(url));
    let report = check_suites(target, suites::all(), &selection, |_| {}).await;
    assert!(report.count(Verdict::Held) > 150);
    let broken: Vec<_> = report.broken().map(|one| &one.failure).collect();
    assert!(report.is_green(), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_may_migrate_at_once() {
    let options = fresh("test_sixteen").await.pool_size(1);
    let all = (0..16).map(|_| {
        let options = options.clone();
        tokio::spawn(async move { options.connect().await.map(|_| ()) })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    let adapter = options.connect().await.unwrap();
    adapter.migrate().await.unwrap();
    adapter.ports().session.unwrap().ready().await.unwrap();
}

#[tokio::test]
async fn sixteen_processes_may_connect_at_once() {
    let connect = async |url: &str| {
        let options = PostgresAdapter::options(url).pool_size(2);
        let options = options.keystore_cost(KeystoreCost::Least);
        let adapter = options.keystore_password("hunter2").connect().await;
        adapter.unwrap().ports()
    };
    if let Some(url) = shared::place() {
        return shared::store_own_key(&connect(&url).await).await;
    }
    let url = empty_database("portproof_processes").await;
    shared::sixteen_processes("sixteen_processes_may_connect_at_once", &url);
    shared::all_keys_open(&connect(&url).await).await;
}

#[tokio::test]
async fn another_schema_is_told() {
    let options = fresh("test_schema").await;
    let adapter = options.clone().migrate(false).connect().await.unwrap();
    let sessions = adapter.ports().session.unwrap();
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
    adapter.migrate().await.unwrap();
    assert_eq!(sessions.ready().await, Ok(()));

    let records = "test_schema.auth_migrations";
    execute(format!(
        "INSERT INTO {records} VALUES (1000, 'the future', '')"
    ))
    .await;
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
    let newer = options.clone().connect().await.unwrap_err();
    let (found, known) = (1000, shared::steps());
    assert_eq!(
        newer,
        ConnectError::Schema(MigrateError::Newer { found, known })
    );

    execute(format!("DELETE FROM {records} WHERE number = 1000")).await;
    execute(format!("UPDATE {records} SET digest = 'other'")).await;
    let changed = options.clone().connect().await.unwrap_err();
    assert_eq!(
        changed,
        ConnectError::Schema(MigrateError::Changed { number: 1 })
    );

    execute(format!("DELETE FROM {records}")).await;
    let partial = options.connect().await.unwrap_err();
    assert_eq!(
        partial,
        ConnectError::Schema(MigrateError::Partial { number: 1 })
    );
}

#[tokio::test]
async fn an_older_schema_is_brought_further() {
    let options = fresh("test_older").await;
    let adapter = options.clone().connect().await.unwrap();
    let session = shared::store_a_session(&adapter.ports()).await;
    let back = shared::back_to_the_first_step();
    execute(format!("SET search_path TO test_older; {back}")).await;
    let sessions = adapter.ports().session.unwrap();
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
    let adapter = options.connect().await.unwrap();
    shared::has_kept(&adapter.ports(), &session).await;
}

#[tokio::test]
async fn a_purge_knows_every_table() {
    fresh("test_tables").await.connect().await.unwrap();
    let names = async |sql: &'static str| -> Vec<String> {
        let names = sqlx::query_scalar(sql).fetch_all(&mut raw().await).await;
        names.unwrap()
    };
    let tables = names(
        "SELECT table_name::text FROM information_schema.columns \
         WHERE table_schema = 'test_tables' AND column_name = 'tenant'",
    );
    let cascading = names(
        "SELECT t.relname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
         WHERE c.connamespace = 'test_tables'::regnamespace AND c.confdeltype = 'c'",
    );
    shared::a_purge_knows(tables.await, &cascading.await);
}

#[tokio::test]
async fn an_index_that_is_missing_is_noticed() {
    let options = fresh("test_indexes").await;
    let ports = options.connect().await.unwrap().ports();
    let within = async |sql| execute(format!("SET search_path TO test_indexes; {sql}")).await;
    shared::misses_every_index(&ports, within).await;
    let sessions = ports.session.unwrap();
    for (table, part) in [
        ("auth_lookups", "auth_lookups_pkey"),
        ("auth_grants", "auth_grants_role_fkey"),
    ] {
        let table = format!("test_indexes.{table}");
        execute(format!(
            "ALTER TABLE {table} RENAME CONSTRAINT {part} TO other"
        ))
        .await;
        assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
        execute(format!(
            "ALTER TABLE {table} RENAME CONSTRAINT other TO {part}"
        ))
        .await;
        assert_eq!(sessions.ready().await, Ok(()));
    }
}

#[tokio::test]
async fn the_time_zone_may_change_between_writing_and_reading() {
    let connect = async |url: &str| PostgresAdapter::options(url).pool_size(1).connect().await;
    if let Some(url) = shared::place() {
        let ports = connect(&url).await.unwrap().ports();
        return shared::write_and_read_in_its_zone(&ports).await;
    }
    let url = empty_database("portproof_zones").await;
    shared::in_time_zones("the_time_zone_may_change_between_writing_and_reading", &url);
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_told() {
    let connect = async |url: &str| {
        let timeout = Duration::from_secs(2);
        let options = PostgresAdapter::options(url).connect_timeout(timeout);
        let error = options.connect().await.unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
        error
    };
    let url = url_with(|options| *options = options.clone().port(1)).await;
    assert!(matches!(
        connect(&url).await,
        ConnectError::Unreachable { .. }
    ));
    let url = url_with(|options| *options = options.clone().username("nobody")).await;
    assert!(matches!(
        connect(&url).await,
        ConnectError::WrongPassword { .. }
    ));
    let url = url_with(|options| *options = options.clone().database("no such")).await;
    assert!(matches!(
        connect(&url).await,
        ConnectError::NoDatabase { .. }
    ));
    let url = url_with(|options| {
        *options = options.clone().ssl_mode(sqlx::postgres::PgSslMode::Require);
    });
    assert!(matches!(
        connect(&url.await).await,
        ConnectError::Tls { .. }
    ));

    execute(
        "DO $$ BEGIN CREATE ROLE portproof_guest LOGIN PASSWORD 'hunter2'; \
         EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    .await;
    let guest = |options: &mut sqlx::postgres::PgConnectOptions| {
        *options = options
            .clone()
            .username("portproof_guest")
            .password("hunter2");
    };
    let url = url_with(guest).await;
    let options = PostgresAdapter::options(&url).schema("test_guest");
    let error = options.connect().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::NoPermission { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let options = fresh("test_lost").await.pool_size(4);
    let application = "application_name=portproof_lost";
    let url = support::postgres().await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}{application}");
    drop(options);
    let options = PostgresAdapter::options(&url)
        .schema("test_lost")
        .pool_size(4);
    let sessions = &options.connect().await.unwrap().ports().session.unwrap();
    let tenant = &tenant("lost");
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE application_name = 'portproof_lost'";
    for round in 0..20 {
        let id = format!("session {round}");
        let new = new_session(id.as_bytes(), "ada");
        let (a, b, c) = tokio::join!(
            sessions.get(tenant, &new.id, at(1)),
            sessions.get(tenant, &new.id, at(1)),
            sessions.get(tenant, &new.id, at(1)),
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        execute(kill).await;
        if round % 2 == 0 {
            sessions.create(tenant, new.clone(), at(1)).await.unwrap();
        } else {
            assert_eq!(sessions.get(tenant, &new.id, at(1)).await, Ok(None));
        }
    }
}

#[tokio::test]
async fn a_full_pool_and_a_slow_statement_are_unavailable() {
    let options = fresh("test_slow").await.pool_size(1);
    let options = options
        .statement_timeout(Duration::from_millis(300))
        .acquire_timeout(Duration::from_millis(100));
    let sessions = &options.connect().await.unwrap().ports().session.unwrap();
    let tenant = &tenant("slow");
    let new = new_session(b"slow", "ada");
    sessions.create(tenant, new.clone(), at(1)).await.unwrap();
    let mut blocker = raw().await;
    let mut lock = blocker.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE test_slow.auth_sessions IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let (slow, full) = tokio::join!(
        sessions.touch(tenant, &new.id, at(2)),
        sessions.get(tenant, &new.id, at(2))
    );
    assert_eq!(slow.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(full.unwrap_err().kind(), ErrorKind::Unavailable);
    lock.rollback().await.unwrap();
    assert!(
        sessions
            .get(tenant, &new.id, at(2))
            .await
            .unwrap()
            .is_some()
    );
}

/// The ports through a relay that stalls when somebody says `words`.
async fn through_a_relay(words: &'static str) -> (Ports, support::Relay) {
    let server: sqlx::postgres::PgConnectOptions =
        support::postgres().await.unwrap().parse().unwrap();
    let server = (server.get_host().to_owned(), server.get_port());
    let relay = support::Relay::new(server, words).unwrap();
    let url = url_with(|options| {
        let through = options.clone().host("127.0.0.1").port(relay.port);
        *options = through.ssl_mode(sqlx::postgres::PgSslMode::Disable);
    });
    let options = PostgresAdapter::options(&url.await)
        .schema("test_stalled")
        .migrate(false)
        .statement_timeout(Duration::from_millis(500))
        .acquire_timeout(Duration::from_millis(1500));
    (options.connect().await.unwrap().ports(), relay)
}

/// That a call in which the server stalls, at these words, is told so in time; and the one after it.
async fn is_told(
    call: impl Future<Output = PortResult<()>>,
    ports: &Ports,
    relay: &support::Relay,
) {
    let in_time = Duration::from_secs(20);
    let stalled = tokio::time::timeout(in_time, call).await.unwrap();
    assert_eq!(stalled.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(relay.stalls.load(Ordering::SeqCst));
    let health = ports.session.as_ref().unwrap().ready();
    let health = tokio::time::timeout(in_time, health).await.unwrap();
    assert_eq!(health.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_that_stalls_is_unavailable() {
    let ports = fresh("test_stalled").await.connect().await.unwrap();
    let ports = ports.ports();
    let (tenant, new) = (&tenant("stalled"), new_session(b"stalled", "ada"));
    let health = async {
        let (ports, relay) = through_a_relay("FROM auth_migrations").await;
        is_told(ports.session.as_ref().unwrap().ready(), &ports, &relay).await;
    };
    let write = async {
        let (ports, relay) = through_a_relay("INTO auth_sessions").await;
        let sessions = ports.session.as_ref().unwrap();
        let create = sessions.create(tenant, new.clone(), at(1));
        is_told(async { create.await.map(|_| ()) }, &ports, &relay).await;
    };
    // In the middle of a transaction, and at its end.
    let transaction = async |words| {
        let (ports, relay) = through_a_relay(words).await;
        let identity = NewIdentity {
            id: IdentityId::new(words).unwrap(),
            kind: IdentityKind::Human,
            profile: shared::document(),
            identifiers: vec![NewIdentifier {
                identifier: Identifier::Username(Username::new("ada").unwrap()),
                verified_at: None,
            }],
        };
        let identities = ports.identity.as_ref().unwrap();
        let create = identities.create(tenant, identity, at(1));
        is_told(async { create.await.map(|_| ()) }, &ports, &relay).await;
    };
    let transactions =
        async { tokio::join!(transaction("INTO auth_identifiers"), transaction("COMMIT")) };
    tokio::join!(health, write, transactions);
    let found = ports.session.unwrap().get(tenant, &new.id, at(2)).await;
    assert_eq!(found, Ok(None));
    let (identities, page) = (ports.identity.unwrap(), PageRequest::first(10).unwrap());
    let all = identities.list(tenant, &IdentityFilter::Every, &page).await;
    assert_eq!(all.unwrap().items, []);
}

#[tokio::test]
async fn keys_are_sealed_and_resealed() {
    let options = &fresh("test_sealing").await.pool_size(2);
    let open = |password: &'static str| options.clone().keystore_password(password);
    let (first, second) = tokio::join!(open("one").connect(), open("one").connect());
    let (first, second) = (first.unwrap().ports(), second.unwrap().ports());
    let (first, second) = (first.keystore.unwrap(), second.keystore.unwrap());
    let tenant = &tenant("sealing");
    for id in ["a", "b"] {
        first.insert(tenant, new_key(id), at(1)).await.unwrap();
    }
    let id = &KeyId::new("a").unwrap();
    let key = second.get(tenant, id).await.unwrap();
    assert_eq!(key.as_ref().unwrap().private, new_key("a").private);
    let wrong = open("two").connect().await.unwrap_err();
    assert_eq!(wrong, ConnectError::Keystore(SealingError::WrongPassword));
    let both = open("two")
        .previous_keystore_password("one")
        .connect()
        .await
        .unwrap();
    let both = both.ports().keystore.unwrap();
    assert_eq!(both.get(tenant, id).await.unwrap(), key);
    assert_eq!(both.reseal(tenant).await, Ok(2));
    let now = open("two")
        .connect()
        .await
        .unwrap()
        .ports()
        .keystore
        .unwrap();
    assert_eq!(now.get(tenant, id).await.unwrap(), key);
    execute(
        "UPDATE test_sealing.auth_keys SET private_key = set_byte(private_key, 20, \
         get_byte(private_key, 20) # 1) WHERE id = 'a'",
    )
    .await;
    assert_eq!(
        now.get(tenant, id).await,
        Err(PortError::corrupt("private key"))
    );
    assert_eq!(now.reseal(tenant).await, Ok(0));
    assert!(
        options
            .clone()
            .connect()
            .await
            .unwrap()
            .ports()
            .keystore
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_needs_one_connection() {
    let options = fresh("test_transactions").await.pool_size(1);
    let ports = options.connect().await.unwrap().ports();
    transactions::one_connection_is_enough(&ports).await;
    transactions::a_running_call_ends_with_its_transaction(&ports).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_a_transaction() {
    let ports = fresh("test_claims").await.connect().await.unwrap().ports();
    let waits = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND datname = current_database() AND query LIKE '%auth_outbox%'";
        let waiting: Result<i64, _> = sqlx::query_scalar(sql).fetch_one(&mut raw().await).await;
        waiting.unwrap() > 0
    };
    transactions::a_claim_waits_for_a_transaction(&ports, waits).await;
}

/// What it read stays as it was, also when it changed outside; what it would write over that is told,
/// and nothing of it can be committed any more.
#[tokio::test]
async fn a_transaction_that_met_another_is_lost() {
    let ports = fresh("test_lost").await.connect().await.unwrap().ports();
    let (tenant, id) = (tenant("lost"), RoleId::new("counted").unwrap());
    let save = async |ports: &portproof_ports::Ports, name| {
        let (policies, role) = (ports.policies.as_ref(), transactions::role("counted", name));
        let saved = policies
            .unwrap()
            .save_role(&tenant, Expected::Anything, role, at(1));
        saved.await.map(|saved| saved.draft.name)
    };
    let name = async |ports: &portproof_ports::Ports| {
        let found = ports.policies.as_ref().unwrap().get_role(&tenant, &id);
        found
            .await
            .map(|found| found.unwrap().draft.name.as_str().to_owned())
    };
    save(&ports, "stored").await.unwrap();

    let open = transactions::begin(&ports).await;
    let session = new_session(b"undone", "ada");
    let sessions = open.ports().session.clone().unwrap();
    sessions
        .create(&tenant, session.clone(), at(1))
        .await
        .unwrap();
    assert_eq!(name(open.ports()).await.unwrap(), "stored");
    save(&ports, "changed outside").await.unwrap();
    assert_eq!(name(open.ports()).await.unwrap(), "stored");
    let lost = PortError::lost_transaction();
    assert_eq!(
        save(open.ports(), "changed inside").await,
        Err(lost.clone())
    );
    assert_eq!(name(open.ports()).await, Err(lost.clone()));
    assert_eq!(open.commit().await, Err(lost));

    assert_eq!(name(&ports).await.unwrap(), "changed outside");
    let sessions = ports.session.as_ref().unwrap();
    assert_eq!(sessions.get(&tenant, &session.id, at(2)).await, Ok(None));
}
