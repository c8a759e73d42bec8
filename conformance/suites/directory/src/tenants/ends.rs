//! What comes after a purge: nothing of what was.

use portproof_ports::{
    BoundTo, ClientId, CodeDigest, CodeKind, Consumed, CredentialKind, LookupDigest, Ports,
    RefreshDigest, Rotation, SessionDigest, Span,
};

use super::{
    draft,
    fill::fill,
    purge::{ALL, Full},
};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![recreated_starts_empty, bearers_are_dead]
}

/// A tenant that is created again under an id begins with nothing: every id and digest is free, and
/// what is stored then is as if there had been no tenant before.
///
/// A new customer under an old name would meet the old one's history: spent tokens that end its
/// families, past secrets that may not be used, versions that somebody has seen.
#[rule(
    "tenants::purge::recreated_tenant_starts_empty",
    source = "the contract: recreating resurrects nothing"
)]
async fn recreated_starts_empty(w: &Full) -> Checked {
    w.purge(&w.tenant).await?;
    w.other.create(&w.tenant, draft("new")?, minute(1)).await?;
    let removed = w.other.purge(&w.tenant, ALL).await?;
    equal("how many records a new tenant has", &removed, &1)?;
    let records = fill(w.context.second(), &w.tenant).await?;
    equal("how many records it is filled with", &records, &w.records)?;
    w.is_full(&w.tenant).await
}

/// What a purged tenant gave out is of no use, in a tenant of that id neither: its sessions are none,
/// its codes and refresh tokens were never there, and its API keys find nobody.
///
/// Somebody kept the cookie.
#[rule(
    "tenants::purge::ends_what_was_given_out",
    source = "the contract: everything can be ended at once"
)]
async fn bearers_are_dead(w: &Full) -> Checked {
    let tenant = &w.tenant;
    w.purge(tenant).await?;
    w.store.create(tenant, draft("new")?, minute(1)).await?;
    for ports in [w.context.stores(), w.context.second()] {
        for bearer in [&b"one"[..], b"two", b"three"] {
            if let Some(sessions) = &ports.session {
                let (old, new) = (SessionDigest::of(bearer), SessionDigest::of(b"new"));
                let touched = sessions.touch(tenant, &old, START).await?;
                equal("a session, touched", &touched, &None)?;
                let rotated = sessions.rotate(tenant, &old, &new, START).await?;
                equal("a session, rotated", &rotated, &None)?;
            }
            if let Some(codes) = &ports.codes {
                let (kind, id) = (CodeKind::new("ticket")?, CodeDigest::of(bearer));
                let bound_to = BoundTo::Client(ClientId::new("app")?);
                let consumed = codes.consume(tenant, &kind, &id, &bound_to, START).await?;
                equal("a code, consumed", &consumed, &Consumed::Refused)?;
            }
            if let Some(tokens) = &ports.refresh_tokens {
                let (old, new) = (RefreshDigest::of(bearer), RefreshDigest::of(b"new"));
                let (client, leeway) = (ClientId::new("app")?, Some(Span::seconds(10)));
                let rotation = tokens
                    .rotate(tenant, &client, &old, &new, leeway, START)
                    .await?;
                equal("a refresh token, presented", &rotation, &Rotation::Gone)?;
            }
            if let Some(credentials) = &ports.credentials {
                let lookup = LookupDigest::of(bearer);
                let found = credentials
                    .find(tenant, CredentialKind::ApiKey, &lookup, START)
                    .await?;
                equal("an API key, looked up", &found, &None)?;
            }
        }
    }
    Ok(())
}
