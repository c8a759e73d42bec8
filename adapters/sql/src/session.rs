//! The session port.

use async_trait::async_trait;
use portproof_ports::{
    Document, IdentityId, Keep, NewSession, Page, PageRequest, PortError, PortResult, Session,
    SessionDigest, SessionStore, TenantId, Timestamp, Version,
};

use crate::{
    database::{Database, TRIES, not_written, unsettled},
    dialect::{Dialect, Texts},
    paging::List,
    value::{Row, values},
};

/// Sessions in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlSessionStore(pub(crate) Database);

macro_rules! columns {
    () => {
        "id, identity, idle, ends_at, data, version, created_at, seen_at, expires_at"
    };
}

fn session(row: &Row) -> PortResult<Session> {
    Ok(Session {
        id: row.get(0)?,
        identity: row.get(1)?,
        idle: row.get(2)?,
        ends_at: row.get(3)?,
        data: row.get(4)?,
        version: row.get(5)?,
        created_at: row.get(6)?,
        seen_at: row.get(7)?,
        expires_at: row.get(8)?,
    })
}

/// The assignments that note a use at `$3`: never back, never past the absolute end.
fn seen(dialect: Dialect) -> String {
    let seen_at = dialect.later("seen_at", "$3");
    let idle_end = dialect.plus(&seen_at, "idle");
    let expires_at = dialect.earlier("ends_at", &idle_end);
    format!(
        "seen_at = {seen_at}, \
         expires_at = CASE WHEN idle IS NULL THEN ends_at ELSE {expires_at} END"
    )
}

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM auth_sessions WHERE tenant = $1 AND id = $2 AND expires_at > $3"
);

#[async_trait]
impl SessionStore for SqlSessionStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewSession,
        now: Timestamp,
    ) -> PortResult<Session> {
        const CREATE: &str = concat!(
            "INSERT INTO auth_sessions (tenant, ",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)"
        );
        if new.ends_at <= now {
            return Err(PortError::refused("ends_at", "is not after now"));
        }
        let session = Session {
            expires_at: Session::expiry(now, new.idle, new.ends_at),
            id: new.id,
            identity: new.identity,
            idle: new.idle,
            ends_at: new.ends_at,
            data: new.data,
            version: Version::FIRST,
            created_at: now,
            seen_at: now,
        };
        let values = values![
            tenant,
            &session.id,
            session.identity.as_ref(),
            session.idle,
            session.ends_at,
            &session.data,
            session.version,
            now,
            session.expires_at
        ];
        self.0.write(CREATE, values).await?;
        Ok(session)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        let row = self.0.row("session", GET, values![tenant, id, now]).await?;
        row.as_ref().map(session).transpose()
    }

    async fn touch(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        static TOUCH: Texts = Texts::new();
        let dialect = self.0.dialect();
        let sql = TOUCH.get(dialect, || {
            format!(
                "UPDATE auth_sessions SET {} WHERE tenant = $1 AND id = $2 AND expires_at > $3 \
                 RETURNING {}",
                seen(dialect),
                columns!()
            )
        });
        let touched = self
            .0
            .write_row("session", sql, values![tenant, id, now])
            .await?;
        touched.as_ref().map(session).transpose()
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        expected: Version,
        data: Document,
        now: Timestamp,
    ) -> PortResult<Session> {
        const UPDATE: &str = concat!(
            "UPDATE auth_sessions SET data = $5, version = version + 1 \
             WHERE tenant = $1 AND id = $2 AND expires_at > $3 AND version = $4 RETURNING ",
            columns!()
        );
        // Nothing updated says that it was not to be; why is another question, and by the time it
        // is asked the answer may be that it should be: then it is tried again.
        for _ in 0..TRIES {
            let values = values![tenant, id, now, expected, &data];
            if let Some(row) = self.0.write_row("session", UPDATE, values).await? {
                return session(&row);
            }
            let stored = self.get(tenant, id, now).await?;
            not_written("session", stored.map(|stored| stored.version), expected)?;
        }
        Err(unsettled())
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        old: &SessionDigest,
        new: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        if old == new {
            // Renaming something to its own name violates no key.
            let live = self.get(tenant, old, now).await?;
            return live.map_or(Ok(None), |_| Err(PortError::already_exists("session")));
        }
        static ROTATE: Texts = Texts::new();
        let dialect = self.0.dialect();
        let sql = ROTATE.get(dialect, || {
            format!(
                "UPDATE auth_sessions SET id = $4, {} \
                 WHERE tenant = $1 AND id = $2 AND expires_at > $3 RETURNING {}",
                seen(dialect),
                columns!()
            )
        });
        let values = values![tenant, old, now, new];
        let rotated = self.0.write_row("session", sql, values).await?;
        rotated.as_ref().map(session).transpose()
    }

    async fn revoke(&self, tenant: &TenantId, id: &SessionDigest) -> PortResult<bool> {
        const REVOKE: &str = "DELETE FROM auth_sessions WHERE tenant = $1 AND id = $2";
        Ok(self.0.write(REVOKE, values![tenant, id]).await? == 1)
    }

    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        keep: &Keep,
    ) -> PortResult<u64> {
        const REVOKE: &str =
            "DELETE FROM auth_sessions WHERE tenant = $1 AND identity = $2 AND id <> $3";
        let kept: &[u8] = match keep {
            // No session has no bytes for its id.
            Keep::Nothing => &[],
            Keep::Session(id) => id.as_bytes(),
        };
        self.0.write(REVOKE, values![tenant, identity, kept]).await
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Session>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_sessions WHERE tenant = $1 AND identity = $2 AND expires_at > $3 \
             AND (created_at, id) > ($4, $5) ORDER BY created_at, id LIMIT $6"
        );
        let parts = ["session.list_of", tenant.as_str(), identity.as_str()];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, SessionDigest)> = list.after()?;
        let (created_at, id): (Timestamp, &[u8]) = match &after {
            Some((created_at, id)) => (*created_at, id.as_bytes()),
            None => (Timestamp::MIN, &[]),
        };
        let values = values![tenant, identity, now, created_at, id, list.rows()];
        let rows = self.0.rows("session", LIST, values).await?;
        let sessions: Vec<Session> = rows.iter().map(session).collect::<PortResult<_>>()?;
        list.page(sessions, |session| (session.created_at, session.id.clone()))
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        // Asks again whether it is over: between the two selections somebody may have touched it,
        // by a clock that is behind.
        const SELECT: &str = "SELECT id FROM auth_sessions \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at, id LIMIT $3";
        const LEFT: &str = "SELECT 1 FROM auth_sessions \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT 1";
        // Selected before, and not within the condition: there a database may select once for each
        // row that it looks at, and so more than asked for in all. The end is asked for in a way that
        // no index answers: by it, a database would look at all that are over, and not at the chosen.
        let sql = format!(
            "WITH chosen AS ({}) DELETE FROM auth_sessions \
             WHERE tenant = $1 AND (expires_at <= $2) IS TRUE AND id IN (SELECT id FROM chosen)",
            self.0.dialect().locking(SELECT)
        );
        let at_most = u64::from(at_most);
        let mut swept = 0;
        // Another sweeper may have taken what was selected: fewer than asked for must mean that
        // none is left.
        while swept < at_most {
            let rest = i64::try_from(at_most - swept).unwrap_or(i64::MAX);
            swept += self
                .0
                .write(sql.clone(), values![tenant, now, rest])
                .await?;
            if swept < at_most
                && self
                    .0
                    .row("session", LEFT, values![tenant, now])
                    .await?
                    .is_none()
            {
                break;
            }
        }
        Ok(swept)
    }
}
