//! Who is logged in: the session port in memory.

use async_trait::async_trait;
use portproof_ports::{
    Document, IdentityId, Keep, NewSession, Page, PageRequest, PortError, PortResult, Session,
    SessionDigest, SessionStore, TenantId, Timestamp, Version,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl SessionStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn create(
        &self,
        tenant: &TenantId,
        session: NewSession,
        now: Timestamp,
    ) -> PortResult<Session> {
        if session.ends_at <= now {
            return Err(PortError::refused("ends_at", "is not after now"));
        }
        self.step(tenant, |tenant| {
            if tenant.sessions.contains_key(&session.id) {
                return Err(PortError::already_exists("session"));
            }
            let session = Session {
                expires_at: Session::expiry(now, session.idle, session.ends_at),
                id: session.id,
                identity: session.identity,
                idle: session.idle,
                ends_at: session.ends_at,
                data: session.data,
                version: Version::FIRST,
                created_at: now,
                seen_at: now,
            };
            tenant.sessions.insert(session.id.clone(), session.clone());
            Ok(session)
        })
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        self.step(tenant, |tenant| Ok(live(tenant, id, now).cloned()))
    }

    async fn touch(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        self.step(tenant, |tenant| {
            let Some(session) = live(tenant, id, now) else {
                return Ok(None);
            };
            see(session, now);
            Ok(Some(session.clone()))
        })
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        expected: Version,
        data: Document,
        now: Timestamp,
    ) -> PortResult<Session> {
        self.step(tenant, |tenant| {
            let session = live(tenant, id, now).ok_or(PortError::not_found("session"))?;
            if session.version != expected {
                return Err(PortError::stale("session"));
            }
            session.data = data;
            session.version = expected.next();
            Ok(session.clone())
        })
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        old: &SessionDigest,
        new: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        self.step(tenant, |tenant| {
            let Some(session) = live(tenant, old, now) else {
                return Ok(None);
            };
            let mut session = session.clone();
            if tenant.sessions.contains_key(new) {
                return Err(PortError::already_exists("session"));
            }
            session.id = new.clone();
            see(&mut session, now);
            tenant.sessions.remove(old);
            tenant.sessions.insert(new.clone(), session.clone());
            Ok(Some(session))
        })
    }

    async fn revoke(&self, tenant: &TenantId, id: &SessionDigest) -> PortResult<bool> {
        self.step(tenant, |tenant| Ok(tenant.sessions.remove(id).is_some()))
    }

    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        keep: &Keep,
    ) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let ended = tenant.sessions.extract_if(.., |id, session| {
                let kept = matches!(keep, Keep::Session(kept) if kept == id);
                session.identity.as_ref() == Some(identity) && !kept
            });
            Ok(ended.count() as u64)
        })
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Session>> {
        self.step(tenant, |stored| {
            let theirs = stored
                .sessions
                .values()
                .filter(|session| {
                    session.identity.as_ref() == Some(identity) && session.is_live(now)
                })
                .map(|session| ((session.created_at, session.id.clone()), session));
            page("session.list_of", tenant, identity, request, theirs)
        })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let over = tenant
                .sessions
                .extract_if(.., |_, session| !session.is_live(now));
            Ok(over.take(at_most as usize).count() as u64)
        })
    }
}

/// The session with this id, if it is live at `now`.
fn live<'a>(tenant: &'a mut Tenant, id: &SessionDigest, now: Timestamp) -> Option<&'a mut Session> {
    let session = tenant.sessions.get_mut(id)?;
    session.is_live(now).then_some(session)
}

/// Notes that a live session was seen at `now`; one that was seen later already stays as it is.
fn see(session: &mut Session, now: Timestamp) {
    if now > session.seen_at {
        session.seen_at = now;
        session.expires_at = Session::expiry(now, session.idle, session.ends_at);
    }
}
