//! The outbox port.

use async_trait::async_trait;
use portproof_ports::{
    Attempt, Claim, Ended, Item, ItemId, ItemKind, ItemState, NewItem, OutboxStore, Page,
    PageRequest, PortResult, Span, TenantId, Text, Timestamp,
};

use crate::{
    database::Database,
    paging::List,
    value::{Row, names, values},
};

/// An outbox in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlOutboxStore(pub(crate) Database);

names! { Ended:
    Done = "done",
    GivenUp = "given_up",
}

macro_rules! columns {
    () => {
        "id, kind, payload, attempts, trouble, created_at, due_at, claim, ended, ended_at"
    };
}

fn item(row: &Row) -> PortResult<Item> {
    let claim: Option<Attempt> = row.get(7)?;
    let state = match (row.get(6)?, row.get(8)?, row.get(9)?) {
        (Some(until), None, None) if claim.is_some() => ItemState::Claimed { until },
        (Some(due_at), None, None) => ItemState::Waiting { due_at },
        (None, Some(Ended::Done), Some(at)) => ItemState::Done { at },
        (None, Some(Ended::GivenUp), Some(at)) => ItemState::GivenUp { at },
        _ => return Err(row.corrupt()),
    };
    Ok(Item {
        id: row.get(0)?,
        kind: row.get(1)?,
        payload: row.get(2)?,
        state,
        attempts: row.get(3)?,
        trouble: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// A statement that writes what follows a claim, if it holds.
macro_rules! follow {
    ($changes:literal) => {
        concat!(
            "UPDATE auth_outbox SET ",
            $changes,
            " WHERE tenant = $1 AND id = $2 AND claim = $3"
        )
    };
}

#[async_trait]
impl OutboxStore for SqlOutboxStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn put(&self, tenant: &TenantId, item: NewItem, now: Timestamp) -> PortResult<Item> {
        const PUT: &str = "INSERT INTO auth_outbox \
            (tenant, id, kind, payload, due_at, attempts, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let attempts = Attempt::NONE;
        let (id, kind, payload, due_at) = (&item.id, &item.kind, &item.payload, item.due_at);
        let values = values![tenant, id, kind, payload, due_at, attempts, now];
        self.0.write(PUT, values).await?;
        Ok(Item {
            id: item.id,
            kind: item.kind,
            payload: item.payload,
            state: ItemState::Waiting { due_at },
            attempts,
            trouble: None,
            created_at: now,
        })
    }

    async fn get(&self, tenant: &TenantId, id: &ItemId) -> PortResult<Option<Item>> {
        const GET: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_outbox WHERE tenant = $1 AND id = $2"
        );
        let row = self.0.row("item", GET, values![tenant, id]).await?;
        row.as_ref().map(item).transpose()
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        kind: &ItemKind,
        at_most: u16,
        lease: Span,
        now: Timestamp,
    ) -> PortResult<Vec<Item>> {
        // In the order of the index, so that it is followed: a database that believes that many are
        // due would look for any one of them wherever it likes.
        const DUE: &str = "SELECT 1 FROM auth_outbox \
            WHERE tenant = $1 AND kind = $2 AND due_at <= $3 ORDER BY due_at, id LIMIT 1";
        // Claimed where it still is as it was selected: of two callers that select the same, the second
        // one waits for the first, mostly for no longer than a statement, and finds another attempt
        // then. Who skipped what is locked would also skip what somebody is just putting back or is
        // about to undo, which is due before and after that. And who locked what is selected, and took
        // it as it is by then, would take what was put back for later before what has been due for
        // longer.
        const CLAIM: &str = concat!(
            "WITH chosen AS MATERIALIZED (\
             SELECT id AS item, attempts AS claims, due_at AS since FROM auth_outbox \
             WHERE tenant = $1 AND kind = $2 AND due_at <= $3 ORDER BY due_at, id LIMIT $4) \
             UPDATE auth_outbox \
             SET attempts = attempts + 1, claim = attempts + 1, due_since = due_at, due_at = $5 \
             FROM chosen WHERE tenant = $1 AND id = item AND attempts = claims AND due_at = since \
             RETURNING ",
            columns!(),
            ", due_since"
        );
        let (at_most, until) = (usize::from(at_most), now.after(lease));
        let mut claimed: Vec<(Timestamp, Item)> = Vec::new();
        // Whether any is due is asked before, so that a worker which finds nothing to do writes
        // nothing; and again after others took what was selected: fewer than asked for must mean that
        // no others were due.
        while claimed.len() < at_most {
            let due = self.0.row("item", DUE, values![tenant, kind, now]).await?;
            if due.is_none() {
                break;
            }
            let rest = i64::try_from(at_most - claimed.len()).unwrap_or(i64::MAX);
            let values = values![tenant, kind, now, rest, until];
            for row in self.0.write_rows("item", CLAIM, values).await? {
                claimed.push((row.get(10)?, item(&row)?));
            }
            // At the end of time what was claimed is due at once.
            if until <= now {
                break;
            }
        }
        // What a statement answers has no order.
        claimed.sort_unstable_by(|(since, item), (other_since, other)| {
            (since, &item.id).cmp(&(other_since, &other.id))
        });
        Ok(claimed.into_iter().map(|(_, item)| item).collect())
    }

    async fn renew(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        lease: Span,
        now: Timestamp,
    ) -> PortResult<bool> {
        const RENEW: &str = follow!("due_at = $4");
        let values = values![tenant, &claim.item, claim.attempt, now.after(lease)];
        Ok(self.0.write(RENEW, values).await? == 1)
    }

    async fn complete(&self, tenant: &TenantId, claim: &Claim, now: Timestamp) -> PortResult<bool> {
        const COMPLETE: &str = follow!("claim = NULL, due_at = NULL, ended = $4, ended_at = $5");
        let values = values![tenant, &claim.item, claim.attempt, Ended::Done, now];
        Ok(self.0.write(COMPLETE, values).await? == 1)
    }

    async fn put_back(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        due_at: Timestamp,
        trouble: &Text,
    ) -> PortResult<bool> {
        const PUT_BACK: &str = follow!("claim = NULL, due_at = $4, trouble = $5");
        let values = values![tenant, &claim.item, claim.attempt, due_at, trouble];
        Ok(self.0.write(PUT_BACK, values).await? == 1)
    }

    async fn give_up(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        trouble: &Text,
        now: Timestamp,
    ) -> PortResult<bool> {
        const GIVE_UP: &str =
            follow!("claim = NULL, due_at = NULL, ended = $4, ended_at = $5, trouble = $6");
        let (item, attempt, ended) = (&claim.item, claim.attempt, Ended::GivenUp);
        let values = values![tenant, item, attempt, ended, now, trouble];
        Ok(self.0.write(GIVE_UP, values).await? == 1)
    }

    async fn revive(&self, tenant: &TenantId, id: &ItemId, due_at: Timestamp) -> PortResult<bool> {
        const REVIVE: &str = "UPDATE auth_outbox SET due_at = $3, ended = NULL, ended_at = NULL \
            WHERE tenant = $1 AND id = $2 AND ended = $4";
        let values = values![tenant, id, due_at, Ended::GivenUp];
        Ok(self.0.write(REVIVE, values).await? == 1)
    }

    async fn list_given_up(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> PortResult<Page<Item>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_outbox WHERE tenant = $1 AND ended = $2 AND id > $3 ORDER BY id LIMIT $4"
        );
        let parts = ["outbox.list_given_up", tenant.as_str()];
        let list = List::new(&parts, request);
        let after: Option<ItemId> = list.after()?;
        let after = after.as_ref().map_or("", ItemId::as_str);
        let values = values![tenant, Ended::GivenUp, after, list.rows()];
        let rows = self.0.rows("item", LIST, values).await?;
        let items: Vec<Item> = rows.iter().map(item).collect::<PortResult<_>>()?;
        list.page(items, |item| item.id.clone())
    }

    async fn sweep(
        &self,
        tenant: &TenantId,
        ended: Ended,
        until: Timestamp,
        at_most: u32,
    ) -> PortResult<u64> {
        const SELECT: &str = "SELECT id FROM auth_outbox \
            WHERE tenant = $1 AND ended = $2 AND ended_at <= $3 ORDER BY ended_at, id LIMIT $4";
        // In the order of the index, as with those that are due.
        const LEFT: &str = "SELECT 1 FROM auth_outbox \
            WHERE tenant = $1 AND ended = $2 AND ended_at <= $3 ORDER BY ended_at, id LIMIT 1";
        // As with sessions: selected before. What is locked is asked again whether it has ended so, in
        // case that somebody revived it, and nobody can until it is gone.
        let sql = format!(
            "WITH chosen AS ({}) DELETE FROM auth_outbox \
             WHERE tenant = $1 AND id IN (SELECT id FROM chosen)",
            self.0.dialect().locking(SELECT)
        );
        let at_most = u64::from(at_most);
        let mut swept = 0;
        while swept < at_most {
            let rest = i64::try_from(at_most - swept).unwrap_or(i64::MAX);
            let values = values![tenant, ended, until, rest];
            swept += self.0.write(sql.clone(), values).await?;
            // Another sweeper may have taken what was selected: fewer than asked for must mean that
            // none is left.
            let left = values![tenant, ended, until];
            if swept < at_most && self.0.row("item", LEFT, left).await?.is_none() {
                break;
            }
        }
        Ok(swept)
    }
}
