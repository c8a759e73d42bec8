//! Who somebody is, and how that is known: identities, credentials, sessions, codes, refresh tokens.

use portproof_ports::{
    BoundTo, ClientId, CodeDigest, CodeKind, Consumed, CredentialId, CredentialKind, Email,
    FamiliesOf, FamilyId, Identifier, IdentityFilter, IdentityId, IdentityKind, IdentityState,
    IdentityUpdate, Keep, Kinds, LookupDigest, NewCode, NewCredential, NewFamily, NewIdentifier,
    NewIdentity, NewSession, PortResult, RefreshDigest, Rotation, Secret, SessionDigest, Span,
    TenantId, Version,
};

use super::{Of, Workload, far, is_full, new, of, person, workloads};
use crate::{
    rows::{NOW, Rows, data, digest, id},
    store::Store,
};

pub(super) const WORKLOADS: &[Workload] = workloads! {
    "identity.get", one in 1: |s, k| {
        let (tenant, id) = person(s, of(1, k))?;
        s.identity.get(&tenant, &id).await?.is_some()
    };
    "identity.find", one in 1: |s, k| {
        let (tenant, id) = person(s, of(1, k))?;
        s.identity.find(&tenant, &email(&id)?).await?.is_some_and(|found| found.id == id)
    };
    "identity.create", one in 1: |s, k| {
        let (number, person) = (new(s, k), k % s.rows.people());
        let identity = NewIdentity {
            id: IdentityId::new(id(number))?,
            kind: IdentityKind::Human,
            profile: data()?,
            identifiers: vec![NewIdentifier {
                identifier: email(&IdentityId::new(id(number))?)?,
                verified_at: None,
            }],
        };
        s.identity.create(&s.rows.tenant(person)?, identity, NOW).await?.version == Version::FIRST
    };
    "identity.update", one in 100: |s, k| {
        let (tenant, id) = person(s, of(4, k))?;
        let update = IdentityUpdate { state: IdentityState::Blocked(NOW), profile: data()? };
        s.identity.update(&tenant, &id, Version::FIRST, update, NOW).await?.id == id
    };
    "identity.erase", one in 100: |s, k| {
        let (tenant, id) = person(s, of(6, k))?;
        s.identity.erase(&tenant, &id).await?
    };
    "identity.list, first page", one in 1: |s, _k| {
        let every = &IdentityFilter::Every;
        s.identity.list(&s.heavy.tenant, every, &s.first).await?.next.is_some()
    };
    "identity.list, in the middle", one in 1: |s, _k| {
        let every = &IdentityFilter::Every;
        let page = s.identity.list(&s.heavy.tenant, every, &s.middle.identities).await?;
        is_full(s, &page.items)
    };

    "credentials.find", one in 1: |s, k| {
        let person = of(1, k) % s.rows.people();
        let (tenant, lookup) = (s.rows.tenant(person)?, LookupDigest::new(digest(person)));
        let kind = CredentialKind::ApiKey;
        s.credentials.find(&tenant, kind, &lookup, NOW).await?.is_some()
    };
    "credentials.list_of", one in 1: |s, k| {
        let (tenant, id) = person(s, of(1, k))?;
        let page = s.credentials.list_of(&tenant, &id, &Kinds::Every, &s.first).await?;
        !page.items.is_empty()
    };
    "credentials.add", one in 1: |s, k| {
        let (tenant, identity) = person(s, of(9, k))?;
        let number = new(s, k);
        let key = NewCredential {
            id: CredentialId::new(id(number))?,
            identity,
            secret: Secret::ApiKey(LookupDigest::new(digest(number))),
            metadata: data()?,
            expires_at: None,
        };
        s.credentials.add(&tenant, key, NOW).await?.version == Version::FIRST
    };
    "credentials.record_failure", one in 1: |s, k| {
        let (tenant, id) = person(s, of(1, k))?;
        let id = CredentialId::new(id.as_str())?;
        s.credentials.record_failure(&tenant, &id).await? > 0
    };

    "session.get", one in 20: |s, k| {
        let (tenant, id) = session(s, of(1, k))?;
        s.session.get(&tenant, &id, NOW).await?.is_some()
    };
    "session.touch", one in 20: |s, k| {
        let (tenant, id) = session(s, of(2, k))?;
        s.session.touch(&tenant, &id, NOW).await?.is_some()
    };
    "session.update", one in 20: |s, k| {
        let (tenant, id) = session(s, of(7, k))?;
        s.session.update(&tenant, &id, Version::FIRST, data()?, NOW).await?.id == id
    };
    "session.create", one in 1: |s, k| {
        let (tenant, identity) = person(s, of(9, k))?;
        let session = NewSession {
            id: SessionDigest::new(digest(new(s, k))),
            identity: Some(identity),
            idle: Some(Span::days(30)),
            ends_at: far(),
            data: data()?,
        };
        s.session.create(&tenant, session, NOW).await?.seen_at == NOW
    };
    "session.rotate", one in 20: |s, k| {
        let (tenant, old) = session(s, of(4, k))?;
        // A number that creations do not use.
        let fresh = SessionDigest::new(digest(new(s, k) + s.rows.0));
        s.session.rotate(&tenant, &old, &fresh, NOW).await?.is_some()
    };
    "session.revoke", one in 20: |s, k| {
        let (tenant, id) = session(s, of(6, k))?;
        s.session.revoke(&tenant, &id).await?
    };
    "session.revoke_all_of", one in 100: |s, k| {
        let (tenant, id) = person(s, of(11, k))?;
        s.session.revoke_all_of(&tenant, &id, &Keep::Nothing).await? > 0
    };
    "session.list_of", one in 1: |s, k| {
        let (tenant, id) = person(s, of(1, k))?;
        !s.session.list_of(&tenant, &id, NOW, &s.first).await?.items.is_empty()
    };
    "session.list_of, long, first page", one in 1: |s, _k| {
        let (tenant, id) = (&s.heavy.tenant, &s.heavy.identity);
        s.session.list_of(tenant, id, NOW, &s.first).await?.next.is_some()
    };
    "session.list_of, long, in the middle", one in 1: |s, _k| {
        let (tenant, id) = (&s.heavy.tenant, &s.heavy.identity);
        let page = s.session.list_of(tenant, id, NOW, &s.middle.sessions).await?;
        is_full(s, &page.items)
    };
    "session.sweep, one", one in 20: |s, _k| {
        s.session.sweep(&s.heavy.tenant, NOW, 1).await? == 1
    };

    "codes.peek", one in 20: |s, k| {
        let (tenant, kind, id) = code(s, of(1, k))?;
        s.codes.peek(&tenant, &kind, &id, NOW).await?.is_some()
    };
    "codes.put", one in 1: |s, k| {
        let (tenant, identity) = person(s, of(9, k))?;
        let code = NewCode {
            kind: kind()?,
            id: CodeDigest::new(digest(new(s, k))),
            bound_to: app()?,
            identity: Some(identity),
            guesses: None,
            expires_at: far(),
            data: data()?,
        };
        s.codes.put(&tenant, code, NOW).await?.consumed_at.is_none()
    };
    "codes.consume", one in 20: |s, k| {
        let (tenant, kind, id) = code(s, of(2, k))?;
        let consumed = s.codes.consume(&tenant, &kind, &id, &app()?, NOW).await?;
        matches!(consumed, Consumed::First(_))
    };
    "codes.record_failure", one in 20: |s, k| {
        let (tenant, kind, id) = code(s, of(4, k))?;
        s.codes.record_failure(&tenant, &kind, &id, NOW).await?.is_some()
    };
    "codes.revoke", one in 20: |s, k| {
        let (tenant, kind, id) = code(s, of(6, k))?;
        s.codes.revoke(&tenant, &kind, &id).await?
    };
    "codes.sweep, one", one in 20: |s, _k| {
        s.codes.sweep(&s.heavy.tenant, NOW, 1).await? == 1
    };

    "refresh_tokens.get", one in 20: |s, k| {
        let (tenant, token) = token(s, of(1, k))?;
        s.refresh_tokens.get(&tenant, &token, NOW).await?.is_some()
    };
    "refresh_tokens.issue", one in 1: |s, k| {
        let (tenant, identity) = person(s, of(9, k))?;
        let number = new(s, k);
        let family = NewFamily {
            id: FamilyId::new(id(number))?,
            token: RefreshDigest::new(digest(number)),
            identity,
            client: client()?,
            session: None,
            idle: Some(Span::days(30)),
            ends_at: far(),
            data: data()?,
        };
        s.refresh_tokens.issue(&tenant, family, NOW).await?.seen_at == NOW
    };
    "refresh_tokens.rotate", one in 20: |s, k| {
        let (tenant, old) = token(s, of(2, k))?;
        // A number that new families do not use.
        let fresh = RefreshDigest::new(digest(new(s, k) + s.rows.0));
        matches!(rotate(s, &tenant, &old, &fresh, None).await?, Rotation::Rotated(_))
    };
    "refresh_tokens.rotate, retried", one in 20: |s, k| {
        let (row, leeway) = (of(4, k), Some(Span::days(365)));
        let tenant = s.rows.tenant(s.rows.person(row))?;
        let spent = RefreshDigest::new(digest(s.rows.0 + row));
        let fresh = RefreshDigest::new(digest(0));
        matches!(rotate(s, &tenant, &spent, &fresh, leeway).await?, Rotation::Retried(_))
    };
    "refresh_tokens.rotate, reused", one in 20: |s, k| {
        let row = of(6, k);
        let tenant = s.rows.tenant(s.rows.person(row))?;
        let spent = RefreshDigest::new(digest(s.rows.0 + row));
        let fresh = RefreshDigest::new(digest(0));
        matches!(rotate(s, &tenant, &spent, &fresh, None).await?, Rotation::Reused(_))
    };
    "refresh_tokens.revoke", one in 20: |s, k| {
        let row = of(7, k);
        let (tenant, family) = (s.rows.tenant(s.rows.person(row))?, FamilyId::new(id(row))?);
        s.refresh_tokens.revoke(&tenant, &family).await?
    };
    "refresh_tokens.revoke_all_of", one in 100: |s, k| {
        let (tenant, id) = person(s, of(11, k))?;
        let whose = FamiliesOf::Identity(id);
        s.refresh_tokens.revoke_all_of(&tenant, &whose).await? > 0
    };
    "refresh_tokens.list_of", one in 1: |s, k| {
        let (tenant, id) = person(s, of(1, k))?;
        !s.refresh_tokens.list_of(&tenant, &id, NOW, &s.first).await?.items.is_empty()
    };
    "refresh_tokens.list_of, long, first page", one in 1: |s, _k| {
        let (tenant, id) = (&s.heavy.tenant, &s.heavy.identity);
        s.refresh_tokens.list_of(tenant, id, NOW, &s.first).await?.next.is_some()
    };
    "refresh_tokens.list_of, long, in the middle", one in 1: |s, _k| {
        let (tenant, id) = (&s.heavy.tenant, &s.heavy.identity);
        let page = s.refresh_tokens.list_of(tenant, id, NOW, &s.middle.families).await?;
        is_full(s, &page.items)
    };
    "refresh_tokens.sweep, one", one in 20: |s, _k| {
        s.refresh_tokens.sweep(&s.heavy.tenant, NOW, 1).await? == 1
    };
};

/// Presents a token.
async fn rotate(
    store: &Store,
    tenant: &TenantId,
    old: &RefreshDigest,
    new: &RefreshDigest,
    leeway: Option<Span>,
) -> PortResult<Rotation> {
    store
        .refresh_tokens
        .rotate(tenant, &client()?, old, new, leeway, NOW)
        .await
}

fn session(store: &Store, row: u64) -> PortResult<Of<SessionDigest>> {
    let Rows(rows) = store.rows;
    let tenant = store.rows.tenant(store.rows.person(row % rows))?;
    Ok((tenant, SessionDigest::new(digest(row % rows))))
}

fn token(store: &Store, row: u64) -> PortResult<Of<RefreshDigest>> {
    let tenant = store.rows.tenant(store.rows.person(row))?;
    Ok((tenant, RefreshDigest::new(digest(row))))
}

fn code(store: &Store, row: u64) -> PortResult<(TenantId, CodeKind, CodeDigest)> {
    let tenant = store.rows.tenant(store.rows.person(row))?;
    Ok((tenant, kind()?, CodeDigest::new(digest(row))))
}

fn email(id: &IdentityId) -> PortResult<Identifier> {
    Ok(Identifier::Email(Email::new(&format!(
        "{}@example.org",
        id.as_str()
    ))?))
}

fn kind() -> PortResult<CodeKind> {
    Ok(CodeKind::new("authorization_code")?)
}

fn client() -> PortResult<ClientId> {
    Ok(ClientId::new("app")?)
}

fn app() -> PortResult<BoundTo> {
    Ok(BoundTo::Client(client()?))
}
