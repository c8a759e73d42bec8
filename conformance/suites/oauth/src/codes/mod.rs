//! The codes port's suite: what is of use once, and before when.

use std::{num::NonZeroU32, sync::Arc};

use portproof_ports::{
    BoundTo, ClientId, Code, CodeDigest, CodeKind, CodeStore, Consumed, IdentityId, NewCode, Ports,
    TenantId, Timestamp,
};

use super::{
    fixture::{START, day, document, just_before, minute},
    offered,
};
use crate::{
    Checked, Context, Failure, Profile, Suite, World,
    check::equal,
    race::{RACERS, race},
};

mod cancelled;
mod consumption;
mod ends;
mod found;
mod guesses;
mod records;
mod replays;
mod sweeps;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::CodeStoreCall,
        "codes::random::calls_in_turn",
        "codes::random::calls_at_once"
    );
}

/// All rules of the codes port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        found::cases(),
        consumption::cases(),
        replays::cases(),
        guesses::cases(),
        ends::cases(),
        sweeps::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    let cases = parts.into_iter().flatten().collect();
    Suite::new("codes", cases).of_profile(Profile::Oauth)
}

/// A tenant with codes, and another with the same kinds and ids in it.
struct Codes {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn CodeStore>,
    /// The store through the second handle.
    other: Arc<dyn CodeStore>,
    tenant: TenantId,
    /// A tenant that has a code of [`Self::subject`]'s kind and id.
    elsewhere: TenantId,
    /// Ada's authorization code: what most rules are about.
    subject: Code,
    /// What no case means.
    bystanders: Vec<(TenantId, Code)>,
}

/// Whose code most rules are about.
fn ada() -> Result<IdentityId, Failure> {
    Ok(IdentityId::new("Ada")?)
}

/// The client that most codes are for.
fn app() -> Result<ClientId, Failure> {
    Ok(ClientId::new("app")?)
}

/// What binds a code to the client of this name.
fn bound_to(client: &str) -> Result<BoundTo, Failure> {
    Ok(BoundTo::Client(ClientId::new(client)?))
}

/// The kind of this name.
fn kind(name: &str) -> Result<CodeKind, Failure> {
    Ok(CodeKind::new(name)?)
}

/// The digest of a code.
fn digest(bearer: &str) -> CodeDigest {
    CodeDigest::of(bearer.as_bytes())
}

/// A code of Ada's with every field set: for the client `app`, over after ten minutes, or after
/// five wrong guesses.
fn new_code(bearer: &str) -> Result<NewCode, Failure> {
    Ok(NewCode {
        kind: kind("authorization_code")?,
        id: digest(bearer),
        bound_to: bound_to("app")?,
        identity: Some(ada()?),
        guesses: NonZeroU32::new(5),
        expires_at: minute(10),
        data: document(bearer)?,
    })
}

/// A code that is live for long, of `identity` and for `client`.
fn long_code(bearer: &str, identity: &str, client: &str) -> Result<NewCode, Failure> {
    Ok(NewCode {
        bound_to: bound_to(client)?,
        identity: Some(IdentityId::new(identity)?),
        expires_at: day(400),
        ..new_code(bearer)?
    })
}

impl World for Codes {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("codes", context.stores().codes.as_ref())?;
        let other = offered("codes", context.second().codes.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let of_another_kind = NewCode {
            kind: kind("ticket")?,
            ..long_code("subject", "ada", "App")?
        };
        let of_nobody = NewCode {
            bound_to: BoundTo::Nobody,
            identity: None,
            guesses: None,
            ..long_code("of nobody", "Ada", "app")?
        };
        let mut bystanders = Vec::new();
        for (tenant, code) in [
            (&tenant, of_another_kind),
            (&tenant, of_nobody),
            (&tenant, long_code("bystander", "ada", "App")?),
            (&elsewhere, long_code("subject", "Ada", "app")?),
        ] {
            let stored = store.put(tenant, code, START).await?;
            bystanders.push((tenant.clone(), stored));
        }
        // Ada's, for the app, and used: it outlives everything but a sweep after its end.
        let used = long_code("used", "Ada", "app")?;
        let used = store.put(&tenant, used, START).await?;
        let consumed = store
            .consume(&tenant, &used.kind, &used.id, &used.bound_to, START)
            .await?;
        let Consumed::First(used) = consumed else {
            return Err(Failure::new(format!(
                "expected to be the first to consume a code, got {consumed:?}"
            )));
        };
        bystanders.push((tenant.clone(), used));
        let subject = store.put(&tenant, new_code("subject")?, START).await?;
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
        for (tenant, code) in &self.bystanders {
            let found = self.store.peek(tenant, &code.kind, &code.id, START).await?;
            equal(
                &format!(
                    "the {:?} {:?} in tenant {tenant:?}, which nobody touched",
                    code.kind, code.id
                ),
                &found.as_ref(),
                &Some(code),
            )?;
        }
        Ok(())
    }
}

impl Codes {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn CodeStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// The authorization code as both handles see it at [`START`], when nothing is over.
    async fn seen(&self, id: &CodeDigest) -> Result<Option<Code>, Failure> {
        self.seen_as(&self.subject.kind, id, START).await
    }

    /// The code as both handles see it at `now`.
    async fn seen_as(
        &self,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> Result<Option<Code>, Failure> {
        let first = self.store.peek(&self.tenant, kind, id, now).await?;
        let second = self.other.peek(&self.tenant, kind, id, now).await?;
        equal("the second handle's view of the code", &second, &first)?;
        Ok(first)
    }

    /// Fails unless the code is as it was when it was stored, from then to its last moment.
    async fn unchanged(&self, code: &Code) -> Checked {
        for now in [START, just_before(code.expires_at)] {
            let found = self.seen_as(&code.kind, &code.id, now).await?;
            equal(
                &format!("the code at {now}, which was to stay as it is"),
                &found.as_ref(),
                &Some(code),
            )?;
        }
        Ok(())
    }

    /// Fails unless the subject is as it was stored.
    async fn subject_unchanged(&self) -> Checked {
        self.unchanged(&self.subject).await
    }

    /// Stores a code in the tenant at [`START`], and reads it through both handles, so that their
    /// caches have it.
    async fn put(&self, code: NewCode) -> Result<Code, Failure> {
        let stored = self.store.put(&self.tenant, code, START).await?;
        self.seen_as(&stored.kind, &stored.id, START).await?;
        Ok(stored)
    }

    /// What comes of consuming the code as what it is, at `now`.
    async fn consume(&self, code: &Code, now: Timestamp) -> Result<Consumed, Failure> {
        let consumed = self
            .store
            .consume(&self.tenant, &code.kind, &code.id, &code.bound_to, now)
            .await?;
        Ok(consumed)
    }

    /// Fails unless the code can be consumed at `now`: by the first to try, and by nobody else.
    async fn is_consumed_once(&self, code: &Code, now: Timestamp) -> Checked {
        let consumed = Code {
            consumed_at: Some(now),
            ..code.clone()
        };
        let first = self.consume(code, now).await?;
        equal("consuming it", &first, &Consumed::First(consumed.clone()))?;
        let second = self
            .other
            .consume(&self.tenant, &code.kind, &code.id, &code.bound_to, now)
            .await?;
        equal(
            "consuming it again",
            &second,
            &Consumed::Replayed(consumed.clone()),
        )
    }

    /// Counts a wrong guess at the code, at `now`.
    async fn guess(&self, code: &Code, now: Timestamp) -> Result<Option<Code>, Failure> {
        let counted = self
            .store
            .record_failure(&self.tenant, &code.kind, &code.id, now)
            .await?;
        Ok(counted)
    }

    /// Stores a code that one wrong guess ends, and guesses.
    async fn guessed_out(&self, bearer: &str) -> Result<Code, Failure> {
        let given = NewCode {
            guesses: NonZeroU32::new(1),
            ..new_code(bearer)?
        };
        let code = self.put(given).await?;
        let last = Code {
            failures: 1,
            ..code.clone()
        };
        equal(
            "the only guess",
            &self.guess(&code, START).await?,
            &Some(last),
        )?;
        Ok(code)
    }

    /// Stores `count` codes of Ada's, the digests of `one of many 0` and on.
    async fn put_many(&self, count: usize) -> Checked {
        let lanes = race(RACERS, |lane| {
            let (store, tenant) = (self.handle(lane), self.tenant.clone());
            async move {
                for number in (lane..count).step_by(RACERS) {
                    let given = new_code(&format!("one of many {number}"))?;
                    store.put(&tenant, given, START).await?;
                }
                Ok::<(), Failure>(())
            }
        })
        .await?;
        lanes.into_iter().collect()
    }

    /// How many such codes of these numbers are still there.
    async fn left_of_many(
        &self,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Result<usize, Failure> {
        let mut left = 0;
        for number in numbers {
            let id = digest(&format!("one of many {number}"));
            left += usize::from(self.seen(&id).await?.is_some());
        }
        Ok(left)
    }
}
