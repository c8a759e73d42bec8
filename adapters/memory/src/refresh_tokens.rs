//! Who may get new access tokens: the refresh token port in memory.

use async_trait::async_trait;
use portproof_ports::{
    ClientId, FamiliesOf, Family, FamilyId, IdentityId, NewFamily, Page, PageRequest, PortError,
    PortResult, RefreshDigest, RefreshToken, RefreshTokenStore, Rotation, Span, TenantId,
    Timestamp,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl RefreshTokenStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn issue(
        &self,
        tenant: &TenantId,
        family: NewFamily,
        now: Timestamp,
    ) -> PortResult<Family> {
        if family.ends_at <= now {
            return Err(PortError::refused("ends_at", "is not after now"));
        }
        self.step(tenant, |tenant| {
            if tenant.families.contains_key(&family.id) {
                return Err(PortError::already_exists("family"));
            }
            if tenant.refresh_tokens.contains_key(&family.token) {
                return Err(PortError::already_exists("refresh token"));
            }
            let family = Family {
                expires_at: Family::expiry(now, family.idle, family.ends_at),
                id: family.id,
                token: family.token,
                identity: family.identity,
                client: family.client,
                session: family.session,
                idle: family.idle,
                ends_at: family.ends_at,
                data: family.data,
                rotations: 0,
                created_at: now,
                seen_at: now,
            };
            let (id, token) = (family.id.clone(), family.token.clone());
            tenant.refresh_tokens.insert(token, (id.clone(), None));
            tenant.families.insert(id, family.clone());
            Ok(family)
        })
    }

    async fn get(
        &self,
        tenant: &TenantId,
        token: &RefreshDigest,
        now: Timestamp,
    ) -> PortResult<Option<RefreshToken>> {
        self.step(tenant, |tenant| Ok(found(tenant, token, now)))
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        old: &RefreshDigest,
        new: &RefreshDigest,
        leeway: Option<Span>,
        now: Timestamp,
    ) -> PortResult<Rotation> {
        self.step(tenant, |tenant| {
            let token = found(tenant, old, now).filter(|token| token.family.client == *client);
            let Some(token) = token else {
                return Ok(Rotation::Gone);
            };
            if token.is_retry(leeway, now) {
                return Ok(Rotation::Retried(token.family));
            }
            if token.spent_at.is_some() {
                end(tenant, |family| family.id == token.family.id);
                return Ok(Rotation::Reused(token.family));
            }
            if tenant.refresh_tokens.contains_key(new) {
                return Err(PortError::already_exists("refresh token"));
            }
            let mut family = token.family;
            family.token = new.clone();
            family.rotations += 1;
            family.seen_at = family.seen_at.max(now);
            family.expires_at = Family::expiry(family.seen_at, family.idle, family.ends_at);
            let id = &family.id;
            let spent = (id.clone(), Some(family.seen_at));
            tenant.refresh_tokens.insert(old.clone(), spent);
            tenant
                .refresh_tokens
                .insert(new.clone(), (id.clone(), None));
            tenant.families.insert(id.clone(), family.clone());
            Ok(Rotation::Rotated(family))
        })
    }

    async fn revoke(&self, tenant: &TenantId, family: &FamilyId) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            Ok(end(tenant, |stored| stored.id == *family) == 1)
        })
    }

    async fn revoke_all_of(&self, tenant: &TenantId, whose: &FamiliesOf) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            Ok(end(tenant, |family| match whose {
                FamiliesOf::Identity(identity) => family.identity == *identity,
                FamiliesOf::Client(client) => family.client == *client,
                FamiliesOf::Session(session) => family.session.as_ref() == Some(session),
                FamiliesOf::Everybody => true,
            }))
        })
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Family>> {
        self.step(tenant, |stored| {
            let theirs = stored
                .families
                .values()
                .filter(|family| family.identity == *identity && family.is_live(now))
                .map(|family| ((family.created_at, family.id.clone()), family));
            page("refresh_tokens.list_of", tenant, identity, request, theirs)
        })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let mut left = at_most;
            Ok(end(tenant, |family| {
                let goes = left > 0 && !family.is_live(now);
                left -= u32::from(goes);
                goes
            }))
        })
    }
}

/// The token with this digest, if its family is live at `now`.
fn found(tenant: &Tenant, token: &RefreshDigest, now: Timestamp) -> Option<RefreshToken> {
    let (id, spent_at) = tenant.refresh_tokens.get(token)?;
    let family = tenant.families.get(id)?;
    family.is_live(now).then(|| RefreshToken {
        spent_at: *spent_at,
        family: family.clone(),
    })
}

/// Removes the families that `ends` holds for, with all their tokens; answers how many.
fn end(tenant: &mut Tenant, mut ends: impl FnMut(&Family) -> bool) -> u64 {
    let families = &mut tenant.families;
    let ended = families.extract_if(.., |_, family| ends(family)).count();
    if ended > 0 {
        tenant
            .refresh_tokens
            .retain(|_, (id, _)| tenant.families.contains_key(id));
    }
    ended as u64
}
