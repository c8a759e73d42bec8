//! Entities as applications declare them: a type of one's own, and the records of a whole server.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

use std::collections::BTreeSet;

use portproof::{
    Failure, Selection, Suite, Target, check_suites,
    suites::{Sample, SampleEntity, document_suite, entity_suite},
};
use portproof_memory::MemoryAdapter;
use portproof_ports::*;
use portproof_tests::{Memory, Place, Postgres, Sqlite};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A kind of `fixtures/entities.json`.
#[derive(Clone, Deserialize)]
struct Declared {
    kind: String,
    /// The field that holds the id.
    id: String,
    keys: Vec<DeclaredKey>,
    /// A record, with `{unique}` in its id and keys.
    sample: Value,
    /// What an edit sets.
    edit: Value,
}

#[derive(Clone, Deserialize)]
struct DeclaredKey {
    name: String,
    field: String,
    scope: UniqueScope,
}

impl Declared {
    /// A record and its keys, after the edit or before it.
    fn record(&self, unique: &str, is_edited: bool) -> Result<(Value, UniqueKeys), Failure> {
        let mut record = self.sample.clone();
        if is_edited {
            for (field, value) in self.edit.as_object().into_iter().flatten() {
                record[field] = value.clone();
            }
        }
        let text = record.to_string().replace("{unique}", unique);
        let record = Document::from_json(&text)?;
        let key = |key: &DeclaredKey| {
            let value = record.value()[&key.field].as_str().unwrap_or_default();
            UniqueKey::new(&key.name, value, key.scope)
        };
        let keys = self.keys.iter().map(key).collect::<Result<_, _>>()?;
        Ok((record.into(), UniqueKeys::new(keys)?))
    }

    fn suite(self) -> Suite<Ports> {
        document_suite(&self.kind.clone(), move |unique| {
            let (body, keys) = self.record(unique, false)?;
            let (edited, edited_keys) = self.record(unique, true)?;
            let id = body[&self.id].as_str().unwrap_or_default();
            Ok(Sample {
                entity: NewEntity {
                    kind: EntityKind::new(self.kind.as_str())?,
                    id: EntityId::new(id)?,
                    body: Document::new(body)?,
                    keys,
                },
                edited: EntityChange {
                    body: Document::new(edited)?,
                    keys: edited_keys,
                },
            })
        })
    }
}

fn declared() -> Vec<Declared> {
    serde_json::from_str(include_str!("../../fixtures/entities.json")).unwrap()
}

async fn keeps_all(target: impl Target) {
    let mut suites: Vec<_> = declared().into_iter().map(Declared::suite).collect();
    suites.push(entity_suite::<Client>());
    let report = check_suites(target, suites, &Selection::default(), |_| {}).await;
    for broken in report.broken() {
        eprintln!("{}", broken.failure.as_deref().unwrap_or_default());
    }
    assert!(report.is_green());
    assert!(report.outcomes.len() > 150, "{}", report.outcomes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_a_servers_records() {
    keeps_all(Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_a_servers_records() {
    keeps_all(Sqlite::temporary().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_a_servers_records() {
    keeps_all(Postgres::new(Place::Any)).await;
}

#[test]
fn kinds_are_declared_once() {
    let kinds: BTreeSet<String> = declared().into_iter().map(|one| one.kind).collect();
    assert_eq!(kinds.len(), declared().len());
    assert!(kinds.len() >= 30);
}

/// An application's own type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Client {
    client_id: String,
    name: String,
    callbacks: Vec<String>,
    leeway: f64,
}

impl TypedEntity for Client {
    const KIND: &'static str = "typed_client";

    fn id(&self) -> &str {
        &self.client_id
    }

    fn keys(&self) -> Vec<KeyOf<'_>> {
        vec![
            KeyOf::global("client_id", &self.client_id),
            KeyOf::tenant("name", &self.name),
        ]
    }
}

impl SampleEntity for Client {
    fn sample(unique: &str) -> Self {
        Self {
            client_id: format!("app {unique}"),
            name: format!("Shop {unique}"),
            callbacks: vec!["https://example.com/'\"%".to_owned()],
            leeway: 30.0,
        }
    }

    fn edit(&mut self) {
        self.name.push('!');
        self.callbacks.clear();
    }
}

#[tokio::test]
async fn a_type_is_read_and_written() {
    let store = MemoryAdapter::new().ports().entities.unwrap();
    let clients: Entities<Client> = Entities::new(store.clone());
    let (tenant, now) = (TenantId::new("acme").unwrap(), Timestamp::MIN);
    let mut shop = Client::sample("1");
    let kept = clients.create(&tenant, &shop, now).await.unwrap();
    assert_eq!(kept.record, shop);
    let found = clients.find_global("client_id", "app 1").await.unwrap();
    assert_eq!(found, Some((tenant.clone(), kept.clone())));
    shop.edit();
    let put = clients
        .put(&tenant, kept.version, &shop, now)
        .await
        .unwrap();
    assert_eq!(clients.get(&tenant, "app 1").await, Ok(Some(put)));
    let by_name = KeyOf::tenant("name", "Shop 1");
    assert_eq!(clients.find(&tenant, by_name).await, Ok(None));
    let rival = Client {
        name: shop.name.clone(),
        ..Client::sample("2")
    };
    let taken = clients.create(&tenant, &rival, now).await.unwrap_err();
    assert_eq!(taken, PortError::AlreadyExists("key name".into()));

    // What is no client is told, and no list leaves it out.
    for (id, body) in [
        ("other", r#"{"client_id": 7}"#),
        (
            "another",
            r#"{"client_id": "x", "name": "x", "callbacks": [], "leeway": 1}"#,
        ),
    ] {
        let strange = NewEntity {
            kind: EntityKind::new(Client::KIND).unwrap(),
            id: EntityId::new(id).unwrap(),
            body: Document::from_json(body).unwrap(),
            keys: UniqueKeys::none(),
        };
        store.create(&tenant, strange, now).await.unwrap();
        let corrupt = PortError::corrupt(Client::KIND);
        assert_eq!(clients.get(&tenant, id).await, Err(corrupt.clone()));
        let page = PageRequest::first(10).unwrap();
        assert_eq!(clients.list(&tenant, &page).await, Err(corrupt));
        assert_eq!(clients.remove(&tenant, id).await, Ok(true));
    }
    let page = clients
        .list(&tenant, &PageRequest::first(10).unwrap())
        .await;
    assert_eq!(page.unwrap().items.len(), 1);
    let blank = Client {
        client_id: " ".into(),
        ..rival
    };
    let refused = clients.create(&tenant, &blank, now).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
}
