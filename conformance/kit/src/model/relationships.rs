//! Made-up calls on relationships.

use std::sync::Arc;

use portproof_ports::{
    Edge, EdgeBatch, EdgeFilter, EdgeWrite, HowMany, ObjectId, ObjectRef, ObjectType, Ports,
    Precondition, Relation, Relationship, RelationshipStore, RelationshipStoreAnswer,
    RelationshipStoreCall, SubjectRef, TenantId, WhichObjects, WhichRelations, WhichSubjects,
    WhichTypes,
};
use proptest::{
    collection,
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{is_full, just, of, one_of, pages},
};
use crate::fixture::{START, minute};

impl Few for ObjectRef {
    fn few(size: Size) -> Vec<Self> {
        // What is spelled alike when type and id are written one behind the other comes last.
        let all = [
            ("doc", "a"),
            ("doc", "A"),
            ("do", "c:a"),
            ("do:c", "a"),
            ("doc", "_"),
            ("Doc", "a"),
        ];
        let first = all.into_iter().take(size.ids);
        let made = first.filter_map(|(kind, id)| {
            Some(Self {
                kind: ObjectType::new(kind).ok()?,
                id: ObjectId::new(id).ok()?,
            })
        });
        made.collect()
    }
}

impl Few for SubjectRef {
    fn few(size: Size) -> Vec<Self> {
        let mut all = Vec::new();
        for object in ObjectRef::few(size) {
            all.push(Self::Object(object.clone()));
            if let Some(relation) = Relation::few(size).pop() {
                all.push(Self::Userset { object, relation });
            }
        }
        all.truncate(size.ids + 1);
        all
    }
}

impl Small for Edge {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; Edge { subject, relation, object } }
    }
}

impl Small for Relationship {
    fn small(size: Size) -> BoxedStrategy<Self> {
        // Mostly one that is not over at once.
        let until = select(vec![
            None,
            Some(minute(9)),
            Some(minute(3)),
            Some(minute(2)),
            Some(minute(1)),
        ]);
        (small! { size; Relationship { edge, caveat, until } }, until)
            .prop_map(|(given, until)| Relationship { until, ..given })
            .boxed()
    }
}

impl Small for EdgeWrite {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (4, of(size, Self::Create)),
            (3, of(size, Self::Touch)),
            (2, of(size, Self::Delete)),
        ])
    }
}

impl Small for WhichSubjects {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, just(Self::Every)),
            (1, of(size, Self::OfType)),
            (1, of(size, Self::Of)),
            (2, of(size, Self::Only)),
        ])
    }
}

impl Small for WhichRelations {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Every)), (1, of(size, Self::Only))])
    }
}

impl Small for WhichObjects {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, just(Self::Every)),
            (1, of(size, Self::OfType)),
            (2, of(size, Self::Only)),
        ])
    }
}

impl Small for WhichTypes {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(2, just(Self::Every)), (1, of(size, Self::Only))])
    }
}

impl Small for EdgeFilter {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; EdgeFilter { subjects, relations, objects } }
    }
}

impl Small for Precondition {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, of(size, Self::MustNotExist)),
            (1, of(size, Self::MustExist)),
        ])
    }
}

impl Small for EdgeBatch {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let (writes, preconditions) = if size.in_turn { (5, 2) } else { (3, 1) };
        let writes = collection::vec(EdgeWrite::small(size), 0..=writes);
        let preconditions = collection::vec(Precondition::small(size), 0..=preconditions);
        (writes, preconditions)
            .prop_filter_map("a batch of few", |(writes, preconditions)| {
                Self::new(writes).ok()?.given(preconditions).ok()
            })
            .boxed()
    }
}

impl Small for HowMany {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Every)), (1, of(size, Self::AtMost))])
    }
}

impl Random for RelationshipStoreCall {
    type Port = dyn RelationshipStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.relationships.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Write { tenant, batch, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            14 Write { tenant, batch, now }
            2 Get { tenant, edge, now }
            1 Exists { tenant, edge, now }
            3 From { tenant, subject, relations, types, now, page }
            3 To { tenant, object, relations, types, now, page }
            2 DeleteWhere { tenant, filter, how_many }
            1 Forget { tenant, object }
        };
        // A sweep need not be one step.
        let sweep = small! { size; Self::Sweep { tenant, now, at_most } };
        if size.in_turn {
            one_of(vec![(26, steps), (2, sweep)])
        } else {
            steps
        }
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        match (self, answer) {
            (Self::Sweep { at_most, .. }, RelationshipStoreAnswer::Sweep(count))
            | (
                Self::DeleteWhere {
                    how_many: HowMany::AtMost(at_most),
                    ..
                },
                RelationshipStoreAnswer::DeleteWhere(count),
            ) => is_full(*at_most, *count),
            _ => false,
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for (object, page) in ObjectRef::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::To {
                    tenant: tenant.clone(),
                    object,
                    relations: WhichRelations::Every,
                    types: WhichTypes::Every,
                    now: START,
                    page,
                });
            }
            for (subject, page) in SubjectRef::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::From {
                    tenant: tenant.clone(),
                    subject,
                    relations: WhichRelations::Every,
                    types: WhichTypes::Every,
                    now: START,
                    page,
                });
            }
        }
        looks
    }
}
