//! Walks during changes: what stays is answered once, whatever else comes and goes.

use portproof_ports::{Edge, EdgeWrite, PageRequest, Ports, Relationship};

use super::{Graph, edge, full, object, plain, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, document},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        from_walk_survives_removals,
        to_walk_survives_removals,
        from_walk_survives_changes,
        to_walk_survives_changes,
    ]
}

/// A list of eight edges, the ways to walk it and to name its places.
struct Eight {
    /// Whether it is the list from a subject.
    is_from: bool,
    stored: Vec<Relationship>,
}

impl Eight {
    /// Stores the edges at 10, 20 and so on, of two relations.
    async fn store(w: &Graph, is_from: bool) -> Result<Self, Failure> {
        let mut stored = Vec::new();
        for number in 1..=8 {
            stored.push(full(Self::place(is_from, number * 10)?, "stays")?);
        }
        w.put(&w.tenant, &stored).await?;
        Ok(Self { is_from, stored })
    }

    /// The edge at this place: places are in the order of the list.
    fn place(is_from: bool, place: usize) -> Result<Edge, Failure> {
        let relation = if place < 50 { "editor" } else { "viewer" };
        if is_from {
            edge("user:walked", relation, &format!("doc:{place:03}"))
        } else {
            let set = ["", "#member"][place % 20 / 10];
            edge(&format!("group:{place:03}{set}"), relation, "doc:walked")
        }
    }

    async fn page(
        &self,
        w: &Graph,
        page: PageRequest,
    ) -> Result<portproof_ports::Page<Relationship>, Failure> {
        Ok(if self.is_from {
            let from = subject("user:walked")?;
            w.page_from(&w.tenant, &from, START, page).await?
        } else {
            let to = object("doc:walked")?;
            w.to_page(&w.tenant, &to, START, page).await?
        })
    }

    /// Fails unless a walk answers all of them when each goes once it was answered.
    async fn survive_removals(&self, w: &Graph) -> Checked {
        let first = PageRequest::first(2)?;
        let mut page = self.page(w, first.clone()).await?;
        let mut walked = page.items.clone();
        while let Some(cursor) = page.next {
            // All that were answered go, also the one that the cursor stands on.
            for gone in &page.items {
                w.write(EdgeWrite::Delete(gone.edge.clone())).await?;
            }
            page = self.page(w, first.following(cursor)).await?;
            walked.extend(page.items.clone());
            holds(walked.len() < 100, "a walk comes to an end")?;
        }
        equal("the edges that were walked", &walked, &self.stored)
    }

    /// Fails unless a walk answers those that stay once and none twice, while others come before and
    /// behind its place and what is there is touched.
    async fn survive_changes(&self, w: &Graph) -> Checked {
        let first = PageRequest::first(3)?;
        let mut page = self.page(w, first.clone()).await?;
        let mut walked = page.items;
        let mut round = 0;
        while let Some(cursor) = page.next {
            round += 1;
            holds(round < 20, "a walk comes to an end")?;
            for place in [3, 43, 77] {
                let come = Self::place(self.is_from, place + round)?;
                w.write(EdgeWrite::Touch(plain(come))).await?;
            }
            for stays in &self.stored {
                let touched = Relationship {
                    caveat: Some(document(&format!("round {round}"))?),
                    ..stays.clone()
                };
                w.write(EdgeWrite::Touch(touched)).await?;
            }
            page = self.page(w, first.following(cursor)).await?;
            walked.extend(page.items);
        }
        let edges: Vec<&Edge> = walked.iter().map(|walked| &walked.edge).collect();
        for stays in &self.stored {
            let times = edges.iter().filter(|edge| **edge == &stays.edge).count();
            equal("how often an edge that stays was answered", &times, &1)?;
        }
        let mut once = edges.clone();
        once.sort();
        once.dedup();
        equal("how many were answered once", &once.len(), &edges.len())
    }
}

/// A walk from a subject goes on when edges are removed under it, also the one that its cursor stands on:
/// it answers every edge that stays once.
///
/// Whoever removes edges as they are listed would leave every other page.
#[rule(
    "relationships::from::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn from_walk_survives_removals(w: &Graph) -> Checked {
    Eight::store(w, true).await?.survive_removals(w).await
}

/// A walk to an object goes on when edges are removed under it, also the one that its cursor stands on:
/// it answers every edge that stays once.
///
/// Whoever empties a group as its members are listed would leave every other page.
#[rule(
    "relationships::to::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn to_walk_survives_removals(w: &Graph) -> Checked {
    Eight::store(w, false).await?.survive_removals(w).await
}

/// A walk from a subject goes on when edges come and are touched under it: it answers those that stay once,
/// and none twice.
///
/// A check that misses an edge denies what is allowed; one that sees it twice may count it twice.
#[rule(
    "relationships::from::walk_survives_changes",
    source = "leapmux #287: rows were skipped; AuthHero 0e6acf4"
)]
async fn from_walk_survives_changes(w: &Graph) -> Checked {
    Eight::store(w, true).await?.survive_changes(w).await
}

/// A walk to an object goes on when edges come and are touched under it: it answers those that stay once,
/// and none twice.
///
/// A member who is skipped because somebody else joined is not told, not billed, or not removed.
#[rule(
    "relationships::to::walk_survives_changes",
    source = "leapmux #287: rows were skipped; AuthHero 0e6acf4"
)]
async fn to_walk_survives_changes(w: &Graph) -> Checked {
    Eight::store(w, false).await?.survive_changes(w).await
}
