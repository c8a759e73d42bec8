//! The refresh token port's suite: who may get new access tokens, until when.

use std::sync::Arc;

use portproof_ports::{
    ClientId, Family, FamilyId, IdentityId, NewFamily, PageRequest, Ports, RefreshDigest,
    RefreshToken, RefreshTokenStore, Rotation, SessionRef, Span, TenantId, Timestamp,
};

use super::{
    fixture::{START, day, document, just_before},
    offered,
};
use crate::{
    Checked, Context, Failure, Profile, Suite, World,
    check::equal,
    race::{RACERS, race},
};

mod bulk;
mod cancelled;
mod ends;
mod found;
mod kept;
mod lists;
mod races;
mod records;
mod retries;
mod reuse;
mod rotations;
mod sweeps;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::RefreshTokenStoreCall,
        "refresh_tokens::random::calls_in_turn",
        "refresh_tokens::random::calls_at_once"
    );
}

/// All rules of the refresh token port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        kept::cases(),
        found::cases(),
        rotations::cases(),
        retries::cases(),
        reuse::cases(),
        races::cases(),
        ends::cases(),
        bulk::cases(),
        sweeps::cases(),
        lists::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("refresh_tokens", parts.into_iter().flatten().collect()).of_profile(Profile::Oauth)
}

/// For how long a retry is one, where a case does not say something else.
const LEEWAY: Span = Span::seconds(10);

/// A tenant with families, and another with the same ids and tokens in it.
struct Families {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn RefreshTokenStore>,
    /// The store through the second handle.
    other: Arc<dyn RefreshTokenStore>,
    tenant: TenantId,
    /// A tenant that has a family under [`Self::subject`]'s id and token, and under `fresh`'s.
    elsewhere: TenantId,
    /// Ada's family: what most rules are about.
    subject: Family,
    /// What no case means; each was rotated once, from the token `spent` and its name.
    bystanders: Vec<(TenantId, Family)>,
}

/// Whose family most rules are about.
fn ada() -> Result<IdentityId, Failure> {
    Ok(IdentityId::new("Ada")?)
}

/// Which client Ada's families are for.
fn app() -> Result<ClientId, Failure> {
    Ok(ClientId::new("App")?)
}

/// The session that Ada's families were issued in.
fn sid() -> Result<SessionRef, Failure> {
    Ok(SessionRef::new("Sid")?)
}

/// The digest of a bearer value.
fn digest(bearer: &str) -> RefreshDigest {
    RefreshDigest::of(bearer.as_bytes())
}

/// The id of the family with this name.
fn id(name: &str) -> Result<FamilyId, Failure> {
    Ok(FamilyId::new(name)?)
}

/// A family of Ada's with every field set, under this name and with the token of it: idle for 30
/// minutes, over after 90 days.
fn new_family(name: &str) -> Result<NewFamily, Failure> {
    Ok(NewFamily {
        id: id(name)?,
        token: digest(name),
        identity: ada()?,
        client: app()?,
        session: Some(sid()?),
        idle: Some(Span::minutes(30)),
        ends_at: day(90),
        data: document(name)?,
    })
}

/// A family that lives long without being rotated.
fn long_family(name: &str, identity: &str) -> Result<NewFamily, Failure> {
    Ok(NewFamily {
        identity: IdentityId::new(identity)?,
        idle: Some(Span::days(200)),
        ends_at: day(400),
        ..new_family(name)?
    })
}

/// The family that rotating `family` to `token` at `now` makes, by a clock that goes right.
fn rotated(family: &Family, token: &RefreshDigest, now: Timestamp) -> Family {
    Family {
        token: token.clone(),
        rotations: family.rotations + 1,
        seen_at: now,
        expires_at: Family::expiry(now, family.idle, family.ends_at),
        ..family.clone()
    }
}

/// A family's current token, as it is found.
fn current(family: &Family) -> Option<RefreshToken> {
    Some(RefreshToken {
        spent_at: None,
        family: family.clone(),
    })
}

/// A family's token that was spent then, as it is found.
fn spent(family: &Family, spent_at: Timestamp) -> Option<RefreshToken> {
    Some(RefreshToken {
        spent_at: Some(spent_at),
        family: family.clone(),
    })
}

impl World for Families {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("refresh_tokens", context.stores().refresh_tokens.as_ref())?;
        let other = offered("refresh_tokens", context.second().refresh_tokens.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        let unlike = NewFamily {
            client: ClientId::new("app")?,
            session: Some(SessionRef::new("sid")?),
            ..long_family("bystander", "ada")?
        };
        let sessionless = NewFamily {
            session: None,
            client: ClientId::new("App ")?,
            ..long_family("sessionless", "Adá")?
        };
        for (tenant, family) in [
            (&tenant, unlike),
            (&tenant, sessionless),
            (&elsewhere, long_family("subject", "Ada")?),
            (&elsewhere, long_family("fresh", "Ada")?),
        ] {
            let (client, token) = (family.client.clone(), family.token.clone());
            let first = digest(&format!("spent {}", family.id.as_str()));
            let family = NewFamily {
                token: first.clone(),
                ..family
            };
            store.issue(tenant, family, START).await?;
            let rotation = store
                .rotate(tenant, &client, &first, &token, None, START)
                .await?;
            let Rotation::Rotated(family) = rotation else {
                return Err(Failure::new(format!(
                    "a new family, rotated\n  expected Rotated\n  got      {rotation:?}"
                )));
            };
            bystanders.push((tenant.clone(), family));
        }
        let subject = store.issue(&tenant, new_family("subject")?, START).await?;
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
        world.seen(&world.subject.token).await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, family) in &self.bystanders {
            let name = family.id.as_str();
            let found = self.store.get(tenant, &family.token, START).await?;
            equal(
                &format!("the family {name:?} in tenant {tenant:?}, which nobody touched"),
                &found,
                &current(family),
            )?;
            let before = digest(&format!("spent {name}"));
            let found = self.store.get(tenant, &before, START).await?;
            equal(
                &format!("its spent token, in tenant {tenant:?}"),
                &found,
                &spent(family, START),
            )?;
        }
        Ok(())
    }
}

impl Families {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn RefreshTokenStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// The token as both handles see it at `now`: `None` when it is of no family that lives.
    async fn seen_at(
        &self,
        token: &RefreshDigest,
        now: Timestamp,
    ) -> Result<Option<RefreshToken>, Failure> {
        let first = self.store.get(&self.tenant, token, now).await?;
        let second = self.other.get(&self.tenant, token, now).await?;
        equal("the second handle's view of the token", &second, &first)?;
        Ok(first)
    }

    /// As [`seen_at`](Self::seen_at), at [`START`], when every family of a world is live.
    async fn seen(&self, token: &RefreshDigest) -> Result<Option<RefreshToken>, Failure> {
        self.seen_at(token, START).await
    }

    /// Fails unless the token is the family's current one, and the family is as given, until its end.
    async fn is_current(&self, what: &str, family: &Family) -> Checked {
        equal(what, &self.seen(&family.token).await?, &current(family))?;
        let last = just_before(family.expires_at);
        let found = self.store.get(&self.tenant, &family.token, last).await?;
        equal(
            &format!("{what}, at its last moment"),
            &found,
            &current(family),
        )
    }

    /// Fails unless the subject is as it was issued.
    async fn subject_unchanged(&self) -> Checked {
        let what = "the family, which was to stay as it is";
        self.is_current(what, &self.subject).await
    }

    /// Fails unless none of these tokens is anybody's any more.
    async fn are_gone(&self, what: &str, tokens: &[&RefreshDigest]) -> Checked {
        for token in tokens {
            equal(what, &self.seen(token).await?, &None)?;
            let rotation = self.rotate(token, &digest("after the end"), START).await?;
            equal(
                &format!("{what}, presented again"),
                &rotation,
                &Rotation::Gone,
            )?;
        }
        Ok(())
    }

    /// Stores a family in the tenant at [`START`], and reads it through both handles, so that their
    /// caches have it.
    async fn issue(&self, family: NewFamily) -> Result<Family, Failure> {
        let issued = self.store.issue(&self.tenant, family, START).await?;
        self.seen(&issued.token).await?;
        Ok(issued)
    }

    /// Presents a token of Ada's client, with [`LEEWAY`].
    async fn rotate(
        &self,
        old: &RefreshDigest,
        new: &RefreshDigest,
        now: Timestamp,
    ) -> Result<Rotation, Failure> {
        self.rotate_within(old, new, Some(LEEWAY), now).await
    }

    /// Presents a token of Ada's client.
    async fn rotate_within(
        &self,
        old: &RefreshDigest,
        new: &RefreshDigest,
        leeway: Option<Span>,
        now: Timestamp,
    ) -> Result<Rotation, Failure> {
        Ok(self
            .store
            .rotate(&self.tenant, &app()?, old, new, leeway, now)
            .await?)
    }

    /// Rotates a family of Ada's to the token of `bearer`, and reads both tokens through both
    /// handles.
    async fn advance(
        &self,
        family: &Family,
        bearer: &str,
        now: Timestamp,
    ) -> Result<Family, Failure> {
        let new = digest(bearer);
        let rotation = self.rotate(&family.token, &new, now).await?;
        let expected = rotated(family, &new, now);
        equal(
            "a rotation of a current token",
            &rotation,
            &Rotation::Rotated(expected.clone()),
        )?;
        self.seen_at(&new, now).await?;
        self.seen_at(&family.token, now).await?;
        Ok(expected)
    }

    /// The families of Ada that are live at `now`, through both handles.
    async fn of_ada(&self, now: Timestamp) -> Result<Vec<Family>, Failure> {
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
            "the second handle's list of Ada's families",
            &second.items,
            &listed.items,
        )?;
        Ok(listed.items)
    }

    /// Stores `count` families of Ada's in a tenant, `one of many 0` and on.
    async fn issue_many(&self, tenant: &TenantId, count: usize) -> Checked {
        let lanes = race(RACERS, |lane| {
            let (store, tenant) = (self.handle(lane), tenant.clone());
            async move {
                for number in (lane..count).step_by(RACERS) {
                    let given = new_family(&format!("one of many {number}"))?;
                    store.issue(&tenant, given, START).await?;
                }
                Ok::<(), Failure>(())
            }
        })
        .await?;
        lanes.into_iter().collect()
    }
}
