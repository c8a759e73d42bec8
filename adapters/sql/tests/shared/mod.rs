//! What the tests of every SQL adapter share: checks of what no suite can see.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

use std::{
    io::{BufRead, stdin},
    process::{Command, Stdio},
};

use portproof_ports::*;
use portproof_sql::schema::{MIGRATIONS, Rows, TENANT_TABLES};
use serde_json::json;

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros).unwrap()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn document() -> Document {
    Document::new(json!({"a": [1, 0.1, null, u64::MAX, i64::MIN], "é": "😀\\\"'%_", "": {}}))
        .unwrap()
}

pub(crate) fn new_session(id: &[u8], identity: &str) -> NewSession {
    NewSession {
        id: SessionDigest::of(id),
        identity: Some(IdentityId::new(identity).unwrap()),
        idle: Some(Span::minutes(30)),
        ends_at: at(86_400_000_000),
        data: document(),
    }
}

pub(crate) fn new_key(id: &str) -> NewKey {
    NewKey {
        id: KeyId::new(id).unwrap(),
        key_use: KeyUse::Signing,
        algorithm: Text::new("ES256").unwrap(),
        public: document(),
        private: PrivateKey::new(b"the private part".to_vec()).unwrap(),
    }
}

/// How many steps a schema has.
pub(crate) fn steps() -> i64 {
    MIGRATIONS.len().try_into().unwrap()
}

/// What takes a schema back to its first step, as an older program left it.
pub(crate) fn back_to_the_first_step() -> String {
    let later = MIGRATIONS.iter().skip(1).flat_map(|step| step.sql.lines());
    let tables = later.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("));
    // Those that refer to others come after them.
    let tables: Vec<&str> = tables.collect();
    let last_first = tables.iter().rev();
    let drops: String = last_first
        .map(|table| format!("DROP TABLE {table};"))
        .collect();
    format!("{drops} DELETE FROM auth_migrations WHERE number > 1")
}

/// What holds of the tables that have a tenant, out of the database's own catalogue: a purge knows
/// each of them, and those whose rows go with another table's refer to it.
pub(crate) fn a_purge_knows(mut tables: Vec<String>, cascading: &[String]) {
    tables.sort();
    let mut known: Vec<&str> = TENANT_TABLES.iter().map(|table| table.name).collect();
    known.sort_unstable();
    assert_eq!(tables, known);
    for table in TENANT_TABLES {
        if table.rows == Rows::Parts {
            let goes = cascading.iter().any(|name| name == table.name);
            assert!(goes, "{} goes with nothing", table.name);
        }
    }
}

/// Stores a session, in a table of the first step.
pub(crate) async fn store_a_session(ports: &Ports) -> Session {
    let sessions = ports.session.as_ref().unwrap();
    let given = new_session(b"older", "ada");
    sessions
        .create(&tenant("older"), given, at(1))
        .await
        .unwrap()
}

/// What holds of a schema that was at its first step and has been brought further: what was stored
/// is there, and what came with the later steps can be used.
pub(crate) async fn has_kept(ports: &Ports, session: &Session) {
    let (tenant, sessions) = (tenant("older"), ports.session.as_ref().unwrap());
    sessions.ready().await.unwrap();
    let found = sessions.get(&tenant, &session.id, at(2)).await.unwrap();
    assert_eq!(found.as_ref(), Some(session));
    let codes = ports.codes.as_ref().unwrap();
    let (kind, id) = (CodeKind::new("ticket").unwrap(), CodeDigest::of(b"new"));
    assert_eq!(codes.peek(&tenant, &kind, &id, at(2)).await, Ok(None));
    let tokens = ports.refresh_tokens.as_ref().unwrap();
    let token = RefreshDigest::of(b"new");
    assert_eq!(tokens.get(&tenant, &token, at(2)).await, Ok(None));
    let entities = ports.entities.as_ref().unwrap();
    let (kind, id) = (EntityKind::new("client"), EntityId::new("new"));
    let found = entities.get(&tenant, &kind.unwrap(), &id.unwrap()).await;
    assert_eq!(found, Ok(None));
    let events = ports.events.as_ref().unwrap();
    let event = EventId::new("new").unwrap();
    assert_eq!(events.get(&tenant, &event).await, Ok(None));
    let edges = ports.relationships.as_ref().unwrap();
    let every = (&EdgeFilter::EVERY, HowMany::Every);
    assert_eq!(edges.delete_where(&tenant, every.0, every.1).await, Ok(0));
    let organizations = ports.organizations.as_ref().unwrap();
    let slug = Slug::new("new").unwrap();
    assert_eq!(organizations.find(&tenant, &slug).await, Ok(None));
    let items = ports.outbox.as_ref().unwrap();
    let item = ItemId::new("new").unwrap();
    assert_eq!(items.get(&tenant, &item).await, Ok(None));
    let tenants = ports.tenants.as_ref().unwrap();
    assert_eq!(tenants.get(&tenant).await, Ok(None));
}

/// Drops every index that the steps declare, one after the other, and puts it back: `ready` notices
/// each, also where one that lets in what is there twice stands in its place.
pub(crate) async fn misses_every_index(ports: &Ports, execute: impl AsyncFn(String)) {
    let sessions = ports.session.as_ref().unwrap();
    let missed = Err(PortError::corrupt("schema"));
    let statements = MIGRATIONS.iter().flat_map(|step| step.sql.split(';'));
    let mut dropped = 0;
    for statement in statements.map(str::trim) {
        let create = statement.replace("CREATE UNIQUE INDEX ", "CREATE INDEX ");
        let Some(named) = create.strip_prefix("CREATE INDEX ") else {
            continue;
        };
        let name = named.split(' ').next().unwrap();
        assert_eq!(sessions.ready().await, Ok(()), "before {name} is dropped");
        execute(format!("DROP INDEX {name}")).await;
        assert_eq!(sessions.ready().await, missed, "without {name}");
        if create != statement {
            execute(format!("{create}; ")).await;
            assert_eq!(sessions.ready().await, missed, "{name} is not unique");
            execute(format!("DROP INDEX {name}")).await;
        }
        execute(statement.to_owned()).await;
        dropped += 1;
    }
    assert_eq!(sessions.ready().await, Ok(()));
    assert!(dropped > 10, "only {dropped} indexes");
}

/// The time zones of the processes that [`in_time_zones`] runs, as rules, which need no files: with
/// and without summer time, half a day from each other and more, and not by whole hours.
const ZONES: [&str; 4] = ["APIA-13", "NPT-5:45", "NST3:30NDT,M3.2.0,M11.1.0", "HST10"];

/// Runs `test` of this binary in a process of each time zone, one after the other.
pub(crate) fn in_time_zones(test: &str, place: &str) {
    for zone in ZONES {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(PLACE, place)
            .env("TZ", zone)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "in {zone}: {said}");
    }
}

/// What each of the processes does: stores sessions, and reads those that were stored in the zones
/// before its own, which are over at the instant at which they were to be.
pub(crate) async fn write_and_read_in_its_zone(ports: &Ports) {
    // The hours around those that summer time skips and repeats in St. John's; and the last ones.
    let changes: [i64; 2] = [1_710_048_600_123_457, 1_730_608_200_123_457];
    let hours = (-14..=14).map(|hours: i64| hours * 3_600_000_000);
    let around = hours.flat_map(|micros| changes.map(|change| change + micros));
    let ends = around.chain([Timestamp::MAX.as_micros()]);
    let ends: Vec<_> = ends
        .map(|end| Timestamp::from_micros(end).unwrap())
        .collect();
    let sessions = ports.session.as_ref().unwrap();
    let zone = std::env::var("TZ").unwrap();
    let own = ZONES.iter().position(|known| *known == zone).unwrap();
    for &writer in &ZONES[..=own] {
        let tenant = tenant(writer);
        for &ends_at in &ends {
            let given = NewSession {
                idle: None,
                ends_at,
                ..new_session(&ends_at.as_micros().to_be_bytes(), "ada")
            };
            let id = given.id.clone();
            if writer == zone {
                sessions.create(&tenant, given, at(0)).await.unwrap();
            }
            let before = Timestamp::from_micros(ends_at.as_micros() - 1).unwrap();
            let found = sessions.get(&tenant, &id, before).await.unwrap().unwrap();
            let instants = (found.ends_at, found.created_at);
            assert_eq!(instants, (ends_at, at(0)), "{writer} read in {zone}");
            let over = sessions.get(&tenant, &id, ends_at).await.unwrap();
            assert_eq!(over, None, "{writer} read in {zone}");
        }
    }
}

/// Where the processes of [`sixteen_processes`] and [`in_time_zones`] find their database.
const PLACE: &str = "PORTPROOF_TEST_PLACE";

/// The `place` that this process is to connect to, if it is one of [`sixteen_processes`]: answered
/// once all of them are there.
pub(crate) fn place() -> Option<String> {
    let place = std::env::var(PLACE).ok()?;
    stdin().lock().read_line(&mut String::new()).unwrap();
    Some(place)
}

/// Runs `test` of this binary in sixteen processes, which begin at once, and waits for them.
pub(crate) fn sixteen_processes(test: &str, place: &str) {
    let mut processes: Vec<_> = (0..16)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env(PLACE, place)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    // The end of its input is what each of them waits for.
    for process in &mut processes {
        drop(process.stdin.take());
    }
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// What each of the processes does once it is connected: stores a key of its own.
pub(crate) async fn store_own_key(ports: &Ports) {
    let keystore = ports.keystore.as_ref().unwrap();
    keystore.ready().await.unwrap();
    let key = new_key(&std::process::id().to_string());
    keystore
        .insert(&tenant("processes"), key, at(1))
        .await
        .unwrap();
}

/// What holds after them: every key is there, and can be opened by another process.
pub(crate) async fn all_keys_open(ports: &Ports) {
    let keystore = ports.keystore.as_ref().unwrap();
    let page = PageRequest::first(100).unwrap();
    let tenant = tenant("processes");
    let keys = keystore.list(&tenant, KeyUse::Signing, &page).await;
    let keys = keys.unwrap().items;
    assert_eq!(keys.len(), 16);
    assert!(keys.iter().all(|key| key.private == new_key("any").private));
}
