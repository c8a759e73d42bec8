//! The relationship port's suite: who stands in which relation to what, until when.

use std::sync::Arc;

use portproof_ports::{
    Edge, EdgeBatch, EdgeFilter, EdgeWrite, ObjectId, ObjectRef, ObjectType, PageRequest,
    PortResult, Ports, Relation, Relationship, RelationshipStore, SubjectRef, TenantId, Timestamp,
    WhichObjects, WhichRelations, WhichSubjects, WhichTypes,
};

use super::{
    fixture::{START, day, document, just_before},
    offered,
};
use crate::{Checked, Context, Failure, Profile, Suite, World, check::equal, walk};

mod batches;
mod cancelled;
mod ends;
mod kept;
mod lists;
mod narrowed;
mod preconditions;
mod races;
mod removals;
mod walks;
mod walls;
mod writes;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::RelationshipStoreCall,
        "relationships::random::calls_in_turn",
        "relationships::random::calls_at_once"
    );
}

/// All rules of the relationship port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        writes::cases(),
        kept::cases(),
        batches::cases(),
        preconditions::cases(),
        ends::cases(),
        removals::cases(),
        lists::cases(),
        narrowed::cases(),
        walks::cases(),
        races::cases(),
        walls::cases(),
        cancelled::cases(),
        random::cases(),
    ];
    Suite::new("relationships", parts.into_iter().flatten().collect())
        .of_profile(Profile::Directory)
}

/// A tenant with edges, and another with the same ones in it.
struct Graph {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn RelationshipStore>,
    /// The store through the second handle.
    other: Arc<dyn RelationshipStore>,
    tenant: TenantId,
    /// A tenant that has [`Self::subject`]'s edge, too.
    elsewhere: TenantId,
    /// Ada may view the plan: what most rules are about.
    subject: Relationship,
    /// What no case means: edges that only a careless backend takes for the subject's.
    bystanders: Vec<(TenantId, Relationship)>,
}

/// An object, written as `type:id`.
fn object(text: &str) -> Result<ObjectRef, Failure> {
    let (kind, id) = text.split_once(':').unwrap_or((text, text));
    Ok(ObjectRef {
        kind: ObjectType::new(kind)?,
        id: ObjectId::new(id)?,
    })
}

/// A subject, written as `type:id` or `type:id#relation`.
fn subject(text: &str) -> Result<SubjectRef, Failure> {
    Ok(match text.split_once('#') {
        None => SubjectRef::Object(object(text)?),
        Some((of, relation)) => SubjectRef::Userset {
            object: object(of)?,
            relation: Relation::new(relation)?,
        },
    })
}

/// An edge between those that are written so.
fn edge(from: &str, relation: &str, to: &str) -> Result<Edge, Failure> {
    Ok(Edge {
        subject: subject(from)?,
        relation: Relation::new(relation)?,
        object: object(to)?,
    })
}

/// This edge, for ever and whatever else holds.
const fn plain(edge: Edge) -> Relationship {
    Relationship {
        edge,
        caveat: None,
        until: None,
    }
}

/// This edge with a caveat of this label, for 90 days.
fn full(edge: Edge, label: &str) -> Result<Relationship, Failure> {
    Ok(Relationship {
        edge,
        caveat: Some(document(label)?),
        until: Some(day(90)),
    })
}

/// Edges that a filter which takes one thing for another mixes up: of everything there is one that
/// differs in case, in its type, or in being a set.
fn grid() -> Result<Vec<Edge>, Failure> {
    let subjects = [
        "user:ada",
        "user:Ada",
        "group:ada",
        "group:Ada",
        "group:ada#member",
        "group:ada#Member",
        "user:ada#member",
    ];
    let mut edges = Vec::new();
    for from in subjects {
        for relation in ["view_r", "viewer", "View_r"] {
            for to in ["doc:a%", "doc:ab", "Doc:a%"] {
                edges.push(edge(from, relation, to)?);
            }
        }
    }
    edges.sort();
    Ok(edges)
}

/// Every kind of filter on [`grid`], with every other.
fn filters() -> Result<Vec<EdgeFilter>, Failure> {
    let all_subjects = [
        WhichSubjects::Every,
        WhichSubjects::OfType(ObjectType::new("group")?),
        WhichSubjects::Of(object("group:ada")?),
        WhichSubjects::Only(subject("group:ada")?),
        WhichSubjects::Only(subject("group:ada#member")?),
    ];
    let mut filters = Vec::new();
    for subjects in all_subjects {
        for relations in [
            WhichRelations::Every,
            WhichRelations::Only(Relation::new("view_r")?),
        ] {
            for objects in [
                WhichObjects::Every,
                WhichObjects::OfType(ObjectType::new("doc")?),
                WhichObjects::Only(object("doc:a%")?),
            ] {
                filters.push(EdgeFilter {
                    subjects: subjects.clone(),
                    relations: relations.clone(),
                    objects,
                });
            }
        }
    }
    Ok(filters)
}

/// The touches of these, in a batch.
fn touches(given: &[Relationship]) -> Result<EdgeBatch, Failure> {
    let touches = given.iter().cloned().map(EdgeWrite::Touch);
    Ok(EdgeBatch::new(touches.collect())?)
}

/// A batch of this write alone.
fn just(write: EdgeWrite) -> Result<EdgeBatch, Failure> {
    Ok(EdgeBatch::new(vec![write])?)
}

impl World for Graph {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("relationships", context.stores().relationships.as_ref())?;
        let other = offered("relationships", context.second().relationships.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        for (from, relation, to) in [
            ("user:ada", "viewer", "doc:Plan"),
            ("user:Ada ", "viewer", "doc:Plan"),
            ("User:Ada", "viewer", "doc:Plan"),
            ("user:Ada#viewer", "viewer", "doc:Plan"),
            ("user:Ada", "Viewer", "doc:Plan"),
            ("user:Ada", "viewer", "Doc:Plan"),
            ("user:Ada", "viewer", "doc:plan"),
            ("doc:Plan", "viewer", "user:Ada"),
        ] {
            let edge = edge(from, relation, to)?;
            let label = format!("{from} {relation} {to}");
            bystanders.push((tenant.clone(), full(edge, &label)?));
        }
        let there = plain(edge("user:Ada", "viewer", "doc:Plan")?);
        bystanders.push((elsewhere.clone(), there.clone()));
        for (tenant, given) in &bystanders {
            let batch = just(EdgeWrite::Create(given.clone()))?;
            store.write(tenant, &batch, START).await?;
        }
        let subject = full(there.edge, "subject")?;
        let batch = just(EdgeWrite::Create(subject.clone()))?;
        store.write(&tenant, &batch, START).await?;
        let world = Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            subject,
            bystanders,
        };
        // So that the caches of both handles have it.
        world.seen(&world.subject.edge).await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, given) in &self.bystanders {
            let found = self.store.get(tenant, &given.edge, START).await?;
            equal(
                &format!("an edge in tenant {tenant:?}, which nobody touched"),
                &found.as_ref(),
                &Some(given),
            )?;
        }
        Ok(())
    }
}

impl Graph {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn RelationshipStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// Does one write, at [`START`].
    async fn write(&self, write: EdgeWrite) -> PortResult<()> {
        let batch = EdgeBatch::new(vec![write])?;
        self.store.write(&self.tenant, &batch, START).await
    }

    /// Stores these in a tenant as they are, at [`START`], whatever is there.
    async fn put(&self, tenant: &TenantId, given: &[Relationship]) -> Checked {
        for thousand in given.chunks(1000) {
            let batch = touches(thousand)?;
            self.store.write(tenant, &batch, START).await?;
        }
        Ok(())
    }

    /// Stores these edges in a tenant, for ever.
    async fn put_plain(&self, tenant: &TenantId, edges: &[Edge]) -> Checked {
        let given: Vec<Relationship> = edges.iter().cloned().map(plain).collect();
        self.put(tenant, &given).await
    }

    /// The edge as every read through both handles sees it at `now`, which all agree.
    async fn seen_at(&self, edge: &Edge, now: Timestamp) -> Result<Option<Relationship>, Failure> {
        let tenant = &self.tenant;
        let first = self.store.get(tenant, edge, now).await?;
        let second = self.other.get(tenant, edge, now).await?;
        equal("the second handle's view of the edge", &second, &first)?;
        for store in [&self.store, &self.other] {
            let exists = store.exists(tenant, edge, now).await?;
            equal("whether the edge exists", &exists, &first.is_some())?;
        }
        let from = self.from(tenant, &edge.subject, now).await?;
        let to = self.to(tenant, &edge.object, now).await?;
        for (list, edges) in [("its subject", from), ("its object", to)] {
            let mut found: Vec<_> = edges.into_iter().filter(|it| it.edge == *edge).collect();
            equal(
                &format!("the edge in the list of {list}"),
                &found.pop(),
                &first,
            )?;
            equal("the same edge a second time in it", &found.pop(), &None)?;
        }
        Ok(first)
    }

    /// As [`seen_at`](Self::seen_at), at [`START`].
    async fn seen(&self, edge: &Edge) -> Result<Option<Relationship>, Failure> {
        self.seen_at(edge, START).await
    }

    /// Fails unless what is stored of the edge is this, until its end.
    async fn is_stored(&self, what: &str, given: &Relationship) -> Checked {
        equal(what, &self.seen(&given.edge).await?.as_ref(), &Some(given))?;
        let last = just_before(given.until.unwrap_or(Timestamp::MAX));
        equal(
            &format!("{what}, at its last moment"),
            &self.seen_at(&given.edge, last).await?.as_ref(),
            &Some(given),
        )
    }

    /// Fails unless the subject is as it was created.
    async fn subject_unchanged(&self) -> Checked {
        let what = "the edge, which was to stay as it is";
        self.is_stored(what, &self.subject).await
    }

    /// All edges of a subject, through the second handle.
    async fn from(
        &self,
        tenant: &TenantId,
        subject: &SubjectRef,
        now: Timestamp,
    ) -> Result<Vec<Relationship>, Failure> {
        walk::all(1000, |page| self.page_from(tenant, subject, now, page)).await
    }

    /// A page of all edges of a subject.
    async fn page_from(
        &self,
        tenant: &TenantId,
        subject: &SubjectRef,
        now: Timestamp,
        page: PageRequest,
    ) -> PortResult<portproof_ports::Page<Relationship>> {
        let (relations, types) = (WhichRelations::Every, WhichTypes::Every);
        self.other
            .from(tenant, subject, &relations, &types, now, &page)
            .await
    }

    /// All edges to an object, through the second handle.
    async fn to(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        now: Timestamp,
    ) -> Result<Vec<Relationship>, Failure> {
        walk::all(1000, |page| self.to_page(tenant, object, now, page)).await
    }

    /// A page of all edges to an object.
    async fn to_page(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        now: Timestamp,
        page: PageRequest,
    ) -> PortResult<portproof_ports::Page<Relationship>> {
        let (relations, types) = (WhichRelations::Every, WhichTypes::Every);
        self.other
            .to(tenant, object, &relations, &types, now, &page)
            .await
    }

    /// Which of the edges of [`grid`] a tenant has.
    async fn of_grid(&self, tenant: &TenantId) -> Result<Vec<Edge>, Failure> {
        let mut edges = Vec::new();
        for to in ["doc:a%", "doc:ab", "Doc:a%"] {
            let listed = self.to(tenant, &object(to)?, START).await?;
            edges.extend(listed.into_iter().map(|listed| listed.edge));
        }
        edges.sort();
        Ok(edges)
    }
}
