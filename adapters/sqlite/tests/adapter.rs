//! What is this adapter's own: opening, migrating and sealing.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

#[path = "../../sql/tests/shared/mod.rs"]
mod shared;
mod support;
#[path = "../../sql/tests/shared/transactions.rs"]
mod transactions;

use std::path::Path;

use portproof_ports::{ErrorKind, KeyId, KeyStore, PortError};
use portproof_sqlite::{
    ConnectError, KeystoreCost, MigrateError, SealingError, SqliteAdapter, SqliteOptions,
    Synchronous,
};
use shared::{new_key, tenant};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use support::Directory;

fn options(path: &Path) -> SqliteOptions {
    SqliteAdapter::options(path).synchronous(Synchronous::Off)
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

async fn execute(path: &Path, sql: impl Into<String>) {
    let mut connection = raw(path).await;
    let sql = sqlx::AssertSqlSafe(sql.into());
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_may_migrate_at_once() {
    let directory = Directory::new("sixteen").unwrap();
    let all = (0..16).map(|_| {
        let options = options(&directory.file()).readers(1);
        tokio::spawn(async move { options.open().await.map(|_| ()) })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    let adapter = SqliteAdapter::open(directory.file()).await.unwrap();
    adapter.migrate().await.unwrap();
    adapter.ports().session.unwrap().ready().await.unwrap();
}

#[tokio::test]
async fn sixteen_processes_may_open_at_once() {
    let open = async |path: &Path| {
        let options = options(path).keystore_password("hunter2");
        let options = options.keystore_cost(KeystoreCost::Least);
        options.open().await.unwrap().ports()
    };
    if let Some(path) = shared::place() {
        return shared::store_own_key(&open(path.as_ref()).await).await;
    }
    let directory = Directory::new("processes").unwrap();
    let path = directory.file();
    shared::sixteen_processes("sixteen_processes_may_open_at_once", path.to_str().unwrap());
    shared::all_keys_open(&open(&path).await).await;
}

#[tokio::test]
async fn a_purge_knows_every_table() {
    let directory = Directory::new("tables").unwrap();
    options(&directory.file()).open().await.unwrap();
    let names = async |sql: &'static str| -> Vec<String> {
        let mut connection = raw(&directory.file()).await;
        let names = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        names.unwrap()
    };
    let tables = names(
        "SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND c.name = 'tenant'",
    );
    let cascading = names(
        "SELECT t.name FROM sqlite_schema t, pragma_foreign_key_list(t.name) f \
         WHERE t.type = 'table' AND f.on_delete = 'CASCADE'",
    );
    shared::a_purge_knows(tables.await, &cascading.await);
}

#[tokio::test]
async fn another_schema_is_told() {
    let directory = Directory::new("schema").unwrap();
    let file = directory.file();
    let adapter = options(&file).migrate(false).open().await.unwrap();
    let sessions = adapter.ports().session.unwrap();
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
    adapter.migrate().await.unwrap();
    assert_eq!(sessions.ready().await, Ok(()));

    execute(
        &file,
        "INSERT INTO auth_migrations VALUES (1000, 'the future', '')",
    )
    .await;
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
    let newer = options(&file).open().await.unwrap_err();
    let (found, known) = (1000, shared::steps());
    assert_eq!(
        newer,
        ConnectError::Schema(MigrateError::Newer { found, known })
    );

    execute(&file, "DELETE FROM auth_migrations WHERE number = 1000").await;
    execute(&file, "UPDATE auth_migrations SET digest = 'other'").await;
    let changed = options(&file).open().await.unwrap_err();
    assert_eq!(
        changed,
        ConnectError::Schema(MigrateError::Changed { number: 1 })
    );
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));

    execute(&file, "DELETE FROM auth_migrations").await;
    let partial = options(&file).open().await.unwrap_err();
    assert_eq!(
        partial,
        ConnectError::Schema(MigrateError::Partial { number: 1 })
    );
}

#[tokio::test]
async fn an_older_schema_is_brought_further() {
    let directory = Directory::new("older").unwrap();
    let file = directory.file();
    let adapter = options(&file).open().await.unwrap();
    let session = shared::store_a_session(&adapter.ports()).await;
    execute(&file, shared::back_to_the_first_step()).await;
    let sessions = adapter.ports().session.unwrap();
    assert_eq!(sessions.ready().await, Err(PortError::corrupt("schema")));
    let adapter = options(&file).open().await.unwrap();
    shared::has_kept(&adapter.ports(), &session).await;
}

#[tokio::test]
async fn an_index_that_is_missing_is_noticed() {
    let directory = Directory::new("indexes").unwrap();
    let file = directory.file();
    let ports = options(&file).open().await.unwrap().ports();
    shared::misses_every_index(&ports, async |sql| execute(&file, sql).await).await;
}

#[tokio::test]
async fn the_time_zone_may_change_between_writing_and_reading() {
    if let Some(path) = shared::place() {
        let ports = options(path.as_ref()).open().await.unwrap().ports();
        return shared::write_and_read_in_its_zone(&ports).await;
    }
    let directory = Directory::new("zones").unwrap();
    shared::in_time_zones(
        "the_time_zone_may_change_between_writing_and_reading",
        directory.file().to_str().unwrap(),
    );
}

#[tokio::test]
async fn paths_that_cannot_be_are_told() {
    let directory = Directory::new("paths").unwrap();
    let parent = directory.file().parent().unwrap().to_owned();
    for path in [
        parent.as_path(),
        Path::new(":memory:"),
        &parent.join("no/auth.db"),
    ] {
        let error = SqliteAdapter::open(path).await.unwrap_err();
        assert!(matches!(error, ConnectError::Path { .. }), "{error:?}");
    }
    let text = parent.join("text");
    std::fs::write(&text, "hunter2 ".repeat(1000)).unwrap();
    let error = SqliteAdapter::open(&text).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::NotADatabase { .. }),
        "{error:?}"
    );
    let other = parent.join("utf16");
    execute(&other, "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (a)").await;
    let error = SqliteAdapter::open(&other).await.unwrap_err();
    assert!(matches!(error, ConnectError::Encoding { .. }), "{error:?}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told() {
    let directory = Directory::new("locked").unwrap();
    let mut folder = directory.file().with_file_name("locked");
    std::fs::create_dir(&folder).unwrap();
    let mut permissions = std::fs::metadata(&folder).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&folder, permissions).unwrap();
    if std::fs::write(folder.join("probe"), "").is_ok() {
        // Root may write in any folder of a disk.
        folder = "/proc/self".into();
    }
    let error = SqliteAdapter::open(folder.join("auth.db"))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn keys_are_sealed_and_resealed() {
    let directory = Directory::new("sealing").unwrap();
    let file = directory.file();
    let open = |password: &'static str| options(&file).keystore_password(password);
    let (first, second) = (open("one").open(), open("one").open());
    let (first, second) = tokio::join!(first, second);
    let (first, second) = (first.unwrap().ports(), second.unwrap().ports());
    let (first, second) = (first.keystore.unwrap(), second.keystore.unwrap());
    let tenant = tenant("sealing");
    for id in ["a", "b"] {
        first
            .insert(&tenant, new_key(id), shared::at(1))
            .await
            .unwrap();
    }
    let id = KeyId::new("a").unwrap();
    let key = second.get(&tenant, &id).await.unwrap().unwrap();
    assert_eq!(key.private, new_key("a").private);

    let wrong = open("two").open().await.unwrap_err();
    assert_eq!(wrong, ConnectError::Keystore(SealingError::WrongPassword));
    let both = open("two")
        .previous_keystore_password("one")
        .open()
        .await
        .unwrap();
    let both = both.ports().keystore.unwrap();
    assert_eq!(both.get(&tenant, &id).await.unwrap().as_ref(), Some(&key));
    assert_eq!(both.reseal(&tenant).await, Ok(2));
    assert_eq!(both.reseal(&tenant).await, Ok(0));
    assert_eq!(both.get(&tenant, &id).await.unwrap().as_ref(), Some(&key));
    let old = first.get(&tenant, &id).await;
    assert_eq!(old, Err(PortError::corrupt("private key")));
    let gone = open("one").open().await.unwrap_err();
    assert_eq!(gone, ConnectError::Keystore(SealingError::WrongPassword));
    let now = open("two").open().await.unwrap().ports().keystore.unwrap();
    assert_eq!(now.get(&tenant, &id).await.unwrap().as_ref(), Some(&key));

    tampered(&*now, &file).await;
    assert!(
        options(&file)
            .open()
            .await
            .unwrap()
            .ports()
            .keystore
            .is_none()
    );
    let stored = std::fs::read(&file).unwrap();
    let clear = key.private.expose();
    assert!(!stored.windows(clear.len()).any(|window| window == clear));
}

/// One key in another's place opens nothing, and the others stay as they are.
async fn tampered(keystore: &dyn KeyStore, file: &Path) {
    execute(
        file,
        "UPDATE auth_keys SET private_key = (SELECT private_key FROM auth_keys WHERE id = 'b') \
         WHERE id = 'a'",
    )
    .await;
    let (tenant, corrupt) = (tenant("sealing"), PortError::corrupt("private key"));
    let (a, b) = (KeyId::new("a").unwrap(), KeyId::new("b").unwrap());
    assert_eq!(keystore.get(&tenant, &a).await, Err(corrupt));
    assert!(keystore.get(&tenant, &b).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_read_is_corrupt() {
    let directory = Directory::new("corrupt").unwrap();
    let file = directory.file();
    let adapter = options(&file).open().await.unwrap();
    let sessions = adapter.ports().session.unwrap();
    let tenant = tenant("corrupt");
    let new = shared::new_session(b"s", "ada");
    sessions
        .create(&tenant, new.clone(), shared::at(1))
        .await
        .unwrap();
    execute(&file, "UPDATE auth_sessions SET data = '{'").await;
    let error = sessions
        .get(&tenant, &new.id, shared::at(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_needs_one_connection() {
    let directory = Directory::new("transactions").unwrap();
    let options = options(&directory.file()).readers(1);
    let ports = options.open().await.unwrap().ports();
    transactions::one_connection_is_enough(&ports).await;
    transactions::a_running_call_ends_with_its_transaction(&ports).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_a_transaction() {
    let directory = Directory::new("claims").unwrap();
    let ports = options(&directory.file()).open().await.unwrap().ports();
    // Who writes queues for the one connection that does, which nobody sees: whether it comes before
    // the end of the transaction or after it, it is answered the same.
    transactions::a_claim_waits_for_a_transaction(&ports, async || true).await;
}
