//! The relationship port: who stands in which relation to what, as edges of a graph.

use std::{cmp::Ordering, collections::BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, Invalid, ObjectId, ObjectType, Page, PageRequest, PortError, PortResult, Relation,
    TenantId, Timestamp, port,
};

/// The most writes of one batch.
pub const MAX_EDGE_WRITES: usize = 1000;
/// The most preconditions of one batch.
pub const MAX_PRECONDITIONS: usize = 100;

/// An object, which is also what most subjects are: a document, a group, a user.
///
/// Type and id are two things: `("a:b", "c")` is not `("a", "b:c")`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its type.
    pub kind: ObjectType,
    /// Its id among those of its type.
    pub id: ObjectId,
}

/// A subject: by type, then by id; of one object the object itself comes first, and then its sets
/// by relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectRef {
    /// An object itself.
    Object(ObjectRef),
    /// Whoever stands in a relation to an object: the members of a group.
    Userset {
        /// The object.
        object: ObjectRef,
        /// The relation to it.
        relation: Relation,
    },
}

impl SubjectRef {
    /// The object that it is, or that it is a set of.
    #[must_use]
    pub const fn object(&self) -> &ObjectRef {
        match self {
            Self::Object(object) | Self::Userset { object, .. } => object,
        }
    }

    /// The relation of a set; an object itself has none.
    #[must_use]
    pub const fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Object(_) => None,
            Self::Userset { relation, .. } => Some(relation),
        }
    }
}

impl Ord for SubjectRef {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.object(), self.relation()).cmp(&(other.object(), other.relation()))
    }
}

impl PartialOrd for SubjectRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An edge: a subject stands in a relation to an object, or does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// Who.
    pub subject: SubjectRef,
    /// In which relation.
    pub relation: Relation,
    /// To what.
    pub object: ObjectRef,
}

/// An edge with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relationship {
    /// The edge.
    pub edge: Edge,
    /// On what it depends: a caveat and its context, for the engine to understand. None, a null and
    /// an empty object are three things.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "there"
    )]
    pub caveat: Option<Document>,
    /// When it ends: it is there before this instant, and not at it. `None` for never.
    pub until: Option<Timestamp>,
}

/// What is there, even when it is a null: what is not there is not asked for.
fn there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Document>, D::Error> {
    Document::deserialize(deserializer).map(Some)
}

impl Relationship {
    /// Whether it is there at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// One write of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeWrite {
    /// Stores an edge that is not there. One that is over is not there.
    Create(Relationship),
    /// Makes an edge exactly this, whether it is there or not: a caveat and an end that are not
    /// given are removed.
    Touch(Relationship),
    /// Removes an edge, if it is there.
    Delete(Edge),
}

impl EdgeWrite {
    /// The edge that it is about.
    #[must_use]
    pub const fn edge(&self) -> &Edge {
        match self {
            Self::Create(given) | Self::Touch(given) => &given.edge,
            Self::Delete(edge) => edge,
        }
    }

    /// What it stores, if it stores anything.
    #[must_use]
    pub const fn stored(&self) -> Option<&Relationship> {
        match self {
            Self::Create(given) | Self::Touch(given) => Some(given),
            Self::Delete(_) => None,
        }
    }
}

/// Which subjects are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichSubjects {
    /// All.
    Every,
    /// Objects of this type, and sets of such.
    OfType(ObjectType),
    /// This object, and all sets of it.
    Of(ObjectRef),
    /// This one: an object and not its sets, or one set and not its object.
    Only(SubjectRef),
}

/// Which relations are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichRelations {
    /// All.
    Every,
    /// This one.
    Only(Relation),
}

/// Which objects are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichObjects {
    /// All.
    Every,
    /// Those of this type.
    OfType(ObjectType),
    /// This one.
    Only(ObjectRef),
}

/// Which types are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichTypes {
    /// All.
    Every,
    /// This one.
    Only(ObjectType),
}

/// Which edges are meant: those whose subject, relation and object all are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeFilter {
    /// Whose.
    pub subjects: WhichSubjects,
    /// In which relations.
    pub relations: WhichRelations,
    /// To what.
    pub objects: WhichObjects,
}

impl EdgeFilter {
    /// All edges of a tenant.
    pub const EVERY: Self = Self {
        subjects: WhichSubjects::Every,
        relations: WhichRelations::Every,
        objects: WhichObjects::Every,
    };

    /// This edge, and no other.
    #[must_use]
    pub fn only(edge: &Edge) -> Self {
        Self {
            subjects: WhichSubjects::Only(edge.subject.clone()),
            relations: WhichRelations::Only(edge.relation.clone()),
            objects: WhichObjects::Only(edge.object.clone()),
        }
    }

    /// Whether it means this edge.
    #[must_use]
    pub fn means(&self, edge: &Edge) -> bool {
        let subject = match &self.subjects {
            WhichSubjects::Every => true,
            WhichSubjects::OfType(kind) => edge.subject.object().kind == *kind,
            WhichSubjects::Of(object) => edge.subject.object() == object,
            WhichSubjects::Only(subject) => edge.subject == *subject,
        };
        let object = match &self.objects {
            WhichObjects::Every => true,
            WhichObjects::OfType(kind) => edge.object.kind == *kind,
            WhichObjects::Only(object) => edge.object == *object,
        };
        subject && self.relations.mean(&edge.relation) && object
    }
}

impl WhichRelations {
    /// Whether this relation is meant.
    #[must_use]
    pub fn mean(&self, relation: &Relation) -> bool {
        match self {
            Self::Every => true,
            Self::Only(only) => only == relation,
        }
    }
}

impl WhichTypes {
    /// Whether this type is meant.
    #[must_use]
    pub fn mean(&self, kind: &ObjectType) -> bool {
        match self {
            Self::Every => true,
            Self::Only(only) => only == kind,
        }
    }
}

/// What must hold of the stored edges for a batch to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// One of these is there.
    MustExist(EdgeFilter),
    /// None of these is there.
    MustNotExist(EdgeFilter),
}

/// Writes that are done together or not at all: at most 1000, under at most 100 preconditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct EdgeBatch {
    writes: Vec<EdgeWrite>,
    preconditions: Vec<Precondition>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    writes: Vec<EdgeWrite>,
    preconditions: Vec<Precondition>,
}

impl EdgeBatch {
    /// These writes, whatever is stored.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for more than [`MAX_EDGE_WRITES`].
    pub fn new(writes: Vec<EdgeWrite>) -> Result<Self, Invalid> {
        if writes.len() > MAX_EDGE_WRITES {
            return Err(Invalid::new("writes", "are more than 1000"));
        }
        Ok(Self {
            writes,
            preconditions: Vec::new(),
        })
    }

    /// The same writes, if all of these hold.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for more than [`MAX_PRECONDITIONS`].
    pub fn given(self, preconditions: Vec<Precondition>) -> Result<Self, Invalid> {
        if preconditions.len() > MAX_PRECONDITIONS {
            return Err(Invalid::new("preconditions", "are more than 100"));
        }
        Ok(Self {
            preconditions,
            ..self
        })
    }

    /// The writes.
    #[must_use]
    pub fn writes(&self) -> &[EdgeWrite] {
        &self.writes
    }

    /// What must hold.
    #[must_use]
    pub fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }

    /// For adapters: refuses a batch that makes no sense at `now`, whatever is stored.
    ///
    /// # Errors
    ///
    /// `Refused("writes")` when two of them are about one edge; `Refused("until")` when one stores
    /// what is over at `now`.
    pub fn check(&self, now: Timestamp) -> PortResult<()> {
        let edges: BTreeSet<&Edge> = self.writes.iter().map(EdgeWrite::edge).collect();
        if edges.len() < self.writes.len() {
            return Err(PortError::refused("writes", "name an edge twice"));
        }
        let mut stored = self.writes.iter().filter_map(EdgeWrite::stored);
        if stored.any(|given| !given.is_live(now)) {
            return Err(PortError::refused("until", "is not after now"));
        }
        Ok(())
    }
}

impl TryFrom<Parts> for EdgeBatch {
    type Error = Invalid;
    fn try_from(parts: Parts) -> Result<Self, Invalid> {
        Self::new(parts.writes)?.given(parts.preconditions)
    }
}

impl From<EdgeBatch> for Parts {
    fn from(batch: EdgeBatch) -> Self {
        Self {
            writes: batch.writes,
            preconditions: batch.preconditions,
        }
    }
}

/// How many to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowMany {
    /// All there are.
    Every,
    /// No more than these, whichever.
    AtMost(u32),
}

/// Storage of relationships, as engines in the manner of Zanzibar walk them.
///
/// Storage gives no relation a meaning: it keeps edges, and knows which of them follow from which as
/// little as it knows whether their ends are stored anywhere.
///
/// An edge that is over at the `now` of a call is not there for that call: no read answers it, no
/// precondition sees it, and it can be created again, with nothing left of what it was. What removes
/// edges takes no `now` and removes those, too: by another clock they might not be over yet.
///
/// Writes happen one after another, as far as anybody sees: a batch is decided by all that was
/// written before it, and each read sees the whole of a batch or nothing of it.
#[port("relationships")]
#[async_trait]
pub trait RelationshipStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Does all writes of a batch, if all of its preconditions hold of what is stored before it.
    ///
    /// # Errors
    ///
    /// With nothing written: `Refused("writes")` when two writes are about one edge;
    /// `Refused("until")` when one stores what is over at `now`; `Stale("precondition")` when a
    /// precondition does not hold; `AlreadyExists("relationship")` when an edge that is to be created
    /// is there.
    async fn write(&self, tenant: &TenantId, batch: &EdgeBatch, now: Timestamp) -> PortResult<()>;

    /// The edge, if it is there at `now`, with its caveat and its end.
    async fn get(
        &self,
        tenant: &TenantId,
        edge: &Edge,
        now: Timestamp,
    ) -> PortResult<Option<Relationship>>;

    /// Whether the edge is there at `now`, caveat or not.
    async fn exists(&self, tenant: &TenantId, edge: &Edge, now: Timestamp) -> PortResult<bool>;

    /// The edges of exactly this subject that are there at `now`, in these relations and to objects
    /// of these types: by relation, then by the object's type and id, as bytes.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, subject, relation, type or list. `now` may
    /// differ from page to page.
    async fn from(
        &self,
        tenant: &TenantId,
        subject: &SubjectRef,
        relations: &WhichRelations,
        types: &WhichTypes,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<Relationship>>;

    /// The edges to this object that are there at `now`, in these relations and of subjects of these
    /// types: by relation, then by the subject's type, id and relation, as bytes; an object comes
    /// before its sets.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, object, relation, type or list. `now` may
    /// differ from page to page.
    async fn to(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        relations: &WhichRelations,
        types: &WhichTypes,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<Relationship>>;

    /// Removes edges that the filter means, whether they are over or not; answers how many. Fewer
    /// than were asked for means that none is left.
    async fn delete_where(
        &self,
        tenant: &TenantId,
        filter: &EdgeFilter,
        how_many: HowMany,
    ) -> PortResult<u64>;

    /// Ends everything of an object at once: the edges to it, from it, and from its sets; answers
    /// how many there were, over or not.
    async fn forget(&self, tenant: &TenantId, object: &ObjectRef) -> PortResult<u64>;

    /// Removes at most `at_most` of the tenant's edges that are over at `now`, whichever; answers how
    /// many. Fewer than `at_most` means that none is left.
    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(caveat: Option<Document>) -> Relationship {
        let object = ObjectRef {
            kind: ObjectType::new("a:b").unwrap(),
            id: ObjectId::new("c").unwrap(),
        };
        Relationship {
            edge: Edge {
                subject: SubjectRef::Object(object.clone()),
                relation: Relation::new("in").unwrap(),
                object,
            },
            caveat,
            until: None,
        }
    }

    #[test]
    fn a_null_caveat_is_one_also_as_data() {
        for caveat in [None, Some(Document::new(json!(null)).unwrap())] {
            let text = serde_json::to_string(&given(caveat.clone())).unwrap();
            let read: Relationship = serde_json::from_str(&text).unwrap();
            assert_eq!(read.caveat, caveat, "{text}");
        }
    }

    #[test]
    fn an_object_comes_before_its_sets_and_those_before_the_next_object() {
        let object = |id: &str| ObjectRef {
            kind: ObjectType::new("group").unwrap(),
            id: ObjectId::new(id).unwrap(),
        };
        let set = |id: &str, relation: &str| SubjectRef::Userset {
            object: object(id),
            relation: Relation::new(relation).unwrap(),
        };
        let ordered = [
            SubjectRef::Object(object("a")),
            set("a", "B"),
            set("a", "b"),
            SubjectRef::Object(object("a ")),
        ];
        assert!(ordered.is_sorted());
    }

    #[test]
    fn a_batch_is_limited_also_when_it_is_read() {
        let touch = EdgeWrite::Touch(given(None));
        assert!(EdgeBatch::new(vec![touch.clone(); MAX_EDGE_WRITES]).is_ok());
        assert!(EdgeBatch::new(vec![touch; MAX_EDGE_WRITES + 1]).is_err());
        let condition = Precondition::MustExist(EdgeFilter::EVERY);
        let batch = EdgeBatch::new(Vec::new()).unwrap();
        let many = vec![condition; MAX_PRECONDITIONS + 1];
        assert!(batch.given(many.clone()).is_err());
        let text = serde_json::to_string(&json!({"writes": [], "preconditions": many})).unwrap();
        assert!(serde_json::from_str::<EdgeBatch>(&text).is_err());
    }
}
