//! The organizations port's suite: who belongs to which organization, and who was invited.

use std::{num::NonZeroU32, sync::Arc};

use portproof_ports::{
    IdentityId, Invitation, InvitationDigest, MemberRoles, Membership, NewInvitation,
    NewMembership, NewOrganization, Organization, OrganizationId, OrganizationStore,
    OrganizationUpdate, PageRequest, PortResult, Ports, RoleId, Slug, TenantId, Text, Timestamp,
};

use super::{
    fixture::{START, day, document},
    offered,
};
use crate::{
    Checked, Context, Failure, Profile, Suite, World,
    check::equal,
    race::{RACERS, race},
};

mod cancelled;
mod cursors;
mod ends;
mod invitation_races;
mod invitations;
mod kept;
mod lengths;
mod lists;
mod members;
mod races;
mod records;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::OrganizationStoreCall,
        "organizations::random::calls_in_turn",
        "organizations::random::calls_at_once"
    );
}

/// All rules of the organizations port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        kept::cases(),
        members::cases(),
        invitations::cases(),
        ends::cases(),
        races::cases(),
        invitation_races::cases(),
        lists::cases(),
        cursors::cases(),
        lengths::cases(),
        walls::cases(),
        cancelled::cases(),
        random::cases(),
    ];
    let cases = parts.into_iter().flatten().collect();
    Suite::new("organizations", cases).of_profile(Profile::Directory)
}

/// An organization with all that is in it.
#[derive(Clone, Debug, PartialEq)]
struct House {
    organization: Organization,
    members: Vec<Membership>,
    invitations: Vec<Invitation>,
}

/// A tenant with organizations, and another with some of the same ids, slugs and digests in it.
struct Houses {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn OrganizationStore>,
    /// The store through the second handle.
    other: Arc<dyn OrganizationStore>,
    tenant: TenantId,
    /// A tenant that has an organization under [`Self::subject`]'s id and slug, with a member and an
    /// invitation of the same name.
    elsewhere: TenantId,
    /// The organization that most rules are about: Ada belongs to it, and one is invited.
    subject: House,
    /// What no case means.
    bystanders: Vec<(TenantId, House)>,
}

/// The id of the organization with this name.
fn id(name: &str) -> Result<OrganizationId, Failure> {
    Ok(OrganizationId::new(name)?)
}

fn slug(typed: &str) -> Result<Slug, Failure> {
    Ok(Slug::new(typed)?)
}

fn identity(name: &str) -> Result<IdentityId, Failure> {
    Ok(IdentityId::new(name)?)
}

/// Who belongs to the subject.
fn ada() -> Result<IdentityId, Failure> {
    identity("Ada")
}

/// A set of roles with these ids.
fn roles(ids: &[&str]) -> Result<MemberRoles, Failure> {
    let roles: Result<Vec<_>, _> = ids.iter().map(|id| RoleId::new(*id)).collect();
    Ok(MemberRoles::new(roles?)?)
}

/// The digest of an invitation's token.
fn digest(bearer: &str) -> InvitationDigest {
    InvitationDigest::of(bearer.as_bytes())
}

/// An organization with every field set.
fn new_organization(name: &str, called: &str) -> Result<NewOrganization, Failure> {
    Ok(NewOrganization {
        id: id(name)?,
        slug: slug(called)?,
        member_limit: NonZeroU32::new(5000),
        data: document(name)?,
    })
}

/// An organization that so many may belong to.
fn limited(name: &str, called: &str, limit: u32) -> Result<NewOrganization, Failure> {
    Ok(NewOrganization {
        member_limit: NonZeroU32::new(limit),
        ..new_organization(name, called)?
    })
}

/// An organization that any number may belong to.
fn unlimited(name: &str, called: &str) -> Result<NewOrganization, Failure> {
    Ok(NewOrganization {
        member_limit: None,
        ..new_organization(name, called)?
    })
}

/// The update that changes nothing of an organization but its version.
fn same(organization: &Organization) -> OrganizationUpdate {
    OrganizationUpdate {
        slug: organization.slug.clone(),
        member_limit: organization.member_limit,
        data: organization.data.clone(),
    }
}

/// A membership with some roles.
fn new_membership(organization: &OrganizationId, who: &str) -> Result<NewMembership, Failure> {
    Ok(NewMembership {
        organization: organization.clone(),
        identity: identity(who)?,
        roles: roles(&["admin", "Admin", "ädmin "])?,
    })
}

/// An invitation with every field set, under the digest of its name: over after a week.
fn new_invitation(organization: &OrganizationId, name: &str) -> Result<NewInvitation, Failure> {
    Ok(NewInvitation {
        id: digest(name),
        organization: organization.clone(),
        invitee: Text::new(format!("{name}@example.com"))?,
        roles: roles(&["viewer", "Viewer "])?,
        expires_at: day(7),
        data: document(name)?,
    })
}

impl World for Houses {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("organizations", context.stores().organizations.as_ref())?;
        let other = offered("organizations", context.second().organizations.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        for (tenant, name, called, members, invited) in [
            (&tenant, "bystander", "bystander", &["Ada ", "ada"][..], "x"),
            (&tenant, "Subject", "sub-ject", &["Eve"], "y"),
            (&elsewhere, "subject", "subject", &["Ada", "Eve"], "token"),
            (&elsewhere, "fresh", "fresh", &["Ada"], "fresh"),
        ] {
            let house = build(&*store, tenant, name, called, members, invited).await?;
            bystanders.push((tenant.clone(), house));
        }
        let subject = build(&*store, &tenant, "subject", "subject", &["Ada"], "token").await?;
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
        world.subject_unchanged().await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, house) in &self.bystanders {
            let id = &house.organization.id;
            equal(
                &format!("the organization {id:?} in tenant {tenant:?}, which nobody touched"),
                &self.house_in(tenant, id, START).await?.as_ref(),
                &Some(house),
            )?;
        }
        Ok(())
    }
}

/// Stores an organization with these members and an invitation, all at [`START`].
async fn build(
    store: &dyn OrganizationStore,
    tenant: &TenantId,
    name: &str,
    called: &str,
    members: &[&str],
    invited: &str,
) -> Result<House, Failure> {
    let given = new_organization(name, called)?;
    let organization = store.create(tenant, given, START).await?;
    let mut house = House {
        members: Vec::new(),
        invitations: Vec::new(),
        organization,
    };
    let id = &house.organization.id;
    for who in members {
        let member = new_membership(id, who)?;
        house
            .members
            .push(store.add_member(tenant, member, START).await?);
    }
    let invitation = new_invitation(id, invited)?;
    house
        .invitations
        .push(store.invite(tenant, invitation, START).await?);
    Ok(house)
}

impl Houses {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn OrganizationStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// An organization as both handles see it and all that is in it, with the invitations that are
    /// live at `now`; `None` when it is not there, and then nothing is in it.
    async fn house_in(
        &self,
        tenant: &TenantId,
        id: &OrganizationId,
        now: Timestamp,
    ) -> Result<Option<House>, Failure> {
        let first = house(&*self.store, tenant, id, now).await?;
        let second = house(&*self.other, tenant, id, now).await?;
        equal("the second handle's view", &second, &first)?;
        let (organization, members, invitations) = first;
        let Some(organization) = organization else {
            equal("the members of no organization", &members, &vec![])?;
            equal("the invitations to none", &invitations, &vec![])?;
            return Ok(None);
        };
        let found = self.store.find(tenant, &organization.slug).await?;
        equal(
            "the organization as its slug finds it",
            &found.as_ref(),
            &Some(&organization),
        )?;
        Ok(Some(House {
            organization,
            members,
            invitations,
        }))
    }

    /// As [`house_in`](Self::house_in), in the tenant at [`START`].
    async fn house(&self, id: &OrganizationId) -> Result<Option<House>, Failure> {
        self.house_in(&self.tenant, id, START).await
    }

    /// Fails unless the subject is this, with all that is in it.
    async fn subject_is(&self, what: &str, expected: &House) -> Checked {
        let found = self.house(&expected.organization.id).await?;
        equal(what, &found.as_ref(), &Some(expected))?;
        for member in &expected.members {
            let seen = self.member(&member.organization, &member.identity).await?;
            equal(
                &format!("{what}, its member"),
                &seen.as_ref(),
                &Some(member),
            )?;
        }
        for invitation in &expected.invitations {
            let seen = self.invitation(&invitation.id, START).await?;
            equal(
                &format!("{what}, its invitation"),
                &seen.as_ref(),
                &Some(invitation),
            )?;
        }
        Ok(())
    }

    /// Fails unless the subject is as it was made.
    async fn subject_unchanged(&self) -> Checked {
        let what = "the organization, which was to stay as it is";
        self.subject_is(what, &self.subject).await
    }

    /// The subject's id.
    fn subject_id(&self) -> OrganizationId {
        self.subject.organization.id.clone()
    }

    /// A membership as both handles see it.
    async fn member(
        &self,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> Result<Option<Membership>, Failure> {
        let first = self
            .store
            .member(&self.tenant, organization, identity)
            .await?;
        let second = self
            .other
            .member(&self.tenant, organization, identity)
            .await?;
        equal(
            "the second handle's view of the membership",
            &second,
            &first,
        )?;
        Ok(first)
    }

    /// An invitation as both handles see it at `now`.
    async fn invitation(
        &self,
        id: &InvitationDigest,
        now: Timestamp,
    ) -> Result<Option<Invitation>, Failure> {
        let first = self.store.invitation(&self.tenant, id, now).await?;
        let second = self.other.invitation(&self.tenant, id, now).await?;
        equal(
            "the second handle's view of the invitation",
            &second,
            &first,
        )?;
        Ok(first)
    }

    /// All memberships of an identity in the tenant, through both handles.
    async fn memberships_of(&self, identity: &IdentityId) -> Result<Vec<Membership>, Failure> {
        let (tenant, page) = (&self.tenant, PageRequest::first(1000)?);
        let first = self.store.organizations_of(tenant, identity, &page).await?;
        let second = self.other.organizations_of(tenant, identity, &page).await?;
        equal(
            "the second handle's list of an identity's memberships",
            &second.items,
            &first.items,
        )?;
        Ok(first.items)
    }

    /// Creates an organization in the tenant at [`START`].
    async fn create(&self, given: NewOrganization) -> Result<Organization, Failure> {
        Ok(self.store.create(&self.tenant, given, START).await?)
    }

    /// Adds a member in the tenant at [`START`], and reads it through both handles.
    async fn add(&self, organization: &OrganizationId, who: &str) -> Result<Membership, Failure> {
        let given = new_membership(organization, who)?;
        let added = self.store.add_member(&self.tenant, given, START).await?;
        self.member(organization, &added.identity).await?;
        Ok(added)
    }

    /// Invites in the tenant at [`START`], and reads it through both handles.
    async fn invite(&self, given: NewInvitation) -> Result<Invitation, Failure> {
        let invited = self.store.invite(&self.tenant, given, START).await?;
        self.invitation(&invited.id, START).await?;
        Ok(invited)
    }

    /// Does something `count` times, in [`RACERS`] lanes.
    async fn many<F>(
        &self,
        count: usize,
        step: impl Fn(Arc<dyn OrganizationStore>, usize) -> F + Clone + Send + Sync + 'static,
    ) -> Checked
    where
        F: Future<Output = Checked> + Send,
    {
        let lanes = race(RACERS, |lane| {
            let (store, step) = (self.handle(lane), step.clone());
            async move {
                for number in (lane..count).step_by(RACERS) {
                    step(Arc::clone(&store), number).await?;
                }
                Ok::<(), Failure>(())
            }
        })
        .await?;
        lanes.into_iter().collect()
    }
}

type Contents = (Option<Organization>, Vec<Membership>, Vec<Invitation>);

async fn house(
    store: &dyn OrganizationStore,
    tenant: &TenantId,
    id: &OrganizationId,
    now: Timestamp,
) -> Result<Contents, Failure> {
    let page = PageRequest::first(1000)?;
    Ok((
        store.get(tenant, id).await?,
        store.members_of(tenant, id, &page).await?.items,
        store.invitations_of(tenant, id, now, &page).await?.items,
    ))
}

/// The argument that an answer says is refused.
fn refused<T>(answer: &PortResult<T>) -> Option<&str> {
    match answer {
        Err(portproof_ports::PortError::Refused { field, .. }) => Some(field),
        _ => None,
    }
}
