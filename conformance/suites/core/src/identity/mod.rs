//! The identity port's suite: who there is, and by which identifiers they are found.

use std::sync::Arc;

use portproof_ports::{
    Email, Identifier, Identity, IdentityId, IdentityKind, IdentityStore, NewIdentifier,
    NewIdentity, Phone, Ports, ProviderId, ProviderSubject, TenantId, Timestamp, Username,
};

use super::{
    fixture::{START, document, minute},
    offered,
};
use crate::{Checked, Context, Failure, Suite, World, check::equal};

mod cancelled;
mod changes;
mod ends;
mod identifiers;
mod kept;
mod lists;
mod merges;
mod records;
mod unlinks;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::IdentityStoreCall,
        "identity::random::calls_in_turn",
        "identity::random::calls_at_once"
    );
}

/// All rules of the identity port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        kept::cases(),
        identifiers::cases(),
        unlinks::cases(),
        changes::cases(),
        merges::cases(),
        ends::cases(),
        lists::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("identity", parts.into_iter().flatten().collect())
}

/// A tenant with identities that resemble each other, and another with the same ids and
/// identifiers in it.
struct Identities {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn IdentityStore>,
    /// The store through the second handle.
    other: Arc<dyn IdentityStore>,
    tenant: TenantId,
    /// A tenant that has an identity under the subject's id, with the subject's identifiers.
    elsewhere: TenantId,
    /// Ada: what most rules are about.
    subject: Identity,
    /// What no case means.
    bystanders: Vec<(TenantId, Identity)>,
}

/// An identity id.
fn id(id: &str) -> Result<IdentityId, Failure> {
    Ok(IdentityId::new(id)?)
}

fn email(typed: &str) -> Result<Identifier, Failure> {
    Ok(Identifier::Email(Email::new(typed)?))
}

fn phone(typed: &str) -> Result<Identifier, Failure> {
    Ok(Identifier::Phone(Phone::new(typed)?))
}

fn username(typed: &str) -> Result<Identifier, Failure> {
    Ok(Identifier::Username(Username::new(typed)?))
}

/// An account at a provider.
fn account(provider: &str, subject: &str) -> Result<Identifier, Failure> {
    Ok(Identifier::Federated {
        provider: ProviderId::new(provider)?,
        subject: ProviderSubject::new(subject)?,
    })
}

/// An identifier to be linked.
fn unverified(identifier: Identifier) -> NewIdentifier {
    NewIdentifier {
        identifier,
        verified_at: None,
    }
}

/// An identifier to be linked that was shown to be theirs.
fn verified(identifier: Identifier, at: Timestamp) -> NewIdentifier {
    NewIdentifier {
        identifier,
        verified_at: Some(at),
    }
}

/// A person with this id and these identifiers.
fn new_identity(name: &str, identifiers: Vec<NewIdentifier>) -> Result<NewIdentity, Failure> {
    Ok(NewIdentity {
        id: id(name)?,
        kind: IdentityKind::Human,
        profile: document(name)?,
        identifiers,
    })
}

/// One identifier of each kind, with an account whose parts others have as well.
fn ada() -> Result<NewIdentity, Failure> {
    new_identity(
        "Ada",
        vec![
            verified(email("ada@example.com")?, minute(1)),
            unverified(phone("+46812345678")?),
            unverified(username("ada")?),
            verified(account("google", "sub-1")?, minute(2)),
        ],
    )
}

impl World for Identities {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("identity", context.stores().identity.as_ref())?;
        let other = offered("identity", context.second().identity.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let near = new_identity(
            "ada",
            vec![
                verified(email("ada@example.com.au")?, minute(3)),
                unverified(account("google", "sub-2")?),
                unverified(account("github", "sub-1")?),
                unverified(username("ada@example.com")?),
            ],
        )?;
        let service = NewIdentity {
            kind: IdentityKind::Service,
            ..new_identity("Ada ", vec![])?
        };
        let mut there = ada()?;
        there.profile = document("elsewhere")?;
        let mut bystanders = Vec::new();
        for (tenant, identity) in [(&tenant, near), (&tenant, service), (&elsewhere, there)] {
            let stored = store.create(tenant, identity, START).await?;
            bystanders.push((tenant.clone(), stored));
        }
        let subject = store.create(&tenant, ada()?, START).await?;
        Ok(Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            subject,
            bystanders,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, identity) in &self.bystanders {
            let found = self.store.get(tenant, &identity.id).await?;
            equal(
                &format!(
                    "{:?} in tenant {tenant:?}, whom nobody touched",
                    identity.id
                ),
                &found.as_ref(),
                &Some(identity),
            )?;
            if let Some(linked) = identity.identifiers.first() {
                let found = self.store.find(tenant, &linked.identifier).await?;
                equal(
                    &format!("whom {:?} finds in tenant {tenant:?}", linked.identifier),
                    &found.as_ref(),
                    &Some(identity),
                )?;
            }
        }
        Ok(())
    }
}

impl Identities {
    /// An identity as both handles see it.
    async fn seen(&self, id: &IdentityId) -> Result<Option<Identity>, Failure> {
        let first = self.store.get(&self.tenant, id).await?;
        let second = self.other.get(&self.tenant, id).await?;
        equal("the second handle's view of the identity", &second, &first)?;
        Ok(first)
    }

    /// The id of whom an identifier finds, through both handles.
    async fn owner(&self, identifier: &Identifier) -> Result<Option<IdentityId>, Failure> {
        let first = self.store.find(&self.tenant, identifier).await?;
        let second = self.other.find(&self.tenant, identifier).await?;
        equal("whom the second handle finds", &second, &first)?;
        Ok(first.map(|identity| identity.id))
    }

    /// Fails unless Ada is as she was created, and found by all her identifiers.
    async fn subject_unchanged(&self) -> Checked {
        let found = self.seen(&self.subject.id).await?;
        equal(
            "Ada, who was to stay as she is",
            &found.as_ref(),
            &Some(&self.subject),
        )?;
        for linked in &self.subject.identifiers {
            let owner = self.owner(&linked.identifier).await?;
            equal(
                &format!("whom {:?} finds", linked.identifier),
                &owner.as_ref(),
                &Some(&self.subject.id),
            )?;
        }
        Ok(())
    }

    /// Stores an identity in the tenant at [`START`].
    async fn create(&self, identity: NewIdentity) -> Result<Identity, Failure> {
        Ok(self.store.create(&self.tenant, identity, START).await?)
    }

    /// One of the two handles, in turn.
    fn handle(&self, racer: usize) -> Arc<dyn IdentityStore> {
        if racer.is_multiple_of(2) {
            self.store.clone()
        } else {
            self.other.clone()
        }
    }
}
