//! The relationship port.
//!
//! # Why a tenant's writers queue
//!
//! Whether a batch is written depends on edges that are not there: what must not exist, what is
//! created, what is deleted in vain. No lock on a row holds an absence, so whoever writes any edge of
//! a tenant first takes the one row of its graph, and decides in statements that begin after that.
//! The database's own means, serializable transactions, would let more of them run at once, but
//! not as the port has it: reads here are single statements outside of such transactions, and may see
//! a commit without one that comes before it in the order that the database has in mind. With the row,
//! commits come in the order of the decisions, and nothing that is busy is tried again and again.

use async_trait::async_trait;
use portproof_ports::{
    Edge, EdgeBatch, EdgeFilter, EdgeWrite, HowMany, ObjectId, ObjectRef, ObjectType, Page,
    PageRequest, PortError, PortResult, Precondition, Relation, Relationship, RelationshipStore,
    SubjectRef, TenantId, Timestamp, WhichObjects, WhichRelations, WhichSubjects, WhichTypes,
};

use crate::{
    batch::{padded, pieces, tuples},
    database::{Database, Tx},
    failure::Failure,
    paging::List,
    value::{Row, Value, values},
};

/// Relationships in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlRelationshipStore(pub(crate) Database);

/// The columns of an edge, in the order of the primary key.
macro_rules! edge {
    () => {
        "subject_type, subject_id, subject_relation, relation, object_type, object_id"
    };
}

macro_rules! columns {
    () => {
        concat!(edge!(), ", caveat, until")
    };
}

/// The relation of an object itself: no [`Relation`] is empty, and nothing sorts before it.
const ITSELF: &str = "";

fn relation_text(subject: &SubjectRef) -> &str {
    subject.relation().map_or(ITSELF, Relation::as_str)
}

fn relationship(row: &Row) -> PortResult<Relationship> {
    let object = ObjectRef {
        kind: row.get(0)?,
        id: row.get(1)?,
    };
    let relation: String = row.get(2)?;
    let subject = match relation.as_str() {
        ITSELF => SubjectRef::Object(object),
        _ => SubjectRef::Userset {
            object,
            relation: Relation::new(relation).map_err(|_| row.corrupt())?,
        },
    };
    Ok(Relationship {
        edge: Edge {
            subject,
            relation: row.get(3)?,
            object: ObjectRef {
                kind: row.get(4)?,
                id: row.get(5)?,
            },
        },
        caveat: row.get(6)?,
        until: row.get(7)?,
    })
}

fn relationships(rows: &[Row]) -> PortResult<Vec<Relationship>> {
    rows.iter().map(relationship).collect()
}

fn edge_values(edge: &Edge) -> Vec<Value> {
    let subject = edge.subject.object();
    values![
        &subject.kind,
        &subject.id,
        relation_text(&edge.subject),
        &edge.relation,
        &edge.object.kind,
        &edge.object.id
    ]
}

/// A condition, and what is bound to it.
struct Where {
    sql: String,
    values: Vec<Value>,
    /// The columns that it fixes to one value.
    fixed: Vec<&'static str>,
}

impl Where {
    fn tenant(tenant: &TenantId) -> Self {
        Self {
            sql: "tenant = $1".to_owned(),
            values: values![tenant],
            fixed: vec!["tenant"],
        }
    }

    /// That a column also is this.
    fn is(mut self, column: &'static str, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self.sql += &format!(" AND {column} = ${}", self.values.len());
        self.fixed.push(column);
        self
    }

    /// Those of a list's columns that it leaves open: by them a list is in the same order, and they
    /// stand together in the index that begins with the others.
    fn open(&self, order: &[&'static str]) -> Vec<&'static str> {
        let mut open = order.to_vec();
        open.retain(|column| !self.fixed.contains(column));
        open
    }

    /// That the edge also is there at `now`.
    fn live(mut self, now: Timestamp) -> Self {
        self.values.push(now.into());
        let now = self.values.len();
        self.sql += &format!(" AND (until IS NULL OR until > ${now})");
        self
    }

    /// That these columns of a list together also come after these values.
    fn after(mut self, order: &[&'static str], values: Vec<Value>) -> Self {
        let open = self.open(order);
        let row = tuples(self.values.len() + 1, open.len(), 1);
        let values = order.iter().zip(values);
        let values = values.filter(|(column, _)| open.contains(column));
        self.values.extend(values.map(|(_, value)| value));
        self.sql += &format!(" AND ({}) > {row}", open.join(", "));
        self
    }

    fn subject(self, subject: &SubjectRef) -> Self {
        self.subject_object(subject.object())
            .is("subject_relation", relation_text(subject))
    }

    fn subject_object(self, object: &ObjectRef) -> Self {
        self.is("subject_type", &object.kind)
            .is("subject_id", &object.id)
    }

    fn object(self, object: &ObjectRef) -> Self {
        self.is("object_type", &object.kind)
            .is("object_id", &object.id)
    }

    fn relations(self, relations: &WhichRelations) -> Self {
        match relations {
            WhichRelations::Every => self,
            WhichRelations::Only(relation) => self.is("relation", relation),
        }
    }

    fn types(self, column: &'static str, types: &WhichTypes) -> Self {
        match types {
            WhichTypes::Every => self,
            WhichTypes::Only(kind) => self.is(column, kind),
        }
    }

    fn edge(self, edge: &Edge) -> Self {
        self.subject(&edge.subject)
            .is("relation", &edge.relation)
            .object(&edge.object)
    }

    fn filter(self, filter: &EdgeFilter) -> Self {
        let this = match &filter.subjects {
            WhichSubjects::Every => self,
            WhichSubjects::OfType(kind) => self.is("subject_type", kind),
            WhichSubjects::Of(object) => self.subject_object(object),
            WhichSubjects::Only(subject) => self.subject(subject),
        };
        let this = match &filter.objects {
            WhichObjects::Every => this,
            WhichObjects::OfType(kind) => this.is("object_type", kind),
            WhichObjects::Only(object) => this.object(object),
        };
        this.relations(&filter.relations)
    }
}

/// Begins the tenant's turn to write; see the top of this file.
async fn take_turn(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), Failure> {
    const TAKE: &str = "INSERT INTO auth_graphs AS g (tenant, changes) VALUES ($1, 1) \
        ON CONFLICT (tenant) DO UPDATE SET changes = g.changes + 1";
    tx.write(TAKE, values![tenant]).await?;
    Ok(())
}

async fn check(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    condition: &Precondition,
    now: Timestamp,
) -> Result<(), Failure> {
    let (filter, must_exist) = match condition {
        Precondition::MustExist(filter) => (filter, true),
        Precondition::MustNotExist(filter) => (filter, false),
    };
    let Where { sql, values, .. } = Where::tenant(tenant).filter(filter).live(now);
    let sql = format!("SELECT 1 FROM auth_relationships WHERE {sql} LIMIT 1");
    if tx.row("relationship", sql, values).await?.is_some() == must_exist {
        return Ok(());
    }
    Err(PortError::stale("precondition").into())
}

/// Stores these edges, whether they are there or not, or only if they are not; answers how many it
/// stored.
async fn store(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    given: &[&Relationship],
    only_if_over: Option<Timestamp>,
) -> Result<u64, Failure> {
    const STORE: &str = concat!(
        "INSERT INTO auth_relationships AS r (tenant, ",
        columns!(),
        ") VALUES {rows} ON CONFLICT (tenant, ",
        edge!(),
        ") DO UPDATE SET caveat = excluded.caveat, until = excluded.until"
    );
    let mut stored = 0;
    for piece in pieces(given) {
        let mut sql = STORE.replace("{rows}", &tuples(1, 9, piece.len()));
        let mut values = Vec::new();
        for given in piece {
            values.extend(values![tenant]);
            values.extend(edge_values(&given.edge));
            values.extend(values![given.caveat.as_ref(), given.until]);
        }
        if let Some(now) = only_if_over {
            values.push(now.into());
            sql += &format!(" WHERE r.until <= ${}", values.len());
        }
        stored += tx.write(sql, values).await?;
    }
    Ok(stored)
}

async fn delete(tx: &mut Tx<'_>, tenant: &TenantId, edges: &[&Edge]) -> Result<(), Failure> {
    const DELETE: &str = concat!(
        "DELETE FROM auth_relationships WHERE tenant = $1 AND (",
        edge!(),
        ") IN (VALUES {rows})"
    );
    for piece in edges.chunks(100) {
        let edges = padded(piece);
        let sql = DELETE.replace("{rows}", &tuples(2, 6, edges.len()));
        let mut values = values![tenant];
        for edge in edges {
            values.extend(edge_values(edge));
        }
        tx.write(sql, values).await?;
    }
    Ok(())
}

impl SqlRelationshipStore {
    /// Runs one statement in the tenant's turn; answers how many rows it wrote.
    async fn write_in_turn(
        &self,
        tenant: &TenantId,
        sql: String,
        values: Vec<Value>,
    ) -> PortResult<u64> {
        let (sql, values) = (&sql, &values);
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    take_turn(tx, tenant).await?;
                    tx.write(sql.clone(), values.clone()).await
                })
            })
            .await
    }

    /// Removes at most so many of the edges of which `which` holds, those first that come first by
    /// this part of a statement.
    async fn remove(
        &self,
        tenant: &TenantId,
        which: Where,
        order: &'static str,
        at_most: u32,
    ) -> PortResult<u64> {
        let Where {
            sql, mut values, ..
        } = which;
        values.push(at_most.into());
        let limit = values.len();
        // Nobody else writes meanwhile: what is chosen is there.
        let sql = format!(
            concat!(
                "WITH chosen AS (SELECT ",
                edge!(),
                " FROM auth_relationships WHERE {sql}{order} LIMIT ${limit}) \
                 DELETE FROM auth_relationships WHERE tenant = $1 AND (",
                edge!(),
                ") IN (SELECT ",
                edge!(),
                " FROM chosen)"
            ),
            sql = sql,
            order = order,
            limit = limit
        );
        self.write_in_turn(tenant, sql, values).await
    }

    /// The edge, if it is there.
    async fn one(
        &self,
        columns: &'static str,
        tenant: &TenantId,
        edge: &Edge,
        now: Timestamp,
    ) -> PortResult<Option<Row>> {
        let Where { sql, values, .. } = Where::tenant(tenant).edge(edge).live(now);
        let sql = format!("SELECT {columns} FROM auth_relationships WHERE {sql}");
        self.0.row("relationship", sql, values).await
    }

    /// The first edges of a list in this order.
    async fn list(
        &self,
        which: Where,
        order: &[&'static str],
        list: &List<'_>,
    ) -> PortResult<Vec<Relationship>> {
        let order = which.open(order).join(", ");
        let Where {
            sql, mut values, ..
        } = which;
        values.push(list.rows().into());
        let limit = values.len();
        let columns = columns!();
        let sql = format!(
            "SELECT {columns} FROM auth_relationships WHERE {sql} ORDER BY {order} LIMIT ${limit}"
        );
        relationships(&self.0.rows("relationship", sql, values).await?)
    }
}

/// What names the relations of a list; every one of them with [`ITSELF`], which no relation is.
fn relations_part(relations: &WhichRelations) -> &str {
    match relations {
        WhichRelations::Every => "",
        WhichRelations::Only(relation) => relation.as_str(),
    }
}

/// What names the types of a list.
fn types_part(types: &WhichTypes) -> &str {
    match types {
        WhichTypes::Every => "",
        WhichTypes::Only(kind) => kind.as_str(),
    }
}

#[async_trait]
impl RelationshipStore for SqlRelationshipStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn write(&self, tenant: &TenantId, batch: &EdgeBatch, now: Timestamp) -> PortResult<()> {
        batch.check(now)?;
        if batch.writes().is_empty() && batch.preconditions().is_empty() {
            return Ok(());
        }
        let (mut created, mut touched, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for write in batch.writes() {
            match write {
                EdgeWrite::Create(given) => created.push(given),
                EdgeWrite::Touch(given) => touched.push(given),
                EdgeWrite::Delete(edge) => deleted.push(edge),
            }
        }
        let (created, touched, deleted) = (&created, &touched, &deleted);
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    take_turn(tx, tenant).await?;
                    for condition in batch.preconditions() {
                        check(tx, tenant, condition, now).await?;
                    }
                    // No edge is named twice, so that their order says nothing.
                    if store(tx, tenant, created, Some(now)).await? < created.len() as u64 {
                        return Err(PortError::already_exists("relationship").into());
                    }
                    store(tx, tenant, touched, None).await?;
                    delete(tx, tenant, deleted).await
                })
            })
            .await
    }

    async fn get(
        &self,
        tenant: &TenantId,
        edge: &Edge,
        now: Timestamp,
    ) -> PortResult<Option<Relationship>> {
        let row = self.one(columns!(), tenant, edge, now).await?;
        row.as_ref().map(relationship).transpose()
    }

    async fn exists(&self, tenant: &TenantId, edge: &Edge, now: Timestamp) -> PortResult<bool> {
        Ok(self.one("1", tenant, edge, now).await?.is_some())
    }

    async fn from(
        &self,
        tenant: &TenantId,
        subject: &SubjectRef,
        relations: &WhichRelations,
        types: &WhichTypes,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Relationship>> {
        const ORDER: &[&str] = &["relation", "object_type", "object_id"];
        let object = subject.object();
        let parts = [
            "relationships.from",
            tenant.as_str(),
            object.kind.as_str(),
            object.id.as_str(),
            relation_text(subject),
            relations_part(relations),
            types_part(types),
        ];
        let list = List::new(&parts, request);
        let mut theirs = Where::tenant(tenant)
            .subject(subject)
            .relations(relations)
            .types("object_type", types)
            .live(now);
        if let Some((relation, kind, id)) = &list.after::<(Relation, ObjectType, ObjectId)>()? {
            theirs = theirs.after(ORDER, values![relation, kind, id]);
        }
        let edges = self.list(theirs, ORDER, &list).await?;
        list.page(edges, |Relationship { edge, .. }| {
            let ObjectRef { kind, id } = edge.object.clone();
            (edge.relation.clone(), kind, id)
        })
    }

    async fn to(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        relations: &WhichRelations,
        types: &WhichTypes,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Relationship>> {
        const ORDER: &[&str] = &["relation", "subject_type", "subject_id", "subject_relation"];
        let parts = [
            "relationships.to",
            tenant.as_str(),
            object.kind.as_str(),
            object.id.as_str(),
            relations_part(relations),
            types_part(types),
        ];
        let list = List::new(&parts, request);
        let mut to_it = Where::tenant(tenant)
            .object(object)
            .relations(relations)
            .types("subject_type", types)
            .live(now);
        if let Some((relation, subject)) = &list.after::<(Relation, SubjectRef)>()? {
            let ObjectRef { kind, id } = subject.object();
            let values = values![relation, kind, id, relation_text(subject)];
            to_it = to_it.after(ORDER, values);
        }
        let edges = self.list(to_it, ORDER, &list).await?;
        list.page(edges, |Relationship { edge, .. }| {
            (edge.relation.clone(), edge.subject.clone())
        })
    }

    async fn delete_where(
        &self,
        tenant: &TenantId,
        filter: &EdgeFilter,
        how_many: HowMany,
    ) -> PortResult<u64> {
        let which = Where::tenant(tenant).filter(filter);
        match how_many {
            HowMany::AtMost(most) => self.remove(tenant, which, "", most).await,
            HowMany::Every => {
                let sql = format!("DELETE FROM auth_relationships WHERE {}", which.sql);
                self.write_in_turn(tenant, sql, which.values).await
            }
        }
    }

    async fn forget(&self, tenant: &TenantId, object: &ObjectRef) -> PortResult<u64> {
        // One after the other: asked for both at once, SQLite looks at all edges of the tenant.
        const FORGET: [&str; 2] = [
            "DELETE FROM auth_relationships \
             WHERE tenant = $1 AND subject_type = $2 AND subject_id = $3",
            "DELETE FROM auth_relationships \
             WHERE tenant = $1 AND object_type = $2 AND object_id = $3",
        ];
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    take_turn(tx, tenant).await?;
                    let mut forgotten = 0;
                    for sql in FORGET {
                        let values = values![tenant, &object.kind, &object.id];
                        forgotten += tx.write(sql, values).await?;
                    }
                    Ok(forgotten)
                })
            })
            .await
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        let mut over = Where::tenant(tenant);
        over.values.push(now.into());
        over.sql += " AND until <= $2";
        // In the order of the index, so that it is followed, and no further than asked for.
        self.remove(tenant, over, " ORDER BY until", at_most).await
    }
}
