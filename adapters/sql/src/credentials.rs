//! The credentials port.

mod rows;

use async_trait::async_trait;
use portproof_ports::{
    Counter, Credential, CredentialId, CredentialKind, CredentialPolicy, CredentialStore,
    CredentialUse, Document, Expected, IdentityId, Kinds, LookupDigest, NewCredential, OldSecret,
    Page, PageRequest, PastSecret, PortError, PortResult, Secret, TenantId, Timestamp, Version,
};

use crate::{
    database::{Database, TRIES, Tx, not_written, unsettled},
    failure::Failure,
    paging::{List, by_creation},
    value::{Row, Value, values},
};
use rows::{columns, credential, policy, secret, secret_bytes};

/// Credentials in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlCredentialStore(pub(crate) Database);

/// Makes a digest the credential's, for good; the unique key says whether it is another's.
async fn take_lookup(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &CredentialId,
    secret: &Secret,
) -> Result<(), Failure> {
    const TAKE: &str = "INSERT INTO auth_lookups (tenant, kind, lookup, credential) \
                        VALUES ($1, $2, $3, $4)";
    if let Some(lookup) = secret.lookup() {
        tx.write(TAKE, values![tenant, secret.kind(), lookup, id])
            .await?;
    }
    Ok(())
}

fn not_found() -> PortError {
    PortError::not_found("credential")
}

const GET: &str = concat!(
    "SELECT ",
    columns!(""),
    " FROM auth_credentials WHERE tenant = $1 AND id = $2"
);

#[async_trait]
impl CredentialStore for SqlCredentialStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn add(
        &self,
        tenant: &TenantId,
        new: NewCredential,
        now: Timestamp,
    ) -> PortResult<Credential> {
        const ADD: &str = concat!(
            "INSERT INTO auth_credentials (tenant, ",
            columns!(""),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, NULL, NULL, $11, $11)"
        );
        let credential = Credential {
            id: new.id,
            identity: new.identity,
            secret: new.secret,
            metadata: new.metadata,
            expires_at: new.expires_at,
            version: Version::FIRST,
            counter: Counter::ZERO,
            failures: 0,
            used_at: None,
            consumed_at: None,
            created_at: now,
            updated_at: now,
        };
        let values = values![
            tenant,
            credential.secret.kind(),
            credential.secret.lookup(),
            secret_bytes(&credential.secret),
            &credential.id,
            &credential.identity,
            &credential.metadata,
            credential.expires_at,
            credential.version,
            credential.counter,
            now
        ];
        let added = if credential.secret.lookup().is_none() {
            self.0.write(ADD, values).await.map(|_| ())
        } else {
            let (new, values) = (&credential, &values);
            self.0
                .transaction(move |tx| {
                    Box::pin(async move {
                        tx.write(ADD, values.clone()).await?;
                        take_lookup(tx, tenant, &new.id, &new.secret).await
                    })
                })
                .await
        };
        match added {
            Ok(()) => Ok(credential),
            // Of two keys that are taken a database names any; the id goes first.
            Err(taken @ PortError::AlreadyExists(_)) => {
                match self.get(tenant, &credential.id).await? {
                    Some(_) => Err(PortError::already_exists("credential")),
                    None => Err(taken),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<Option<Credential>> {
        let row = self.0.row("credential", GET, values![tenant, id]).await?;
        row.as_ref().map(credential).transpose()
    }

    async fn find(
        &self,
        tenant: &TenantId,
        kind: CredentialKind,
        lookup: &LookupDigest,
        now: Timestamp,
    ) -> PortResult<Option<Credential>> {
        const FIND: &str = concat!(
            "SELECT ",
            columns!("c."),
            " FROM auth_lookups l \
             JOIN auth_credentials c ON c.tenant = l.tenant AND c.id = l.credential \
             WHERE l.tenant = $1 AND l.kind = $2 AND l.lookup = $3 \
             AND (l.finds_until IS NULL OR l.finds_until > $4) \
             AND (c.expires_at IS NULL OR c.expires_at > $4)"
        );
        let values = values![tenant, kind, lookup, now];
        let row = self.0.row("credential", FIND, values).await?;
        row.as_ref().map(credential).transpose()
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        kinds: &Kinds,
        request: &PageRequest,
    ) -> PortResult<Page<Credential>> {
        macro_rules! list {
            ($filter:literal) => {
                concat!(
                    "SELECT ",
                    columns!(""),
                    " FROM auth_credentials WHERE tenant = $1 AND identity = $2 \
                     AND (created_at, id) > ($3, $4) ",
                    $filter,
                    "ORDER BY created_at, id LIMIT $5"
                )
            };
        }
        let (sql, kind) = match kinds {
            Kinds::Every => (list!(""), None),
            Kinds::Only(kind) => (list!("AND kind = $6 "), Some(Value::from(*kind))),
        };
        let kind_name = match &kind {
            Some(Value::Text(name)) => name.as_str(),
            _ => "",
        };
        let parts = [
            "credentials.list_of",
            tenant.as_str(),
            identity.as_str(),
            kind_name,
        ];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, CredentialId)> = list.after()?;
        let (created_at, id) = by_creation(after.as_ref(), CredentialId::as_str);
        let mut values = values![tenant, identity, created_at, id, list.rows()];
        values.extend(kind.clone());
        let rows = self.0.rows("credential", sql, values).await?;
        let credentials = rows.iter().map(credential).collect::<PortResult<_>>()?;
        list.page(credentials, |credential: &Credential| {
            (credential.created_at, credential.id.clone())
        })
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        expected: Version,
        secret: Secret,
        old: OldSecret,
        now: Timestamp,
    ) -> PortResult<Credential> {
        const KEEP: &str = "INSERT INTO auth_past_secrets \
            (tenant, credential, version, kind, lookup, secret, replaced_at, valid_until) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        const FINDS_UNTIL: &str = "UPDATE auth_lookups SET finds_until = $4 \
            WHERE tenant = $1 AND kind = $2 AND lookup = $3";
        const REPLACE: &str = concat!(
            "UPDATE auth_credentials SET lookup = $3, secret = $4, version = version + 1, \
             failures = 0, updated_at = $5 WHERE tenant = $1 AND id = $2 RETURNING ",
            columns!("")
        );
        let valid_until = match old {
            OldSecret::Retired => None,
            OldSecret::ValidUntil(until) => Some(until),
        };
        let new = &secret;
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let row = tx.lock("credential", GET, values![tenant, id]).await?.pop();
                    let stored = credential(&row.ok_or_else(not_found)?)?;
                    let kind = stored.secret.kind();
                    if kind != new.kind() {
                        return Err(PortError::refused("secret", "is of another kind").into());
                    }
                    if stored.version != expected {
                        return Err(PortError::stale("credential").into());
                    }
                    let lookup = stored.secret.lookup();
                    let bytes = secret_bytes(&stored.secret);
                    let past = values![tenant, id, expected, kind, lookup, bytes, now, valid_until];
                    tx.write(KEEP, past).await?;
                    if let Some(lookup) = lookup {
                        // Nothing is before the first instant: it finds nothing any more.
                        let until = valid_until.unwrap_or(Timestamp::MIN);
                        tx.write(FINDS_UNTIL, values![tenant, kind, lookup, until])
                            .await?;
                    }
                    take_lookup(tx, tenant, id, new).await?;
                    let values = values![tenant, id, new.lookup(), secret_bytes(new), now];
                    let row = tx.row("credential", REPLACE, values).await?;
                    Ok(credential(&row.ok_or_else(not_found)?)?)
                })
            })
            .await
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        expected: Version,
        metadata: Document,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> PortResult<Credential> {
        const UPDATE: &str = concat!(
            "UPDATE auth_credentials SET metadata = $4, expires_at = $5, version = version + 1, \
             updated_at = $6 WHERE tenant = $1 AND id = $2 AND version = $3 RETURNING ",
            columns!("")
        );
        // As with sessions: that nothing was updated and why are two questions.
        for _ in 0..TRIES {
            let values = values![tenant, id, expected, &metadata, expires_at, now];
            if let Some(row) = self.0.write_row("credential", UPDATE, values).await? {
                return credential(&row);
            }
            let stored = self.get(tenant, id).await?;
            not_written("credential", stored.map(|stored| stored.version), expected)?;
        }
        Err(unsettled())
    }

    async fn history(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        request: &PageRequest,
    ) -> PortResult<Page<PastSecret>> {
        const HISTORY: &str = "SELECT kind, lookup, secret, version, replaced_at, valid_until \
            FROM auth_past_secrets WHERE tenant = $1 AND credential = $2 AND version < $3 \
            ORDER BY version DESC LIMIT $4";
        let parts = ["credentials.history", tenant.as_str(), id.as_str()];
        let list = List::new(&parts, request);
        let before: Option<Version> = list.after()?;
        let before = before.map_or(i64::MAX, Version::get);
        let values = values![tenant, id, before, list.rows()];
        let rows = self.0.rows("credential", HISTORY, values).await?;
        let past = |row: &Row| {
            Ok(PastSecret {
                secret: secret(row)?,
                version: row.get(3)?,
                replaced_at: row.get(4)?,
                valid_until: row.get(5)?,
            })
        };
        let secrets = rows.iter().map(past).collect::<PortResult<_>>()?;
        list.page(secrets, |past: &PastSecret| past.version)
    }

    async fn record_use(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        used: CredentialUse,
        now: Timestamp,
    ) -> PortResult<Credential> {
        let counter = match used {
            CredentialUse::Plain => None,
            CredentialUse::Counter(counter) => Some(counter),
        };
        let (set, only_if) = match counter {
            None => ("", ""),
            Some(_) => ("counter = $4, ", " AND counter < $4"),
        };
        let used_at = self.0.dialect().later("COALESCE(used_at, $3)", "$3");
        let sql = format!(
            "UPDATE auth_credentials SET {set}failures = 0, used_at = {used_at} \
             WHERE tenant = $1 AND id = $2{only_if} RETURNING {}",
            columns!("")
        );
        for _ in 0..TRIES {
            let mut values = values![tenant, id, now];
            values.extend(counter.map(Value::from));
            if let Some(row) = self.0.write_row("credential", sql.clone(), values).await? {
                return credential(&row);
            }
            let stored = self.get(tenant, id).await?.ok_or_else(not_found)?;
            if counter.is_some_and(|counter| counter <= stored.counter) {
                return Err(PortError::stale("counter"));
            }
        }
        Err(unsettled())
    }

    async fn record_failure(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<u64> {
        const FAIL: &str = "UPDATE auth_credentials SET failures = failures + 1 \
            WHERE tenant = $1 AND id = $2 RETURNING failures";
        let row = self
            .0
            .write_row("credential", FAIL, values![tenant, id])
            .await?;
        row.ok_or_else(not_found)?.get(0)
    }

    async fn consume(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        now: Timestamp,
    ) -> PortResult<bool> {
        const CONSUME: &str = "UPDATE auth_credentials SET consumed_at = $3 \
            WHERE tenant = $1 AND id = $2 AND kind = 'recovery_code' AND consumed_at IS NULL \
            AND (expires_at IS NULL OR expires_at > $3)";
        for _ in 0..TRIES {
            if self.0.write(CONSUME, values![tenant, id, now]).await? == 1 {
                return Ok(true);
            }
            let stored = self.get(tenant, id).await?.ok_or_else(not_found)?;
            if stored.secret.kind() != CredentialKind::RecoveryCode {
                return Err(PortError::refused("kind", "is not a recovery code"));
            }
            let has_expired = stored.expires_at.is_some_and(|at| at <= now);
            if stored.consumed_at.is_some() || has_expired {
                return Ok(false);
            }
        }
        Err(unsettled())
    }

    async fn remove(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<bool> {
        // History and digests go with it, by the references of theirs.
        const REMOVE: &str = "DELETE FROM auth_credentials WHERE tenant = $1 AND id = $2";
        Ok(self.0.write(REMOVE, values![tenant, id]).await? == 1)
    }

    async fn remove_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        kinds: &Kinds,
    ) -> PortResult<u64> {
        const EVERY: &str = "DELETE FROM auth_credentials WHERE tenant = $1 AND identity = $2";
        const ONLY: &str =
            "DELETE FROM auth_credentials WHERE tenant = $1 AND identity = $2 AND kind = $3";
        match kinds {
            Kinds::Every => self.0.write(EVERY, values![tenant, identity]).await,
            Kinds::Only(kind) => self.0.write(ONLY, values![tenant, identity, *kind]).await,
        }
    }

    async fn policy(&self, tenant: &TenantId) -> PortResult<Option<CredentialPolicy>> {
        const POLICY: &str =
            "SELECT rules, version, updated_at FROM auth_credential_policies WHERE tenant = $1";
        let row = self
            .0
            .row("credential policy", POLICY, values![tenant])
            .await?;
        row.as_ref().map(policy).transpose()
    }

    async fn set_policy(
        &self,
        tenant: &TenantId,
        expected: Expected,
        rules: Document,
        now: Timestamp,
    ) -> PortResult<CredentialPolicy> {
        macro_rules! insert {
            ($($more:literal)?) => {
                concat!(
                    "INSERT INTO auth_credential_policies AS p (tenant, rules, version, updated_at) \
                     VALUES ($1, $2, 1, $3) ",
                    $($more,)?
                    "RETURNING rules, version, updated_at"
                )
            };
        }
        const ANYTHING: &str = insert!(
            "ON CONFLICT (tenant) DO UPDATE SET rules = excluded.rules, version = p.version + 1, \
             updated_at = excluded.updated_at "
        );
        // The unique key says when something is stored.
        const ABSENT: &str = insert!();
        const VERSION: &str = "UPDATE auth_credential_policies \
            SET rules = $2, version = version + 1, updated_at = $3 \
            WHERE tenant = $1 AND version = $4 RETURNING rules, version, updated_at";
        let mut values = values![tenant, &rules, now];
        let sql = match expected {
            Expected::Anything => ANYTHING,
            Expected::Absent => ABSENT,
            Expected::Version(version) => {
                values.push(version.into());
                VERSION
            }
        };
        match self.0.write_row("credential policy", sql, values).await? {
            Some(row) => policy(&row),
            None => Err(PortError::stale("credential policy")),
        }
    }
}
