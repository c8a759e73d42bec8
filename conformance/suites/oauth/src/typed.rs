//! A suite for an application's own kind of entity: what its records and its keys need of a store.

use std::sync::Arc;

use portproof_ports::{
    Document, Entities, Entity, EntityChange, EntityId, EntityKind, EntityStore, ErrorKind,
    NewEntity, Ports, TenantId, TypedEntity, UniqueKey, UniqueKeys, UniqueScope, Version,
};

use super::{
    fixture::{START, minute},
    offered,
};
use crate::{
    Case, Checked, Context, Failure, Level, Profile, Rule, Suite,
    check::{equal, fails, holds, some},
    walk,
};

/// A record of which samples can be made.
pub trait SampleEntity: TypedEntity + PartialEq + 'static {
    /// A record with every field set, whose id and keys hold `unique`, which no other record of any
    /// tenant has: cases run at once on one store.
    fn sample(unique: &str) -> Self;

    /// Changes it as somebody might, in whatever but the id.
    fn edit(&mut self);
}

/// A record as the store gets it, and what it is changed to.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The record.
    pub entity: NewEntity,
    /// Another body, and perhaps other keys, under the same id.
    pub edited: EntityChange,
}

/// Makes the sample of a unique text.
type Make = Arc<dyn Fn(&str) -> Result<Sample, Failure> + Send + Sync>;
/// Says whether an entity is read as the record that the unique text makes.
type Reads = Arc<dyn Fn(&str, &Entity) -> Checked + Send + Sync>;

/// The suite of a type of the application's own, for [`run_custom_suites`](portproof::run_custom_suites)
/// on any target that offers the entities port; its rules are called `entity<kind>::…`.
///
/// It holds what a type can get wrong, and a store with the type: that a record is read as it was
/// written, is found by each of its keys, and shares none of them. What every store keeps of every
/// entity, the suite of the port checks.
#[must_use]
pub fn entity_suite<T: SampleEntity>() -> Suite<Ports> {
    let make: Make = Arc::new(|unique| {
        let record = T::sample(unique);
        let mut edited = T::sample(unique);
        edited.edit();
        holds(edited != record, "an edit changes a sample")?;
        holds(edited.id() == record.id(), "an edit leaves a sample's id")?;
        let keys = |record: &T| -> Result<UniqueKeys, Failure> {
            let keys = record.keys().into_iter().map(|key| key.to_key());
            Ok(UniqueKeys::new(keys.collect::<Result<_, _>>()?)?)
        };
        Ok(Sample {
            entity: NewEntity {
                kind: EntityKind::new(T::KIND)?,
                id: EntityId::new(record.id())?,
                body: body(&record)?,
                keys: keys(&record)?,
            },
            edited: EntityChange {
                body: body(&edited)?,
                keys: keys(&edited)?,
            },
        })
    });
    let reads: Reads = Arc::new(|unique, entity| {
        let kept = <Entities<T>>::read(entity.clone())?;
        holds(
            kept.record == T::sample(unique),
            "a record is read as it was written",
        )
    });
    suite(T::KIND, &make, &reads)
}

/// The suite of a kind whose samples are documents.
#[must_use]
pub fn document_suite(
    kind: &str,
    make: impl Fn(&str) -> Result<Sample, Failure> + Send + Sync + 'static,
) -> Suite<Ports> {
    suite(
        kind,
        &(Arc::new(make) as Make),
        &(Arc::new(|_: &str, _: &Entity| Ok(())) as Reads),
    )
}

fn body<T: TypedEntity>(record: &T) -> Result<Document, Failure> {
    let value = serde_json::to_value(record)
        .map_err(|_| Failure::new("a sample cannot be written as JSON"))?;
    Ok(Document::new(value)?)
}

/// What a case has.
struct Setting {
    store: Arc<dyn EntityStore>,
    other: Arc<dyn EntityStore>,
    tenant: TenantId,
    elsewhere: TenantId,
    make: Make,
    reads: Reads,
}

impl Setting {
    /// The text that makes the sample of this number.
    fn unique(&self, number: usize) -> String {
        format!("{number}-{}", self.tenant.as_str().trim().to_lowercase())
    }

    fn sample(&self, number: usize) -> Result<Sample, Failure> {
        (self.make)(&self.unique(number))
    }

    /// Stores the samples of the numbers 1 to 3, which the case does not mean.
    async fn surround(&self) -> Result<Vec<Entity>, Failure> {
        let mut stored = Vec::new();
        for number in 1..=3 {
            let given = self.sample(number)?.entity;
            stored.push(self.store.create(&self.tenant, given, START).await?);
        }
        Ok(stored)
    }

    /// Fails unless it is stored so, and found by each key.
    async fn is_stored(&self, entity: &Entity) -> Checked {
        let (kind, id) = (&entity.kind, &entity.id);
        for store in [&self.store, &self.other] {
            let got = store.get(&self.tenant, kind, id).await?;
            equal("the record", &got.as_ref(), &Some(entity))?;
            for key in &entity.keys {
                let found = store.find(&self.tenant, kind, key).await?;
                equal("what its key finds", &found.as_ref(), &Some(entity))?;
                if key.scope == UniqueScope::Global {
                    let owned = store.find_global(kind, &key.name, &key.value).await?;
                    let owned = some("what its key finds anywhere", owned)?;
                    equal("whose it is", &owned.tenant, &self.tenant)?;
                    equal("what it finds", &owned.entity, entity)?;
                }
            }
        }
        Ok(())
    }
}

type Body = for<'s> fn(&'s Setting) -> crate::CaseFuture<'s, Checked>;

/// Each rule: the end of its id, what holds, why, and its check.
const RULES: [(&str, &str, &str, Body); 5] = [
    (
        "create::keeps_every_field",
        "A record is read as it was written, and found by each of its keys.",
        "A field that is lost between a type and its store is lost for good.",
        |s| Box::pin(keeps_every_field(s)),
    ),
    (
        "create::refuses_each_taken_key",
        "A record with a key of another one is refused, whichever of its keys it is, and in every tenant where the key is global.",
        "Two records that answer to one name answer to it in turn.",
        |s| Box::pin(refuses_each_taken_key(s)),
    ),
    (
        "put::replaces_it",
        "An edited record replaces the one before, with its keys.",
        "An edit that is half done shows what nobody entered.",
        |s| Box::pin(replaces_it(s)),
    ),
    (
        "remove::frees_its_keys",
        "A record that was removed can be stored again, under the same id and keys.",
        "A name that is used up belongs to nobody for ever.",
        |s| Box::pin(frees_its_keys(s)),
    ),
    (
        "list::answers_each_once",
        "A list answers every record of the kind once, at whatever page size.",
        "What a list leaves out nobody sees.",
        |s| Box::pin(answers_each_once(s)),
    ),
];

fn suite(kind: &str, make: &Make, reads: &Reads) -> Suite<Ports> {
    let cases = RULES.iter().map(|(id, text, why, check)| {
        let rule = Rule {
            // Rules live as long as the program, and suites are made once.
            id: format!("entity<{kind}>::{id}").leak(),
            profile: Profile::Oauth,
            level: Level::Must,
            capability: None,
            disclaimed: false,
            environments: &[],
            text,
            why,
            source: "the application's type",
        };
        let (make, reads) = (Arc::clone(make), Arc::clone(reads));
        Case::of_context(rule, move |context: Context<Ports>| {
            let (make, reads) = (Arc::clone(&make), Arc::clone(&reads));
            Box::pin(async move {
                let setting = Setting {
                    store: offered("entities", context.stores().entities.as_ref())?,
                    other: offered("entities", context.second().entities.as_ref())?,
                    tenant: context.tenant()?,
                    elsewhere: context.tenant()?,
                    make,
                    reads,
                };
                let others = setting.surround().await?;
                context.transcript().begin_case();
                check(&setting).await?;
                for other in &others {
                    setting.is_stored(other).await?;
                }
                Ok(())
            })
        })
    });
    Suite::new("entities", cases.collect())
}

async fn keeps_every_field(s: &Setting) -> Checked {
    let given = s.sample(0)?.entity;
    let created = s.store.create(&s.tenant, given.clone(), minute(1)).await?;
    let expected = Entity {
        kind: given.kind,
        id: given.id,
        body: given.body,
        keys: given.keys,
        version: Version::FIRST,
        created_at: minute(1),
        updated_at: minute(1),
    };
    equal("the answer of create", &created, &expected)?;
    s.is_stored(&expected).await?;
    let read = s.other.get(&s.tenant, &created.kind, &created.id).await?;
    (s.reads)(&s.unique(0), &some("the record", read)?)
}

async fn refuses_each_taken_key(s: &Setting) -> Checked {
    let stored = s
        .store
        .create(&s.tenant, s.sample(0)?.entity, START)
        .await?;
    for key in &stored.keys {
        let mut rival = s.sample(9)?.entity;
        let mut keys: Vec<UniqueKey> = rival.keys.into();
        keys.retain(|other| other.name != key.name);
        keys.push(key.clone());
        rival.keys = UniqueKeys::new(keys)?;
        let answer = s.other.create(&s.tenant, rival.clone(), START).await;
        fails("taking a key", answer, ErrorKind::AlreadyExists)?;
        let there = s.store.create(&s.elsewhere, rival.clone(), START).await;
        match key.scope {
            UniqueScope::Global => fails("taking it elsewhere", there, ErrorKind::AlreadyExists)?,
            UniqueScope::Tenant => {
                there?;
                let gone = s.store.remove(&s.elsewhere, &rival.kind, &rival.id).await?;
                holds(gone, "the rival in the other tenant was there")?;
            }
        }
    }
    s.is_stored(&stored).await
}

async fn replaces_it(s: &Setting) -> Checked {
    let Sample { entity, edited } = s.sample(0)?;
    let stored = s.store.create(&s.tenant, entity, START).await?;
    let (kind, id, seen) = (&stored.kind, &stored.id, stored.version);
    let put = s
        .store
        .put(&s.tenant, kind, id, seen, edited.clone(), minute(2));
    let put = put.await?;
    equal("its body", &put.body, &edited.body)?;
    equal("its keys", &put.keys, &edited.keys)?;
    s.is_stored(&put).await?;
    for key in stored.keys.iter().filter(|key| !edited.keys.contains(key)) {
        let found = s.store.find(&s.tenant, kind, key).await?;
        equal("what a key finds that it has no more", &found, &None)?;
    }
    let again = s
        .other
        .put(&s.tenant, kind, id, seen, edited, minute(3))
        .await;
    fails("an edit of what was edited", again, ErrorKind::Stale)
}

async fn frees_its_keys(s: &Setting) -> Checked {
    let given = s.sample(0)?.entity;
    for _ in 0..2 {
        let stored = s.store.create(&s.tenant, given.clone(), START).await?;
        s.is_stored(&stored).await?;
        holds(
            s.other.remove(&s.tenant, &given.kind, &given.id).await?,
            "the record was there",
        )?;
    }
    let moved = s.store.create(&s.elsewhere, given, START).await?;
    equal(
        "its version in another tenant",
        &moved.version,
        &Version::FIRST,
    )
}

async fn answers_each_once(s: &Setting) -> Checked {
    let mut ids = Vec::new();
    for number in 4..=8 {
        let given = s.sample(number)?.entity;
        s.store.create(&s.tenant, given, minute(1)).await?;
    }
    for number in 1..=8 {
        ids.push(s.sample(number)?.entity.id);
    }
    ids.sort();
    let kind = &s.sample(1)?.entity.kind;
    for size in [1, 3, 1000] {
        let walked = walk::all(size, |page| async move {
            s.store.list(&s.tenant, kind, &page).await
        });
        let mut walked: Vec<_> = walked.await?.into_iter().map(|entity| entity.id).collect();
        walked.sort();
        equal("the records that were walked", &walked, &ids)?;
    }
    Ok(())
}
