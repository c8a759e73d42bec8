//! How quick an adapter's calls are beside the same statements through raw sqlx.
//!
//! `cargo bench -p portproof-tests --bench adapter -- [--calls 400] [--rounds 15] [part of a name]`
//!
//! Both have a pool of the same size on the same rows, with prepared statements, and sqlx's does not
//! test its connections before it lends them. They take turns in one process, so that whatever else
//! the machine does slows both down: a ratio is the median over the rounds. 1 is as quick as sqlx, and
//! more is quicker. A line `ratio <adapter>.<call>.<clients> <value>` for each is for programs.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use portproof_ports::{
    AssignmentStore, BoundTo, ClientId, CodeDigest, CodeKind, CodeStore, Consumed, Document,
    Expected, FamilyId, GrantScope, IdentityId, NewCode, NewFamily, NewGrant, NewSession,
    PageRequest, PolicyStore, Ports, RefreshDigest, RefreshTokenStore, RoleDraft, RoleId, Rotation,
    SessionDigest, SessionStore, Span, SubjectId, TenantId, Text, Timestamp, Window,
};
use portproof_postgres::PostgresAdapter;
use portproof_sqlite::SqliteAdapter;
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

mod raw;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Call = Pin<Box<dyn Future<Output = Done<()>> + Send>>;

/// How many connections both have; SQLite has one more that writes.
const CONNECTIONS: u16 = 8;
const TENANT: &str = "tenant";
const CLIENT: &str = "app";
const CODES: &str = "authorization_code";
/// How many roles a subject holds.
const GRANTS: u64 = 5;
/// Instants, in microseconds since 1970: when everything was stored, and when it is called.
const STORED: i64 = 1_800_000_000_000_000;
const NOW: i64 = STORED + 60_000_000;
const DATA: &str =
    r#"{"device":"Firefox on Linux","address":"203.0.113.7","scopes":["openid","profile"]}"#;

fn main() -> ExitCode {
    let measured = Wanted::of_arguments().and_then(|wanted| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(measure(&wanted))
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What to measure.
struct Wanted {
    /// How many calls a round makes on either side.
    calls: u64,
    rounds: u64,
    part: String,
}

impl Wanted {
    fn of_arguments() -> Done<Self> {
        let (calls, rounds) = (400, 15);
        let part = String::new();
        let mut wanted = Self {
            calls,
            rounds,
            part,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // What cargo says to every benchmark.
                "--bench" => {}
                "--calls" => wanted.calls = value()?.parse()?,
                "--rounds" => wanted.rounds = value()?.parse()?,
                part if !part.starts_with('-') => part.clone_into(&mut wanted.part),
                other => return Err(format!("there is no {other}").into()),
            }
        }
        Ok(wanted)
    }

    /// How many rows there must be for calls that use one up: both sides, with one client and with
    /// several, and some to begin with.
    const fn rows(&self) -> u64 {
        4 * self.calls * (self.rounds + 1)
    }
}

async fn measure(wanted: &Wanted) -> Done<()> {
    println!(
        "microseconds a call, medians of {} rounds; ratio: sqlx by adapter",
        wanted.rounds
    );
    println!(
        "{:<36} {:>8} {:>8} {:>7}",
        "call, clients", "adapter", "sqlx", "ratio"
    );
    let folder = tempfile::Builder::new()
        .prefix("portproof-adapter-")
        .tempdir()?;
    let file = folder.path().join("store.sqlite");
    let adapter = SqliteAdapter::options(&file)
        .readers(CONNECTIONS)
        .open()
        .await?;
    let both = Both::new(adapter.ports(), sqlite(&file).await?)?;
    both.measure("sqlite", wanted).await?;

    let server = portproof_database::postgres().await?;
    let url = server.fresh_database().await?;
    let adapter = PostgresAdapter::options(&url).pool_size(CONNECTIONS);
    let adapter = adapter.connect().await?;
    let both = Both::new(adapter.ports(), postgres(&url).await?)?;
    both.measure("postgres", wanted).await
}

/// Raw connections to a file that an adapter has made: several read, and one writes.
async fn sqlite(file: &std::path::Path) -> Done<raw::Sqlite> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = |connections: u16| {
        SqlitePoolOptions::new()
            .max_connections(connections.into())
            .test_before_acquire(false)
            .connect_with(options.clone())
    };
    let (readers, writer): (SqlitePool, SqlitePool) = (pool(CONNECTIONS).await?, pool(1).await?);
    Ok(raw::Sqlite { readers, writer })
}

/// Raw connections to a database that an adapter has made.
async fn postgres(url: &str) -> Done<raw::Postgres> {
    let options: PgConnectOptions = url.parse()?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS.into())
        .test_before_acquire(false);
    let options = options.options([("search_path", "portproof")]);
    let readers: PgPool = pool.connect_with(options).await?;
    let writer = readers.clone();
    Ok(raw::Postgres { readers, writer })
}

/// An adapter, and the raw statements on the same rows.
struct Both<R> {
    stores: Arc<Stores>,
    raw: Arc<R>,
}

/// The ports that are called.
struct Stores {
    tenant: TenantId,
    now: Timestamp,
    first: PageRequest,
    session: Arc<dyn SessionStore>,
    codes: Arc<dyn CodeStore>,
    refresh_tokens: Arc<dyn RefreshTokenStore>,
    assignments: Arc<dyn AssignmentStore>,
    policies: Arc<dyn PolicyStore>,
}

/// The key of a row.
fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The second token of a family.
fn next(number: u64) -> [u8; 9] {
    let mut next = [1; 9];
    next[..8].copy_from_slice(&key(number));
    next
}

fn named(number: u64) -> String {
    format!("{:08x}", number.wrapping_mul(2_654_435_761) % (1 << 32))
}

impl Stores {
    fn new(ports: Ports) -> Done<Self> {
        let missing = || "the adapter lacks a port";
        Ok(Self {
            tenant: TenantId::new(TENANT)?,
            now: Timestamp::from_micros(NOW)?,
            first: PageRequest::first(20)?,
            session: ports.session.ok_or_else(missing)?,
            codes: ports.codes.ok_or_else(missing)?,
            refresh_tokens: ports.refresh_tokens.ok_or_else(missing)?,
            assignments: ports.assignments.ok_or_else(missing)?,
            policies: ports.policies.ok_or_else(missing)?,
        })
    }

    /// Stores the row of a number in every table.
    async fn store(&self, number: u64) -> Done<()> {
        let (tenant, stored) = (&self.tenant, Timestamp::from_micros(STORED)?);
        let ends_at = stored.after(Span::days(30));
        let identity = IdentityId::new(named(number))?;
        let session = NewSession {
            id: SessionDigest::of(&key(number)),
            identity: Some(identity.clone()),
            idle: Some(Span::days(1)),
            ends_at,
            data: Document::from_json(DATA)?,
        };
        self.session.create(tenant, session, stored).await?;
        let code = NewCode {
            kind: CodeKind::new(CODES)?,
            id: CodeDigest::of(&key(number)),
            bound_to: BoundTo::Client(ClientId::new(CLIENT)?),
            identity: Some(identity.clone()),
            guesses: None,
            expires_at: ends_at,
            data: Document::from_json(DATA)?,
        };
        self.codes.put(tenant, code, stored).await?;
        let family = NewFamily {
            id: FamilyId::new(named(number))?,
            token: RefreshDigest::of(&key(number)),
            identity,
            client: ClientId::new(CLIENT)?,
            session: None,
            idle: Some(Span::days(1)),
            ends_at,
            data: Document::from_json(DATA)?,
        };
        self.refresh_tokens.issue(tenant, family, stored).await?;
        let grants = (0..GRANTS).map(|role| {
            Ok(NewGrant {
                subject: SubjectId::new(named(number))?,
                role: RoleId::new(format!("role-{role}"))?,
                scope: GrantScope::Global,
                window: Window::new(None, None)?,
            })
        });
        let grants = grants.collect::<Done<Vec<_>>>()?;
        self.assignments
            .assign_many(tenant, &grants, stored)
            .await?;
        Ok(())
    }

    async fn store_all(self: &Arc<Self>, rows: u64) -> Done<()> {
        for role in 0..GRANTS {
            let role = RoleDraft {
                id: RoleId::new(format!("role-{role}"))?,
                name: Text::new("role")?,
                description: None,
                permissions: Vec::new(),
                inherits: None,
                scope: None,
                metadata: None,
            };
            let saved = self
                .policies
                .save_role(&self.tenant, Expected::Anything, role, self.now);
            saved.await?;
        }
        let stores = Arc::clone(self);
        clients(8, 0..rows, move |number| {
            let stores = Arc::clone(&stores);
            Box::pin(async move { stores.store(number).await })
        })
        .await?;
        Ok(())
    }
}

/// Makes these calls, by so many clients that each wait for their answers; answers how long all took.
async fn clients(
    clients: u64,
    numbers: std::ops::Range<u64>,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Done<Duration> {
    let call = Arc::new(call);
    let began = Instant::now();
    let tasks = (0..clients).map(|client| {
        let (call, numbers) = (Arc::clone(&call), numbers.clone());
        tokio::spawn(async move {
            let step = usize::try_from(clients)?;
            for number in numbers.skip(usize::try_from(client)?).step_by(step) {
                call(number).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok(began.elapsed())
}

fn is(did: bool, what: &str) -> Done<()> {
    if did {
        Ok(())
    } else {
        Err(format!("{what} did not do what it should").into())
    }
}

/// A call that is measured.
#[derive(Clone, Copy, Debug)]
enum What {
    Get,
    Touch,
    Consume,
    Rotate,
    Grants,
}

impl What {
    const ALL: [Self; 5] = [
        Self::Get,
        Self::Touch,
        Self::Consume,
        Self::Rotate,
        Self::Grants,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "session.get",
            Self::Touch => "session.touch",
            Self::Consume => "codes.consume",
            Self::Rotate => "refresh_tokens.rotate",
            Self::Grants => "assignments.grants_of",
        }
    }
}

/// Who makes the calls.
trait Side: Send + Sync + 'static {
    /// The call on the row of this number, each of which is used up by one.
    fn call(self: Arc<Self>, what: What, number: u64) -> Call;
}

impl Side for Stores {
    fn call(self: Arc<Self>, what: What, number: u64) -> Call {
        Box::pin(async move {
            let (tenant, now) = (&self.tenant, self.now);
            let did = match what {
                What::Get => {
                    let id = SessionDigest::of(&key(number));
                    self.session.get(tenant, &id, now).await?.is_some()
                }
                What::Touch => {
                    let id = SessionDigest::of(&key(number));
                    self.session.touch(tenant, &id, now).await?.is_some()
                }
                What::Consume => {
                    let id = CodeDigest::of(&key(number));
                    let (kind, client) = (CodeKind::new(CODES)?, ClientId::new(CLIENT)?);
                    let bound_to = BoundTo::Client(client);
                    let consumed = self.codes.consume(tenant, &kind, &id, &bound_to, now);
                    matches!(consumed.await?, Consumed::First(_))
                }
                What::Rotate => {
                    let client = ClientId::new(CLIENT)?;
                    let old = RefreshDigest::of(&key(number));
                    let new = RefreshDigest::of(&next(number));
                    let tokens = &self.refresh_tokens;
                    let rotated = tokens.rotate(tenant, &client, &old, &new, None, now);
                    matches!(rotated.await?, Rotation::Rotated(_))
                }
                What::Grants => {
                    let subject = SubjectId::new(named(number))?;
                    let grants = self.assignments.grants_of(tenant, &subject, &self.first);
                    grants.await?.items.len() as u64 == GRANTS
                }
            };
            is(did, what.name())
        })
    }
}

impl<R: Side> Both<R> {
    fn new(ports: Ports, raw: R) -> Done<Self> {
        Ok(Self {
            stores: Arc::new(Stores::new(ports)?),
            raw: Arc::new(raw),
        })
    }

    async fn measure(&self, adapter: &str, wanted: &Wanted) -> Done<()> {
        self.stores.store_all(wanted.rows()).await?;
        for what in What::ALL {
            let name = format!("{adapter}.{}", what.name());
            if !name.contains(&wanted.part) {
                continue;
            }
            // The next row that no call has used up.
            let mut unused = 0;
            for clients in [1, 8] {
                let mut times = [Vec::new(), Vec::new()];
                let mut ratios = Vec::new();
                // The first round prepares the statements on every connection, and does not count.
                for round in 0..=wanted.rounds {
                    let mut took = [0.0; 2];
                    // Each is first every other time.
                    let first = usize::from(round % 2 == 0);
                    for side in [first, 1 - first] {
                        let numbers = unused..unused + wanted.calls;
                        unused = numbers.end;
                        let spent = match side {
                            0 => run(&self.stores, what, clients, numbers).await?,
                            _ => run(&self.raw, what, clients, numbers).await?,
                        };
                        took[side] = spent.as_secs_f64() * 1e6 / wanted.calls as f64;
                    }
                    if round > 0 {
                        ratios.push(took[1] / took[0]);
                        times[0].push(took[0]);
                        times[1].push(took[1]);
                    }
                }
                let [adapter, raw] = times.map(median);
                let ratio = median(ratios);
                println!("{name:<33} {clients:>2} {adapter:>8.0} {raw:>8.0} {ratio:>7.2}");
                println!("ratio {name}.{clients} {ratio:.3}");
            }
        }
        Ok(())
    }
}

/// How long a side takes for these calls.
async fn run<S: Side>(
    side: &Arc<S>,
    what: What,
    number_of_clients: u64,
    numbers: std::ops::Range<u64>,
) -> Done<Duration> {
    let side = Arc::clone(side);
    clients(number_of_clients, numbers, move |number| {
        Arc::clone(&side).call(what, number)
    })
    .await
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
