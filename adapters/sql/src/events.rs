//! The events port.
//!
//! # Why positions come from a locked row
//!
//! A reader that tails the log remembers the last position that it saw. With positions from a
//! sequence of the database (`bigserial`), 7 may be committed before 6: the reader sees 7, goes on
//! after it, and never sees 6. So the transaction that appends locks the tenant's row in
//! `auth_event_logs` before it takes positions, and holds it until it is committed: the next one gets
//! its positions when those before are visible. What is undone has given its positions back, so that
//! there are no gaps.
//!
//! The price is that the appends of one tenant are committed one after another. Those of different
//! tenants do not wait for each other, and reads wait for nothing.

use async_trait::async_trait;
use portproof_ports::{
    Event, EventBatch, EventFilter, EventId, EventKinds, EventStore, EventSubjects, ExpectedHead,
    NewEvent, Page, PageRequest, PortError, PortResult, Position, Sequence, StreamId, TenantId,
    Timestamp, Window,
};

use crate::{
    backend::Statement,
    batch::{padded, pieces, tuples},
    database::{Database, Tx},
    failure::Failure,
    paging::List,
    value::{Row, Value, values},
};

/// Events in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlEventStore(pub(crate) Database);

macro_rules! columns {
    () => {
        "position, id, stream, sequence, kind, subject, occurred_at, recorded_at, payload"
    };
}

fn event(row: &Row) -> PortResult<Event> {
    Ok(Event {
        position: row.get(0)?,
        id: row.get(1)?,
        stream: row.get(2)?,
        sequence: row.get(3)?,
        kind: row.get(4)?,
        subject: row.get(5)?,
        occurred_at: row.get(6)?,
        recorded_at: row.get(7)?,
        payload: row.get(8)?,
    })
}

fn events(rows: &[Row]) -> PortResult<Vec<Event>> {
    rows.iter().map(event).collect()
}

/// The values of an event's row.
fn event_values(tenant: &TenantId, event: &Event) -> Vec<Value> {
    values![
        tenant,
        event.position,
        &event.id,
        &event.stream,
        event.sequence,
        &event.kind,
        event.subject.as_ref(),
        event.occurred_at,
        event.recorded_at,
        &event.payload
    ]
}

/// Locks the tenant's log, and answers the last position that was given out in it, if it has a log.
pub(crate) async fn lock_log(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
) -> Result<Option<Position>, Failure> {
    const LOCK: &str = "SELECT last_position FROM auth_event_logs WHERE tenant = $1";
    let rows = tx.lock("event log", LOCK, values![tenant]).await?;
    Ok(rows.first().map(|row| row.get(0)).transpose()?)
}

/// The same, with a new log where there is none.
async fn lock_or_create_log(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Position, Failure> {
    const CREATE: &str = "INSERT INTO auth_event_logs (tenant, last_position) VALUES ($1, 0) \
        ON CONFLICT (tenant) DO NOTHING";
    if let Some(last) = lock_log(tx, tenant).await? {
        return Ok(last);
    }
    tx.write(CREATE, values![tenant]).await?;
    // Somebody else may have created it, and a purge have removed it since.
    lock_log(tx, tenant).await?.ok_or(Failure::Conflict)
}

/// The stored events with the batch's ids.
async fn with_ids(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    batch: &EventBatch,
) -> Result<Vec<Event>, Failure> {
    const WITH_IDS: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM auth_events WHERE tenant = $1 AND id IN (VALUES {rows})"
    );
    let ids = padded(batch.events());
    let sql = WITH_IDS.replace("{rows}", &tuples(2, 1, ids.len()));
    let mut values = values![tenant];
    values.extend(ids.map(|new| Value::from(&new.id)));
    Ok(events(&tx.rows("event", sql, values).await?)?)
}

const HEAD: &str = "SELECT head FROM auth_event_streams WHERE tenant = $1 AND stream = $2";

/// Stores the events, the stream's head and the log's last position.
async fn store(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    stream: &StreamId,
    appended: &[Event],
) -> Result<(), Failure> {
    const ADD: &str = concat!(
        "INSERT INTO auth_events (tenant, ",
        columns!(),
        ") VALUES {rows}"
    );
    const SET_HEAD: &str = "INSERT INTO auth_event_streams (tenant, stream, head) \
        VALUES ($1, $2, $3) ON CONFLICT (tenant, stream) DO UPDATE SET head = excluded.head";
    const SET_LAST: &str = "UPDATE auth_event_logs SET last_position = $2 WHERE tenant = $1";
    for piece in pieces(appended) {
        let sql = ADD.replace("{rows}", &tuples(1, 10, piece.len()));
        let values = piece.iter().flat_map(|event| event_values(tenant, event));
        tx.write(sql, values.collect()).await?;
    }
    if let Some(last) = appended.last() {
        tx.write(SET_HEAD, values![tenant, stream, last.sequence])
            .await?;
        tx.write(SET_LAST, values![tenant, last.position]).await?;
    }
    Ok(())
}

/// The events that are made of `new` ones behind these.
fn numbered(
    new: &[NewEvent],
    stream: &StreamId,
    head: Option<Sequence>,
    last: Position,
    now: Timestamp,
) -> Vec<Event> {
    let mut sequence = head.map_or(Sequence::FIRST, Sequence::next);
    let mut position = last.next();
    let mut numbered = Vec::with_capacity(new.len());
    for new in new {
        numbered.push(Event {
            id: new.id.clone(),
            stream: stream.clone(),
            sequence,
            position,
            kind: new.kind.clone(),
            subject: new.subject.clone(),
            occurred_at: new.occurred_at,
            recorded_at: now,
            payload: new.payload.clone(),
        });
        (sequence, position) = (sequence.next(), position.next());
    }
    numbered
}

/// The rows that a filter means, as conditions: the first placeholder is the tenant, and the second a
/// position that they are behind.
fn meant(tenant: &TenantId, filter: &EventFilter, after: Position) -> (String, Vec<Value>) {
    let mut sql = String::from("FROM auth_events WHERE tenant = $1 AND position > $2");
    let mut values = values![tenant, after];
    let mut bind = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {condition} ${}", values.len()));
    };
    if let EventKinds::Only(kind) = &filter.kinds {
        bind("kind =", kind.into());
    }
    if let EventSubjects::Only(subject) = &filter.subjects {
        bind("subject =", subject.into());
    }
    if let Some(from) = filter.during.from() {
        bind("occurred_at >=", from.into());
    }
    if let Some(until) = filter.during.until() {
        bind("occurred_at <", until.into());
    }
    if filter.subjects == EventSubjects::Nobody {
        sql.push_str(" AND subject IS NULL");
    }
    (sql, values)
}

#[async_trait]
impl EventStore for SqlEventStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn append(
        &self,
        tenant: &TenantId,
        stream: &StreamId,
        expected: ExpectedHead,
        batch: &EventBatch,
        now: Timestamp,
    ) -> PortResult<Vec<Event>> {
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let last = lock_or_create_log(tx, tenant).await?;
                    let stored = with_ids(tx, tenant, batch).await?;
                    if let Some(retried) = batch.retried(stream, stored)? {
                        return Ok(retried);
                    }
                    let head = tx
                        .row("event stream", HEAD, values![tenant, stream])
                        .await?;
                    let head = head.map(|row| row.get(0)).transpose()?;
                    if !expected.holds(head) {
                        return Err(PortError::stale("stream").into());
                    }
                    let appended = numbered(batch.events(), stream, head, last, now);
                    store(tx, tenant, stream, &appended).await?;
                    Ok(appended)
                })
            })
            .await
    }

    async fn get(&self, tenant: &TenantId, id: &EventId) -> PortResult<Option<Event>> {
        const GET: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_events WHERE tenant = $1 AND id = $2"
        );
        let row = self.0.row("event", GET, values![tenant, id]).await?;
        row.as_ref().map(event).transpose()
    }

    async fn head(&self, tenant: &TenantId, stream: &StreamId) -> PortResult<Option<Sequence>> {
        let values = values![tenant, stream];
        let row = self.0.row("event stream", HEAD, values).await?;
        row.map(|row| row.get(0)).transpose()
    }

    async fn read(
        &self,
        tenant: &TenantId,
        stream: &StreamId,
        from: Sequence,
        request: &PageRequest,
    ) -> PortResult<Page<Event>> {
        const READ: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_events WHERE tenant = $1 AND stream = $2 AND sequence >= $3 \
             ORDER BY sequence LIMIT $4"
        );
        let beginning = from.get().to_string();
        let parts = ["events.read", tenant.as_str(), stream.as_str(), &beginning];
        let list = List::new(&parts, request);
        let from = list.after()?.map_or(from, Sequence::next);
        let values = values![tenant, stream, from, list.rows()];
        let rows = self.0.rows("event", READ, values).await?;
        list.page(events(&rows)?, |event| event.sequence)
    }

    async fn read_all(
        &self,
        tenant: &TenantId,
        after: Position,
        request: &PageRequest,
    ) -> PortResult<Page<Event>> {
        const READ_ALL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_events WHERE tenant = $1 AND position > $2 ORDER BY position LIMIT $3"
        );
        let beginning = after.get().to_string();
        let parts = ["events.read_all", tenant.as_str(), &beginning];
        let list = List::new(&parts, request);
        let after = list.after()?.unwrap_or(after);
        let values = values![tenant, after, list.rows()];
        let rows = self.0.rows("event", READ_ALL, values).await?;
        list.page(events(&rows)?, |event| event.position)
    }

    async fn query(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        request: &PageRequest,
    ) -> PortResult<Page<Event>> {
        let text = serde_json::to_string(filter)
            .map_err(|_| PortError::Backend("a filter is not JSON".into()))?;
        let parts = ["events.query", tenant.as_str(), &text];
        let list = List::new(&parts, request);
        let after = list.after()?.unwrap_or(Position::START);
        let (meant, mut values) = meant(tenant, filter, after);
        values.push(list.rows().into());
        let limit = values.len();
        // Those about nobody are all alike by it, and Postgres follows its index only when told so.
        let order = match filter.subjects {
            EventSubjects::Nobody => "subject, position",
            EventSubjects::Every | EventSubjects::Only(_) => "position",
        };
        let columns = columns!();
        let sql = format!("SELECT {columns} {meant} ORDER BY {order} LIMIT ${limit}");
        let mut statement = Statement::new(sql, values);
        // A short time has few events, and is found by when they occurred; in a long one it is the next
        // positions that are few.
        if filter.during != Window::ALWAYS {
            statement = statement.planned_by_values();
        }
        let rows = self.0.read("event", statement).await?;
        list.page(events(&rows)?, |event| event.position)
    }

    async fn count(&self, tenant: &TenantId, filter: &EventFilter) -> PortResult<u64> {
        let (meant, values) = meant(tenant, filter, Position::START);
        let sql = format!("SELECT count(*) {meant}");
        let row = self.0.row("event", sql, values).await?;
        row.ok_or(PortError::corrupt("event"))?.get(0)
    }

    async fn prune(&self, tenant: &TenantId, before: Timestamp, at_most: u32) -> PortResult<u64> {
        const SELECT: &str = "SELECT position FROM auth_events \
            WHERE tenant = $1 AND occurred_at < $2 ORDER BY occurred_at, position LIMIT $3";
        const LEFT: &str = "SELECT 1 FROM auth_events \
            WHERE tenant = $1 AND occurred_at < $2 ORDER BY occurred_at, position LIMIT 1";
        // What was selected is still old enough: events do not change, and positions do not come back.
        let sql = format!(
            "WITH chosen AS ({}) DELETE FROM auth_events \
             WHERE tenant = $1 AND position IN (SELECT position FROM chosen)",
            self.0.dialect().locking(SELECT)
        );
        let at_most = u64::from(at_most);
        let mut pruned = 0;
        // Somebody else may have pruned what was selected: fewer than asked for must mean that none
        // is left.
        while pruned < at_most {
            let rest = i64::try_from(at_most - pruned).unwrap_or(i64::MAX);
            let values = values![tenant, before, rest];
            pruned += self.0.write(sql.clone(), values).await?;
            let left = self.0.row("event", LEFT, values![tenant, before]).await?;
            if left.is_none() {
                break;
            }
        }
        Ok(pruned)
    }
}
