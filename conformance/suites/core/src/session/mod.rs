//! The session port's suite: who is logged in, until when.

use std::sync::Arc;

use portproof_ports::{
    IdentityId, NewSession, PageRequest, Ports, Session, SessionDigest, SessionStore, Span,
    TenantId, Timestamp,
};

use super::{
    fixture::{START, day, document, just_before},
    offered,
};
use crate::{
    Checked, Context, Failure, Suite, World,
    check::equal,
    race::{RACERS, race},
};

mod cancelled;
mod ends;
mod found;
mod kept;
mod lists;
mod records;
mod rotations;
mod sweeps;
mod touches;
mod updates;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::SessionStoreCall,
        "session::random::calls_in_turn",
        "session::random::calls_at_once"
    );
}

/// All rules of the session port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        kept::cases(),
        found::cases(),
        updates::cases(),
        walls::cases(),
        touches::cases(),
        rotations::cases(),
        ends::cases(),
        sweeps::cases(),
        lists::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("session", parts.into_iter().flatten().collect())
}

/// A tenant with sessions, and another with the same ids in it.
struct Sessions {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn SessionStore>,
    /// The store through the second handle.
    other: Arc<dyn SessionStore>,
    tenant: TenantId,
    /// A tenant that has a session under [`Self::subject`]'s id, and under `fresh`'s.
    elsewhere: TenantId,
    /// Ada's session: what most rules are about.
    subject: Session,
    /// What no case means.
    bystanders: Vec<(TenantId, Session)>,
}

/// Whose session most rules are about.
fn ada() -> Result<IdentityId, Failure> {
    Ok(IdentityId::new("Ada")?)
}

/// The digest of a bearer value.
fn digest(bearer: &str) -> SessionDigest {
    SessionDigest::of(bearer.as_bytes())
}

/// A session of Ada's with every field set: idle for 30 minutes, over after 90 days.
fn new_session(bearer: &str) -> Result<NewSession, Failure> {
    Ok(NewSession {
        id: digest(bearer),
        identity: Some(ada()?),
        idle: Some(Span::minutes(30)),
        ends_at: day(90),
        data: document(bearer)?,
    })
}

/// A session that lives long without being touched.
fn long_session(bearer: &str, identity: Option<&str>) -> Result<NewSession, Failure> {
    Ok(NewSession {
        identity: identity.map(IdentityId::new).transpose()?,
        idle: Some(Span::days(200)),
        ends_at: day(400),
        ..new_session(bearer)?
    })
}

impl World for Sessions {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("session", context.stores().session.as_ref())?;
        let other = offered("session", context.second().session.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        for (tenant, session) in [
            (&tenant, long_session("bystander", Some("ada"))?),
            (&tenant, long_session("guest", None)?),
            (&elsewhere, long_session("subject", Some("Ada"))?),
            (&elsewhere, long_session("fresh", Some("Ada"))?),
        ] {
            let stored = store.create(tenant, session, START).await?;
            bystanders.push((tenant.clone(), stored));
        }
        let subject = store
            .create(&tenant, new_session("subject")?, START)
            .await?;
        let world = Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            subject,
            bystanders,
        };
        // So that the caches of both handles have it.
        world.seen(&world.subject.id).await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, session) in &self.bystanders {
            let found = self.store.get(tenant, &session.id, START).await?;
            equal(
                &format!(
                    "the session {:?} in tenant {tenant:?}, which nobody touched",
                    session.id
                ),
                &found.as_ref(),
                &Some(session),
            )?;
        }
        Ok(())
    }
}

impl Sessions {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn SessionStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// The session as both handles see it at [`START`], when every session of a world is live:
    /// `None` when it is gone.
    async fn seen(&self, id: &SessionDigest) -> Result<Option<Session>, Failure> {
        let first = self.store.get(&self.tenant, id, START).await?;
        let second = self.other.get(&self.tenant, id, START).await?;
        equal("the second handle's view of the session", &second, &first)?;
        Ok(first)
    }

    /// Fails unless the subject is as it was created.
    async fn subject_unchanged(&self) -> Checked {
        let found = self.seen(&self.subject.id).await?;
        equal(
            "the session, which was to stay as it is",
            &found.as_ref(),
            &Some(&self.subject),
        )?;
        let last_moment = just_before(self.subject.expires_at);
        let found = self
            .store
            .get(&self.tenant, &self.subject.id, last_moment)
            .await?;
        equal(
            "the session at its last moment",
            &found.as_ref(),
            &Some(&self.subject),
        )
    }

    /// Stores a session in the tenant at [`START`], and reads it through both handles, so that
    /// their caches have it.
    async fn create(&self, session: NewSession) -> Result<Session, Failure> {
        let created = self.store.create(&self.tenant, session, START).await?;
        self.seen(&created.id).await?;
        Ok(created)
    }

    /// The sessions of Ada that are live at `now`, through both handles.
    async fn of_ada(&self, now: Timestamp) -> Result<Vec<Session>, Failure> {
        let (identity, page) = (ada()?, PageRequest::first(1000)?);
        let listed = self
            .store
            .list_of(&self.tenant, &identity, now, &page)
            .await?;
        let second = self
            .other
            .list_of(&self.tenant, &identity, now, &page)
            .await?;
        equal(
            "the second handle's list of Ada's sessions",
            &second.items,
            &listed.items,
        )?;
        Ok(listed.items)
    }

    /// Stores `count` sessions of Ada's, the digests of `one of many 0` and on.
    async fn create_many(&self, count: usize) -> Checked {
        let lanes = race(RACERS, |lane| {
            let (store, tenant) = (self.handle(lane), self.tenant.clone());
            async move {
                for number in (lane..count).step_by(RACERS) {
                    let given = new_session(&format!("one of many {number}"))?;
                    store.create(&tenant, given, START).await?;
                }
                Ok::<(), Failure>(())
            }
        })
        .await?;
        lanes.into_iter().collect()
    }
}
