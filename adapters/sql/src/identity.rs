//! The identity port: identities, and the identifiers that find them.

use std::{borrow::Cow, collections::BTreeMap};

use async_trait::async_trait;
use portproof_ports::{
    Email, Identifier, Identity, IdentityFilter, IdentityId, IdentityKind, IdentityState,
    IdentityStore, IdentityUpdate, LinkedIdentifier, MAX_GET_MANY, MAX_IDENTIFIERS, NewIdentifier,
    NewIdentity, Page, PageRequest, Phone, PortError, PortResult, ProviderId, ProviderSubject,
    TenantId, Timestamp, Username, Version,
};

use crate::{
    batch::{padded, pieces, tuples},
    database::{Database, Tx},
    failure::Failure,
    paging::{List, by_creation},
    value::{Row, Value, names, values},
};

/// Identities in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlIdentityStore(pub(crate) Database);

names! { IdentityKind:
    Human = "human",
    Service = "service",
    Device = "device",
}

/// Reads whole identities in one statement, and so as they were at one instant: the identities that
/// `$found` selects, and then their identifiers. Bodies are not repeated for each identifier. The join
/// is a `CROSS JOIN` because SQLite begins that with what was found; other ones it may begin with all
/// of a tenant's identifiers.
macro_rules! identities {
    ($($found:expr),+) => {
        concat!(
            "WITH found AS (SELECT i.id, i.kind, i.blocked_at, i.profile, i.version, i.created_at, \
             i.updated_at FROM auth_identities i ",
            $($found,)+
            ") SELECT id, kind, blocked_at, profile, version, created_at, updated_at, \
             NULL, NULL, NULL, NULL, NULL FROM found \
             UNION ALL \
             SELECT l.identity, NULL, NULL, NULL, NULL, NULL, NULL, \
             l.kind, l.provider, l.value, l.verified_at, l.linked_at \
             FROM found CROSS JOIN auth_identifiers l \
             WHERE l.tenant = $1 AND l.identity = found.id"
        )
    };
}

const GET: &str = identities!("WHERE i.tenant = $1 AND i.id = $2");

/// The identities of an answer, ordered by creation and then by id.
fn identities(rows: &[Row]) -> PortResult<Vec<Identity>> {
    let mut found: BTreeMap<String, Identity> = BTreeMap::new();
    let is_identity = |row: &&Row| row.is_null(7);
    for row in rows.iter().filter(is_identity) {
        let blocked_at: Option<Timestamp> = row.get(2)?;
        let identity = Identity {
            id: row.get(0)?,
            kind: row.get(1)?,
            state: blocked_at.map_or(IdentityState::Active, IdentityState::Blocked),
            profile: row.get(3)?,
            identifiers: Vec::new(),
            version: row.get(4)?,
            created_at: row.get(5)?,
            updated_at: row.get(6)?,
        };
        found.insert(row.get(0)?, identity);
    }
    for row in rows.iter().filter(|row| !is_identity(row)) {
        let owner: String = row.get(0)?;
        let owner = found.get_mut(&owner).ok_or_else(|| row.corrupt())?;
        owner.identifiers.push(LinkedIdentifier {
            identifier: identifier(row)?,
            verified_at: row.get(10)?,
            linked_at: row.get(11)?,
        });
    }
    let mut found: Vec<Identity> = found.into_values().collect();
    for identity in &mut found {
        in_order(&mut identity.identifiers);
    }
    found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(found)
}

fn in_order(identifiers: &mut [LinkedIdentifier]) {
    identifiers.sort_by(|a, b| a.identifier.cmp(&b.identifier));
}

/// An identifier as it is stored: kind, provider (nothing but for a federated one) and value.
fn parts(identifier: &Identifier) -> [&str; 3] {
    match identifier {
        Identifier::Email(email) => ["email", "", email.as_str()],
        Identifier::Phone(phone) => ["phone", "", phone.as_str()],
        Identifier::Username(username) => ["username", "", username.as_str()],
        Identifier::Federated { provider, subject } => {
            ["federated", provider.as_str(), subject.as_str()]
        }
    }
}

fn identifier(row: &Row) -> PortResult<Identifier> {
    let (kind, provider, value): (String, String, String) = (row.get(7)?, row.get(8)?, row.get(9)?);
    let read = match kind.as_str() {
        "email" => Email::new(&value).map(Identifier::Email),
        "phone" => Phone::new(&value).map(Identifier::Phone),
        "username" => Username::new(&value).map(Identifier::Username),
        "federated" => ProviderId::new(provider.clone()).and_then(|provider| {
            let subject = ProviderSubject::new(value.clone())?;
            Ok(Identifier::Federated { provider, subject })
        }),
        _ => return Err(row.corrupt()),
    };
    // What is not stored in its one spelling would be answered as something that nothing finds.
    read.ok()
        .filter(|read| parts(read) == [&kind, &provider, &value])
        .ok_or_else(|| row.corrupt())
}

/// Locks an identity against other writers; answers whether there is one.
async fn lock(tx: &mut Tx<'_>, tenant: &TenantId, id: &IdentityId) -> Result<bool, Failure> {
    const LOCK: &str = "SELECT id FROM auth_identities WHERE tenant = $1 AND id = $2";
    let locked = tx.lock("identity", LOCK, values![tenant, id]).await?;
    Ok(!locked.is_empty())
}

async fn load(tx: &mut Tx<'_>, tenant: &TenantId, id: &IdentityId) -> Result<Identity, Failure> {
    let rows = tx.rows("identity", GET, values![tenant, id]).await?;
    let stored = identities(&rows)?.pop();
    stored.ok_or(PortError::not_found("identity").into())
}

/// Notes that an identity's identifiers changed.
async fn changed(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &IdentityId,
    now: Timestamp,
) -> Result<(), Failure> {
    const CHANGED: &str = "UPDATE auth_identities SET version = version + 1, updated_at = $3 \
                           WHERE tenant = $1 AND id = $2";
    tx.write(CHANGED, values![tenant, id, now]).await?;
    Ok(())
}

async fn insert_identifiers(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    identity: &IdentityId,
    identifiers: &[LinkedIdentifier],
) -> Result<(), Failure> {
    for piece in pieces(identifiers) {
        let sql = format!(
            "INSERT INTO auth_identifiers \
             (tenant, identity, kind, provider, value, verified_at, linked_at) VALUES {}",
            tuples(1, 7, piece.len())
        );
        let mut values = Vec::with_capacity(piece.len() * 7);
        for linked in piece {
            let [kind, provider, value] = parts(&linked.identifier);
            values.extend(values![
                tenant,
                identity,
                kind,
                provider,
                value,
                linked.verified_at,
                linked.linked_at
            ]);
        }
        tx.write(sql, values).await?;
    }
    Ok(())
}

const fn too_many_identifiers() -> PortError {
    PortError::refused("identifiers", "are more than 64")
}

#[async_trait]
impl IdentityStore for SqlIdentityStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewIdentity,
        now: Timestamp,
    ) -> PortResult<Identity> {
        const CREATE: &str = "INSERT INTO auth_identities \
            (tenant, id, kind, profile, version, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $6)";
        if new.identifiers.len() > MAX_IDENTIFIERS {
            return Err(too_many_identifiers());
        }
        let link = |new: NewIdentifier| LinkedIdentifier {
            identifier: new.identifier,
            verified_at: new.verified_at,
            linked_at: now,
        };
        let mut identity = Identity {
            id: new.id,
            kind: new.kind,
            state: IdentityState::Active,
            profile: new.profile,
            identifiers: new.identifiers.into_iter().map(link).collect(),
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        };
        // Also the order in which they are inserted, so that two creators do not lock crosswise.
        in_order(&mut identity.identifiers);
        let values = values![
            tenant,
            &identity.id,
            identity.kind,
            &identity.profile,
            identity.version,
            now
        ];
        if identity.identifiers.is_empty() {
            self.0.write(CREATE, values).await?;
            return Ok(identity);
        }
        let (new, values) = (&identity, &values);
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.write(CREATE, values.clone()).await?;
                    insert_identifiers(tx, tenant, &new.id, &new.identifiers).await
                })
            })
            .await?;
        Ok(identity)
    }

    async fn get(&self, tenant: &TenantId, id: &IdentityId) -> PortResult<Option<Identity>> {
        let rows = self.0.rows("identity", GET, values![tenant, id]).await?;
        Ok(identities(&rows)?.pop())
    }

    async fn get_many(&self, tenant: &TenantId, ids: &[IdentityId]) -> PortResult<Vec<Identity>> {
        if ids.len() > MAX_GET_MANY {
            return Err(PortError::refused("ids", "are more than 1000"));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = padded(ids);
        // `IN (VALUES ($2), ($3))`
        let found = identities!("WHERE i.tenant = $1 AND i.id IN (VALUES {ids})");
        let sql = found.replace("{ids}", &tuples(2, 1, ids.len()));
        let mut values = values![tenant];
        values.extend(ids.map(Value::from));
        let rows = self.0.rows("identity", sql, values).await?;
        let mut found = identities(&rows)?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn find(
        &self,
        tenant: &TenantId,
        identifier: &Identifier,
    ) -> PortResult<Option<Identity>> {
        const FIND: &str = identities!(
            "JOIN auth_identifiers o ON o.tenant = i.tenant AND o.identity = i.id \
             WHERE o.tenant = $1 AND o.kind = $2 AND o.provider = $3 AND o.value = $4"
        );
        let [kind, provider, value] = parts(identifier);
        let values = values![tenant, kind, provider, value];
        let rows = self.0.rows("identity", FIND, values).await?;
        Ok(identities(&rows)?.pop())
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        expected: Version,
        update: IdentityUpdate,
        now: Timestamp,
    ) -> PortResult<Identity> {
        const UPDATE: &str = "UPDATE auth_identities \
            SET blocked_at = $4, profile = $5, version = version + 1, updated_at = $6 \
            WHERE tenant = $1 AND id = $2 AND version = $3";
        let blocked_at = match update.state {
            IdentityState::Active => None,
            IdentityState::Blocked(at) => Some(at),
        };
        let values = &values![tenant, id, expected, blocked_at, &update.profile, now];
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    if tx.write(UPDATE, values.clone()).await? == 0 {
                        if !lock(tx, tenant, id).await? {
                            return Err(PortError::not_found("identity").into());
                        }
                        // Locked now, so this is no guess.
                        if load(tx, tenant, id).await?.version != expected {
                            return Err(PortError::stale("identity").into());
                        }
                        return Err(Failure::Conflict);
                    }
                    load(tx, tenant, id).await
                })
            })
            .await
    }

    async fn link(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        new: NewIdentifier,
        now: Timestamp,
    ) -> PortResult<Identity> {
        const OWNER: &str = "SELECT identity FROM auth_identifiers \
            WHERE tenant = $1 AND kind = $2 AND provider = $3 AND value = $4";
        const VERIFY: &str = "UPDATE auth_identifiers SET verified_at = $5 \
            WHERE tenant = $1 AND kind = $2 AND provider = $3 AND value = $4";
        let new = &LinkedIdentifier {
            identifier: new.identifier,
            verified_at: new.verified_at,
            linked_at: now,
        };
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    if !lock(tx, tenant, id).await? {
                        return Err(PortError::not_found("identity").into());
                    }
                    let identity = load(tx, tenant, id).await?;
                    let [kind, provider, value] = parts(&new.identifier);
                    let theirs = |linked: &&LinkedIdentifier| linked.identifier == new.identifier;
                    if let Some(linked) = identity.identifiers.iter().find(theirs) {
                        if linked.verified_at == new.verified_at {
                            return Ok(identity);
                        }
                        let verified_at = new.verified_at;
                        let values = values![tenant, kind, provider, value, verified_at];
                        tx.write(VERIFY, values).await?;
                    } else {
                        let key = values![tenant, kind, provider, value];
                        if tx.row("identity", OWNER, key).await?.is_some() {
                            return Err(PortError::already_exists("identifier").into());
                        }
                        if identity.identifiers.len() >= MAX_IDENTIFIERS {
                            return Err(too_many_identifiers().into());
                        }
                        // Who links it meanwhile is met by the unique key.
                        insert_identifiers(tx, tenant, id, std::slice::from_ref(new)).await?;
                    }
                    changed(tx, tenant, id, now).await?;
                    load(tx, tenant, id).await
                })
            })
            .await
    }

    async fn unlink(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        identifier: &Identifier,
        now: Timestamp,
    ) -> PortResult<bool> {
        const UNLINK: &str = "DELETE FROM auth_identifiers \
            WHERE tenant = $1 AND kind = $2 AND provider = $3 AND value = $4 AND identity = $5";
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    if !lock(tx, tenant, id).await? {
                        return Ok(false);
                    }
                    let [kind, provider, value] = parts(identifier);
                    let values = values![tenant, kind, provider, value, id];
                    let unlinked = tx.write(UNLINK, values).await? == 1;
                    if unlinked {
                        changed(tx, tenant, id, now).await?;
                    }
                    Ok(unlinked)
                })
            })
            .await
    }

    async fn merge(
        &self,
        tenant: &TenantId,
        survivor: &IdentityId,
        duplicate: &IdentityId,
        now: Timestamp,
    ) -> PortResult<Identity> {
        // In order, so that two who merge crosswise do not wait for each other.
        const LOCK_BOTH: &str = "SELECT id FROM auth_identities \
            WHERE tenant = $1 AND id IN ($2, $3) ORDER BY id";
        const COUNT: &str = "SELECT count(*) FROM auth_identifiers \
            WHERE tenant = $1 AND identity IN ($2, $3)";
        const MOVE: &str = "UPDATE auth_identifiers SET identity = $2 \
            WHERE tenant = $1 AND identity = $3";
        if survivor == duplicate {
            return Err(PortError::refused("duplicate", "is the survivor"));
        }
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let both = || values![tenant, survivor, duplicate];
                    let mut stored: Vec<IdentityId> = Vec::new();
                    for row in tx.lock("identity", LOCK_BOTH, both()).await? {
                        stored.push(row.get(0)?);
                    }
                    if !stored.contains(survivor) {
                        return Err(PortError::not_found("survivor").into());
                    }
                    if !stored.contains(duplicate) {
                        return Err(PortError::not_found("duplicate").into());
                    }
                    let count = tx.row("identity", COUNT, both()).await?;
                    let count: u64 = count.ok_or(PortError::corrupt("identity"))?.get(0)?;
                    if count > MAX_IDENTIFIERS as u64 {
                        return Err(too_many_identifiers().into());
                    }
                    tx.write(MOVE, both()).await?;
                    tx.write(ERASE, values![tenant, duplicate]).await?;
                    changed(tx, tenant, survivor, now).await?;
                    load(tx, tenant, survivor).await
                })
            })
            .await
    }

    async fn erase(&self, tenant: &TenantId, id: &IdentityId) -> PortResult<bool> {
        Ok(self.0.write(ERASE, values![tenant, id]).await? == 1)
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &IdentityFilter,
        request: &PageRequest,
    ) -> PortResult<Page<Identity>> {
        macro_rules! page {
            ($filter:literal) => {
                identities!(
                    "WHERE i.tenant = $1 AND (i.created_at, i.id) > ($2, $3) ",
                    $filter,
                    " ORDER BY i.created_at, i.id LIMIT $4"
                )
            };
        }
        let (sql, name, kind) = match filter {
            IdentityFilter::Every => (page!(""), "every", None),
            IdentityFilter::Kind(kind) => (page!("AND i.kind = $5"), "kind", Some(*kind)),
            IdentityFilter::Blocked => (page!("AND i.blocked_at IS NOT NULL"), "blocked", None),
        };
        let kind = kind.map(Value::from);
        let kind_name = match &kind {
            Some(Value::Text(name)) => name.as_str(),
            _ => "",
        };
        let parts = ["identity.list", tenant.as_str(), name, kind_name];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, IdentityId)> = list.after()?;
        let (created_at, id) = by_creation(after.as_ref(), IdentityId::as_str);
        let mut values = values![tenant, created_at, id, list.rows()];
        values.extend(kind.clone());
        let rows = self.0.rows("identity", Cow::Borrowed(sql), values).await?;
        list.page(identities(&rows)?, |identity| {
            (identity.created_at, identity.id.clone())
        })
    }
}

/// Frees the identifiers too, by the reference of theirs.
const ERASE: &str = "DELETE FROM auth_identities WHERE tenant = $1 AND id = $2";
