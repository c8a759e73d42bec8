//! Mutants of the session port.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    Cursor, NewSession, Page, PageRequest, Port, PortError, PortResult, Ports, Session,
    SessionDigest, SessionStore, SessionStoreAnswer as Answer, SessionStoreCall as Call, Span,
    TenantId, Timestamp,
    serde::{Serialize, de::DeserializeOwned},
};

mod ends;
mod found;
mod lists;
mod records;
mod rotations;
mod sweeps;
mod touches;
mod updates;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [
        records::mutants(),
        found::mutants(),
        updates::mutants(),
        touches::mutants(),
        rotations::mutants(),
        ends::mutants(),
        sweeps::mutants(),
        lists::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A mutant whose session port answers calls as `fault` says.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes = Arc::default();
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.session = ports
            .session
            .map(|port| with_fault(port, &notes, fault.clone()));
        ports
    })
}

/// A mutant of which each handle keeps notes to itself, as a process keeps its cache.
fn mutant_per_handle<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.session = ports
            .session
            .map(|port| with_fault(port, &Arc::default(), fault.clone()));
        ports
    })
}

/// A mutant that asks the right adapter for something else.
fn asks(id: &'static str, breaks: &'static str, change: fn(Call) -> Call) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        table.call(change(call)).await
    })
}

/// A mutant that tells something else than the right adapter answers.
fn tells(
    id: &'static str,
    breaks: &'static str,
    change: fn(&Call, PortResult<Answer>) -> PortResult<Answer>,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let answer = table.call(call.clone()).await;
        change(&call, answer)
    })
}

/// A mutant that stores something else than what it is given.
fn stores(id: &'static str, breaks: &'static str, change: fn(&mut NewSession)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, mut call| async move {
        if let Call::Create { session, .. } = &mut call {
            change(session);
        }
        table.call(call).await
    })
}

fn with_fault<F, A>(
    port: Arc<dyn SessionStore>,
    notes: &Arc<Mutex<Notes>>,
    fault: F,
) -> Arc<dyn SessionStore>
where
    F: Fn(Table, Call) -> A + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes = Arc::clone(notes);
    faulty(port, move |store, call| {
        let table = Table {
            store,
            notes: Arc::clone(&notes),
        };
        table.note_ids(&call);
        fault(table, call)
    })
}

type Key = (TenantId, SessionDigest);

/// What a mutant knows of the calls before.
#[derive(Default)]
struct Notes {
    /// Every id that a session may be stored under.
    ids: BTreeSet<Key>,
    /// An index, a cache or a bin that a mutant keeps beside the table.
    beside: BTreeMap<Key, Session>,
    /// What a mutant believes not to be there.
    missing: BTreeSet<Key>,
}

/// What a mutant stands on: the right adapter, seen as a table that statements go wrong on.
#[derive(Clone)]
struct Table {
    store: Arc<dyn SessionStore>,
    notes: Arc<Mutex<Notes>>,
}

impl Table {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_ids(&self, call: &Call) {
        if let Call::Create {
            tenant,
            session: NewSession { id, .. },
            ..
        }
        | Call::Rotate {
            tenant, new: id, ..
        } = call
        {
            self.notes().ids.insert((tenant.clone(), id.clone()));
        }
    }

    /// What the right adapter answers.
    async fn call(&self, call: Call) -> PortResult<Answer> {
        self.store.call(call).await
    }

    fn tenants(&self) -> BTreeSet<TenantId> {
        let notes = self.notes();
        notes.ids.iter().map(|(tenant, _)| tenant.clone()).collect()
    }

    /// A stored session, live or not.
    async fn row(&self, tenant: &TenantId, id: &SessionDigest) -> PortResult<Option<Session>> {
        self.store.get(tenant, id, Timestamp::MIN).await
    }

    /// All stored sessions of a tenant, live or not, in the order of lists.
    async fn rows(&self, tenant: &TenantId) -> PortResult<Vec<Session>> {
        let ids: Vec<SessionDigest> = {
            let notes = self.notes();
            let theirs = notes.ids.iter().filter(|(of, _)| of == tenant);
            theirs.map(|(_, id)| id.clone()).collect()
        };
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(self.row(tenant, &id).await?);
        }
        rows.sort_by_key(place);
        Ok(rows)
    }

    /// Writes a session as it is, whatever is there.
    async fn put(&self, tenant: &TenantId, session: &Session) -> PortResult<Session> {
        self.store.revoke(tenant, &session.id).await?;
        self.notes()
            .ids
            .insert((tenant.clone(), session.id.clone()));
        let given = new_of(session);
        let mut stored = self.store.create(tenant, given, session.created_at).await?;
        while stored.version < session.version {
            let (id, data, now) = (&session.id, session.data.clone(), stored.seen_at);
            stored = self
                .store
                .update(tenant, id, stored.version, data, now)
                .await?;
        }
        while stored.seen_at < session.seen_at {
            // Not beyond its end, which a touch would find.
            let last = stored.expires_at.before(Span::MICROSECOND);
            let now = session.seen_at.min(last);
            match self.store.touch(tenant, &session.id, now).await? {
                Some(touched) if touched.seen_at > stored.seen_at => stored = touched,
                _ => break,
            }
        }
        Ok(stored)
    }

    /// Removes the tenant's sessions that `what` holds for; answers how many.
    async fn remove(
        &self,
        tenant: &TenantId,
        what: impl Fn(&Session) -> bool + Send,
    ) -> PortResult<u64> {
        let mut removed = 0;
        for row in self.rows(tenant).await? {
            if what(&row) {
                removed += u64::from(self.store.revoke(tenant, &row.id).await?);
            }
        }
        Ok(removed)
    }
}

/// Where a session stands in lists.
fn place(session: &Session) -> (Timestamp, SessionDigest) {
    (session.created_at, session.id.clone())
}

/// What a session was created from.
fn new_of(session: &Session) -> NewSession {
    NewSession {
        id: session.id.clone(),
        identity: session.identity.clone(),
        idle: session.idle,
        ends_at: session.ends_at,
        data: session.data.clone(),
    }
}

/// A session that is seen at `now`.
fn seen_at(session: Session, now: Timestamp) -> Session {
    Session {
        seen_at: now,
        expires_at: Session::expiry(now, session.idle, session.ends_at),
        ..session
    }
}

/// Lets all others run who are on their way: what comes after was decided before they did.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// The tenant of a call.
fn tenant_of(call: &mut Call) -> Option<&mut TenantId> {
    match call {
        Call::Ready {} => None,
        Call::Create { tenant, .. }
        | Call::Get { tenant, .. }
        | Call::Touch { tenant, .. }
        | Call::Update { tenant, .. }
        | Call::Rotate { tenant, .. }
        | Call::Revoke { tenant, .. }
        | Call::RevokeAllOf { tenant, .. }
        | Call::ListOf { tenant, .. }
        | Call::Sweep { tenant, .. } => Some(tenant),
    }
}

/// An answer with each session in it changed.
fn each(mut answer: Answer, change: impl Fn(&mut Session)) -> Answer {
    match &mut answer {
        Answer::Create(session) | Answer::Update(session) => change(session),
        Answer::Get(session) | Answer::Touch(session) | Answer::Rotate(session) => {
            session.iter_mut().for_each(change);
        }
        Answer::ListOf(page) => page.items.iter_mut().for_each(change),
        _ => {}
    }
    answer
}

/// The session that an answer is about.
fn session_in(answer: &Answer) -> Option<&Session> {
    match answer {
        Answer::Create(session) | Answer::Update(session) => Some(session),
        Answer::Get(session) | Answer::Touch(session) | Answer::Rotate(session) => session.as_ref(),
        _ => None,
    }
}

/// Whether an answer says that there was nothing.
fn is_nothing(answer: &PortResult<Answer>) -> bool {
    match answer {
        Ok(Answer::Get(None) | Answer::Touch(None) | Answer::Rotate(None))
        | Ok(Answer::Revoke(false) | Answer::RevokeAllOf(0) | Answer::Sweep(0))
        | Err(PortError::NotFound(_)) => true,
        Ok(Answer::ListOf(page)) => page.items.is_empty(),
        _ => false,
    }
}

/// The page of a whole list whose cursor is the number of items before it.
fn page_by_offset(rows: &[Session], request: &PageRequest) -> PortResult<Answer> {
    let begin = match request.cursor() {
        Some(cursor) => cursor.open(&["offset"])?,
        None => 0,
    };
    let end = (begin + usize::from(request.limit())).min(rows.len());
    let more = end < rows.len();
    Ok(Answer::ListOf(Page {
        items: rows.get(begin..end).unwrap_or_default().to_vec(),
        next: more.then(|| Cursor::seal(&["offset"], &end)).transpose()?,
    }))
}

/// The page of a whole list whose cursor is the key of the last item before it, sealed for `list`.
fn page_by_key<K: Ord + Serialize + DeserializeOwned>(
    rows: Vec<Session>,
    request: &PageRequest,
    list: &[&str],
    key: fn(&Session) -> K,
) -> PortResult<Answer> {
    let mut rest = rows;
    if let Some(cursor) = request.cursor() {
        let last: K = cursor.open(list)?;
        rest.retain(|session| key(session) > last);
    }
    let more = rest.len() > usize::from(request.limit());
    rest.truncate(usize::from(request.limit()));
    let next = match rest.last() {
        Some(last) if more => Some(Cursor::seal(list, &key(last))?),
        _ => None,
    };
    Ok(Answer::ListOf(Page { items: rest, next }))
}
