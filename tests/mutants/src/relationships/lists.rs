//! Mutants that list wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{Page, PortCall, PortError, PortResult, Ports, WhichRelations, WhichTypes};

use super::{Answer, Call, Table, asks, mutant};
use crate::edits::Edits;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [everywhere(), from(), to()].concat()
}

/// Faults of every list, for the rules of each.
fn everywhere() -> Vec<Mutant<Ports>> {
    Edits::new(|ports| &mut ports.relationships)
        .capped(
            "relationships::from_has_a_hundred",
            "relationships::from::is_complete_at_any_length",
        )
        .capped(
            "relationships::to_has_a_hundred",
            "relationships::to::is_complete_at_any_length",
        )
        .offsets(
            "relationships::from_skips_after_removals",
            "relationships::from::walk_survives_removals",
        )
        .offsets(
            "relationships::to_skips_after_removals",
            "relationships::to::walk_survives_removals",
        )
        .offsets(
            "relationships::from_counts_what_came",
            "relationships::from::walk_survives_changes",
        )
        .offsets(
            "relationships::to_counts_what_came",
            "relationships::to::walk_survives_changes",
        )
        .done()
}

fn from() -> Vec<Mutant<Ports>> {
    const NARROWED: &str = "relationships::from::is_narrowed";
    vec![
        mutant(
            "relationships::from_is_in_a_locales_order",
            "relationships::from::is_complete_and_ordered",
            |table, call| async move {
                let mut answer = table.call(call).await?;
                if let Answer::From(page) = &mut answer {
                    page.items
                        .sort_by_key(|it| it.edge.relation.as_str().to_lowercase());
                }
                Ok(answer)
            },
        ),
        mutant(
            "relationships::from_nobody_is_an_error",
            "relationships::from::nobody_is_empty",
            |table, call| async move {
                match table.call(call).await? {
                    Answer::From(page) if page.items.is_empty() => {
                        Err(PortError::not_found("subject"))
                    }
                    answer => Ok(answer),
                }
            },
        ),
        asks("relationships::from_minds_no_type", NARROWED, |call| {
            if let Call::From { types, .. } = call {
                *types = WhichTypes::Every;
            }
        }),
        asks("relationships::from_minds_no_relation", NARROWED, |call| {
            if let Call::From { relations, .. } = call {
                *relations = WhichRelations::Every;
            }
        }),
        mutant(
            "relationships::from_takes_any_cursor",
            "relationships::from::refuses_a_foreign_cursor",
            |table, call| any_cursor(table, call, "from"),
        ),
    ]
}

fn to() -> Vec<Mutant<Ports>> {
    const NARROWED: &str = "relationships::to::is_narrowed";
    vec![
        mutant(
            "relationships::to_is_in_a_locales_order",
            "relationships::to::is_complete_and_ordered",
            |table, call| async move {
                let mut answer = table.call(call).await?;
                if let Answer::To(page) = &mut answer {
                    page.items.sort_by_key(|it| {
                        let subject = it.edge.subject.object();
                        let relation = it.edge.relation.clone();
                        (relation, subject.id.as_str().to_lowercase())
                    });
                }
                Ok(answer)
            },
        ),
        asks("relationships::to_minds_no_type", NARROWED, |call| {
            if let Call::To { types, .. } = call {
                *types = WhichTypes::Every;
            }
        }),
        asks("relationships::to_minds_no_relation", NARROWED, |call| {
            if let Call::To { relations, .. } = call {
                *relations = WhichRelations::Every;
            }
        }),
        mutant(
            "relationships::to_takes_any_cursor",
            "relationships::to::refuses_a_foreign_cursor",
            |table, call| any_cursor(table, call, "to"),
        ),
        mutant(
            "relationships::to_ends_at_a_damaged_cursor",
            "relationships::to::refuses_a_damaged_cursor",
            |table, call| any_cursor(table, call, "to"),
        ),
    ]
}

/// A cursor of whatever list, or none at all, is the end of this one.
async fn any_cursor(table: Table, call: Call, method: &'static str) -> PortResult<Answer> {
    let is_meant = call.method() == method;
    let page = Page {
        items: Vec::new(),
        next: None,
    };
    match table.call(call).await {
        Err(PortError::InvalidCursor) if is_meant && method == "from" => Ok(Answer::From(page)),
        Err(PortError::InvalidCursor) if is_meant => Ok(Answer::To(page)),
        answer => answer,
    }
}
