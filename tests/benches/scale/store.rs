//! Stores of a size: made, loaded, and opened as an engine opens them.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use portproof_database::Server;
use portproof_ports::{
    AssignmentStore, CodeStore, CredentialStore, Cursor, EntityKind, EntityStore, EventFilter,
    EventStore, IdentityFilter, IdentityId, IdentityStore, ObjectId, ObjectRef, ObjectType,
    OrganizationId, OrganizationStore, OutboxStore, Page, PageRequest, PortResult, Ports,
    RefreshTokenStore, RelationshipStore, RoleId, Sequence, SessionStore, StreamId, SubjectId,
    SubjectRef, TenantId, WhichRelations, WhichTypes,
};
use portproof_postgres::PostgresAdapter;
use portproof_sqlite::SqliteAdapter;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use crate::{
    rows::{BIGGEST, HEAVY, NOW, Rows, Sql},
    workloads::about,
};

pub(crate) type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where stores are made.
pub(crate) enum Place {
    /// In files of this folder.
    Sqlite(TempDir),
    /// In databases of this server.
    Postgres(Server),
}

impl Place {
    pub(crate) fn sqlite() -> Done<Self> {
        let folder = tempfile::Builder::new()
            .prefix("portproof-scale-")
            .tempdir()?;
        Ok(Self::Sqlite(folder))
    }

    pub(crate) async fn postgres() -> Done<Self> {
        Ok(Self::Postgres(portproof_database::postgres().await?))
    }

    /// A store with so many rows.
    pub(crate) async fn store(&self, rows: Rows) -> Done<Store> {
        let began = Instant::now();
        let ports = match self {
            Self::Sqlite(folder) => {
                let file = folder.path().join(format!("{}.sqlite", rows.0));
                SqliteAdapter::options(&file).open().await?;
                // Quick, and of no use when it is cut off. The adapter sets what it needs again.
                let options = SqliteConnectOptions::new()
                    .filename(&file)
                    .foreign_keys(false)
                    .journal_mode(SqliteJournalMode::Off)
                    .synchronous(SqliteSynchronous::Off)
                    .pragma("cache_size", "-1000000");
                load_sqlite(&mut alone(&options).await?, rows).await?;
                SqliteAdapter::options(&file).open().await?.ports()
            }
            Self::Postgres(server) => {
                let url = server.fresh_database().await?;
                PostgresAdapter::options(&url).connect().await?;
                load_postgres(&mut PgConnection::connect(&url).await?, rows).await?;
                PostgresAdapter::options(&url).connect().await?.ports()
            }
        };
        let store = Store::over(ports, rows).await?;
        println!(
            "  {} rows were there after {:.0} s",
            rows.0,
            began.elapsed().as_secs_f64()
        );
        Ok(store)
    }
}

/// A connection to a file that nobody else has open any more. An adapter that was dropped closes its
/// own a little later; the journal's mode changes only then, and SQLite does not wait for that.
async fn alone(options: &SqliteConnectOptions) -> Done<SqliteConnection> {
    let began = Instant::now();
    loop {
        match options.connect().await {
            Err(_) if began.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            connected => return Ok(connected?),
        }
    }
}

async fn load_sqlite(connection: &mut SqliteConnection, rows: Rows) -> Done<()> {
    let mut transaction = connection.begin().await?;
    for sql in Sql::Sqlite.load(rows) {
        transaction.execute(AssertSqlSafe(sql)).await?;
    }
    transaction.commit().await?;
    connection.execute("ANALYZE").await?;
    Ok(())
}

async fn load_postgres(connection: &mut PgConnection, rows: Rows) -> Done<()> {
    // Loads quicker, and takes a right that not everybody has: the rows refer to each other rightly.
    let without_checks = "SET session_replication_role = replica";
    if connection.execute(without_checks).await.is_err() {
        println!("  the references of what is loaded are checked, which takes longer");
    }
    for sql in Sql::Postgres.load(rows) {
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    connection.execute("VACUUM ANALYZE").await?;
    connection.execute("CHECKPOINT").await?;
    Ok(())
}

/// A store with rows.
pub(crate) struct Store {
    pub(crate) rows: Rows,
    pub(crate) identity: Arc<dyn IdentityStore>,
    pub(crate) session: Arc<dyn SessionStore>,
    pub(crate) credentials: Arc<dyn CredentialStore>,
    pub(crate) assignments: Arc<dyn AssignmentStore>,
    pub(crate) codes: Arc<dyn CodeStore>,
    pub(crate) refresh_tokens: Arc<dyn RefreshTokenStore>,
    pub(crate) relationships: Arc<dyn RelationshipStore>,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) entities: Arc<dyn EntityStore>,
    pub(crate) organizations: Arc<dyn OrganizationStore>,
    pub(crate) outbox: Arc<dyn OutboxStore>,
    /// The first page of a list.
    pub(crate) first: PageRequest,
    pub(crate) middle: Middles,
    /// Who or what has many rows.
    pub(crate) heavy: Heavy,
}

/// Who or what has many rows, in which tenant.
pub(crate) struct Heavy {
    pub(crate) tenant: TenantId,
    pub(crate) identity: IdentityId,
    pub(crate) subject: SubjectId,
    pub(crate) role: RoleId,
    pub(crate) user: SubjectRef,
    pub(crate) document: ObjectRef,
    pub(crate) stream: StreamId,
    pub(crate) events: EventFilter,
    pub(crate) kind: EntityKind,
    pub(crate) organization: OrganizationId,
}

macro_rules! middles {
    ($($name:ident: |$store:ident, $page:ident| $list:expr;)*) => {
        /// Pages in the middle of long lists.
        pub(crate) struct Middles {$(
            pub(crate) $name: PageRequest,
        )*}

        impl Middles {
            /// What is there before they are found.
            fn unknown(first: &PageRequest) -> Self {
                Self { $($name: first.clone(),)* }
            }

            async fn of(store: &Store) -> Done<Self> {
                $(
                    let $store = store;
                    let $name = middle(store.rows, async |$page| $list.await).await?;
                )*
                Ok(Self { $($name,)* })
            }
        }
    };
}

middles! {
    identities: |s, page| s.identity.list(&s.heavy.tenant, &IdentityFilter::Every, &page);
    sessions: |s, page| s.session.list_of(&s.heavy.tenant, &s.heavy.identity, NOW, &page);
    families: |s, page| s.refresh_tokens.list_of(&s.heavy.tenant, &s.heavy.identity, NOW, &page);
    grants: |s, page| s.assignments.grants_of(&s.heavy.tenant, &s.heavy.subject, &page);
    holders: |s, page| s.assignments.holders_of(&s.heavy.tenant, &s.heavy.role, &page);
    edges_from: |s, page| s.relationships.from(
        &s.heavy.tenant, &s.heavy.user, &WhichRelations::Every, &WhichTypes::Every, NOW, &page
    );
    edges_to: |s, page| s.relationships.to(
        &s.heavy.tenant, &s.heavy.document, &WhichRelations::Every, &WhichTypes::Every, NOW, &page
    );
    stream: |s, page| s.events.read(&s.heavy.tenant, &s.heavy.stream, Sequence::FIRST, &page);
    events: |s, page| s.events.query(&s.heavy.tenant, &s.heavy.events, &page);
    entities: |s, page| s.entities.list(&s.heavy.tenant, &s.heavy.kind, &page);
    organizations: |s, page| s.organizations.list(&s.heavy.tenant, &page);
    members: |s, page| s.organizations.members_of(&s.heavy.tenant, &s.heavy.organization, &page);
    memberships: |s, page| s.organizations.organizations_of(&s.heavy.tenant, &s.heavy.identity, &page);
    invitations: |s, page| s.organizations.invitations_of(
        &s.heavy.tenant, &s.heavy.organization, NOW, &page
    );
    given_up: |s, page| s.outbox.list_given_up(&s.heavy.tenant, &page);
}

/// How many a page of a list has that is measured.
const PAGE: u16 = 20;

impl Heavy {
    fn new() -> Done<Self> {
        let object = |kind: &str| -> Done<ObjectRef> {
            Ok(ObjectRef {
                kind: ObjectType::new(kind)?,
                id: ObjectId::new(HEAVY)?,
            })
        };
        Ok(Self {
            tenant: TenantId::new(BIGGEST)?,
            identity: IdentityId::new(HEAVY)?,
            subject: SubjectId::new(HEAVY)?,
            role: RoleId::new("role-0")?,
            user: SubjectRef::Object(object("user")?),
            document: object("document")?,
            stream: StreamId::new(HEAVY)?,
            events: about(&SubjectId::new(HEAVY)?),
            kind: EntityKind::new(HEAVY)?,
            organization: OrganizationId::new(HEAVY)?,
        })
    }
}

impl Store {
    async fn over(ports: Ports, rows: Rows) -> Done<Self> {
        let missing = || "the adapter lacks a port";
        let first = PageRequest::first(PAGE)?;
        let mut store = Self {
            rows,
            identity: ports.identity.ok_or_else(missing)?,
            session: ports.session.ok_or_else(missing)?,
            credentials: ports.credentials.ok_or_else(missing)?,
            assignments: ports.assignments.ok_or_else(missing)?,
            codes: ports.codes.ok_or_else(missing)?,
            refresh_tokens: ports.refresh_tokens.ok_or_else(missing)?,
            relationships: ports.relationships.ok_or_else(missing)?,
            events: ports.events.ok_or_else(missing)?,
            entities: ports.entities.ok_or_else(missing)?,
            organizations: ports.organizations.ok_or_else(missing)?,
            outbox: ports.outbox.ok_or_else(missing)?,
            middle: Middles::unknown(&first),
            first,
            heavy: Heavy::new()?,
        };
        store.middle = Middles::of(&store).await?;
        Ok(store)
    }
}

/// The page in the middle of a list, which is found by reading all of it.
async fn middle<T>(
    rows: Rows,
    list: impl AsyncFn(PageRequest) -> PortResult<Page<T>>,
) -> Done<PageRequest> {
    let walk = PageRequest::first(u16::try_from(rows.0 / 1000)?.clamp(1, 1000))?;
    let mut cursors: Vec<Cursor> = Vec::new();
    let mut page = list(walk.clone()).await?;
    while let Some(next) = page.next {
        page = list(walk.following(next.clone())).await?;
        cursors.push(next);
    }
    let middle = cursors.len() / 2;
    let middle = cursors.into_iter().nth(middle);
    Ok(PageRequest::first(PAGE)?.following(middle.ok_or("a list has no middle")?))
}
