//! A small adapter by somebody else: sessions in a map, and nothing more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use portproof_ports::{
    Cursor, Document, IdentityId, Keep, NewSession, Page, PageRequest, PortError, PortResult,
    Ports, Session, SessionDigest, SessionStore, TenantId, Timestamp, Version, async_trait,
};

type Sessions = HashMap<(TenantId, SessionDigest), Session>;

/// Sessions in a map.
#[derive(Clone, Default)]
pub struct MapAdapter(Arc<Mutex<Sessions>>);

impl MapAdapter {
    /// The one port that it offers.
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports::default().with_session(self.clone())
    }

    fn sessions(&self) -> PortResult<MutexGuard<'_, Sessions>> {
        self.0
            .lock()
            .map_err(|_| PortError::Backend("an earlier call panicked".into()))
    }

    /// Changes a live session; `None` when there is none.
    fn change(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
        change: impl FnOnce(&mut Session) -> PortResult<()>,
    ) -> PortResult<Option<Session>> {
        let mut sessions = self.sessions()?;
        let key = (tenant.clone(), id.clone());
        let Some(session) = sessions
            .get_mut(&key)
            .filter(|session| session.is_live(now))
        else {
            return Ok(None);
        };
        change(session)?;
        Ok(Some(session.clone()))
    }
}

fn see(session: &mut Session, now: Timestamp) {
    session.seen_at = session.seen_at.max(now);
    session.expires_at = Session::expiry(session.seen_at, session.idle, session.ends_at);
}

#[async_trait]
impl SessionStore for MapAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.sessions().map(drop)
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewSession,
        now: Timestamp,
    ) -> PortResult<Session> {
        if new.ends_at <= now {
            return Err(PortError::refused("ends_at", "is not after now"));
        }
        let mut sessions = self.sessions()?;
        let key = (tenant.clone(), new.id.clone());
        if sessions.contains_key(&key) {
            return Err(PortError::already_exists("session"));
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
        sessions.insert(key, session.clone());
        Ok(session)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        self.change(tenant, id, now, |_| Ok(()))
    }

    async fn touch(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        self.change(tenant, id, now, |session| {
            see(session, now);
            Ok(())
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
        let updated = self.change(tenant, id, now, |session| {
            if session.version != expected {
                return Err(PortError::stale("session"));
            }
            session.data = data;
            session.version = expected.next();
            Ok(())
        })?;
        updated.ok_or(PortError::not_found("session"))
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        old: &SessionDigest,
        new: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>> {
        let mut sessions = self.sessions()?;
        let old = (tenant.clone(), old.clone());
        let Some(mut session) = sessions
            .get(&old)
            .filter(|session| session.is_live(now))
            .cloned()
        else {
            return Ok(None);
        };
        let key = (tenant.clone(), new.clone());
        if sessions.contains_key(&key) {
            return Err(PortError::already_exists("session"));
        }
        session.id = new.clone();
        see(&mut session, now);
        sessions.remove(&old);
        sessions.insert(key, session.clone());
        Ok(Some(session))
    }

    async fn revoke(&self, tenant: &TenantId, id: &SessionDigest) -> PortResult<bool> {
        Ok(self
            .sessions()?
            .remove(&(tenant.clone(), id.clone()))
            .is_some())
    }

    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        keep: &Keep,
    ) -> PortResult<u64> {
        let mut sessions = self.sessions()?;
        let before = sessions.len();
        sessions.retain(|(of, id), session| {
            of != tenant
                || session.identity.as_ref() != Some(identity)
                || *keep == Keep::Session(id.clone())
        });
        Ok((before - sessions.len()) as u64)
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<Session>> {
        let list = ["sessions", tenant.as_str(), identity.as_str()];
        let after: Option<(Timestamp, SessionDigest)> =
            page.cursor().map(|cursor| cursor.open(&list)).transpose()?;
        let place = |session: &Session| (session.created_at, session.id.clone());
        let mut items: Vec<Session> = self
            .sessions()?
            .iter()
            .filter(|((of, _), session)| {
                of == tenant && session.identity.as_ref() == Some(identity)
            })
            .map(|(_, session)| session.clone())
            .filter(|session| session.is_live(now))
            .filter(|session| after.as_ref().is_none_or(|after| place(session) > *after))
            .collect();
        items.sort_by_key(place);
        let more = items.len() > usize::from(page.limit());
        items.truncate(usize::from(page.limit()));
        let last = items.last().filter(|_| more).map(place);
        let next = last.map(|last| Cursor::seal(&list, &last)).transpose()?;
        Ok(Page { items, next })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        let mut sessions = self.sessions()?;
        let over: Vec<_> = sessions
            .iter()
            .filter(|((of, _), session)| of == tenant && !session.is_live(now))
            .map(|(key, _)| key.clone())
            .take(at_most as usize)
            .collect();
        for key in &over {
            sessions.remove(key);
        }
        Ok(over.len() as u64)
    }
}
