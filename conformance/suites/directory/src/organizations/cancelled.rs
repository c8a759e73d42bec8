//! Writes that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    Invitation, Membership, Organization, OrganizationStore, PageRequest, Ports, TenantId,
};

use super::{Houses, digest, id, identity, new_invitation, new_membership, new_organization, slug};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        create_cancelled,
        add_cancelled,
        accept_cancelled,
        delete_cancelled,
    ]
}

/// All that a write could leave a half of: two organizations, what the slug of the second finds, and
/// who is in the first and invited to it.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    organizations: [Option<Organization>; 2],
    found: Option<Organization>,
    members: Vec<Membership>,
    of_eve: Vec<Membership>,
    invitations: Vec<Invitation>,
    invitation: Option<Invitation>,
}

impl Records for Houses {
    type Store = dyn OrganizationStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn OrganizationStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let store = &self.store;
        for name in ["first", "mark"] {
            let given = new_organization(name, name)?;
            let place = store.create(tenant, given, START).await?.id;
            for who in ["Ada", "Bob"] {
                let member = new_membership(&place, who)?;
                store.add_member(tenant, member, START).await?;
            }
            for token in ["one", "two"] {
                let token = format!("{name} {token}");
                let invitation = new_invitation(&place, &token)?;
                store.invite(tenant, invitation, START).await?;
            }
        }
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn OrganizationStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let (first, page) = (id("first")?, PageRequest::first(10)?);
        let eve = identity("Eve")?;
        let invited = store.invitations_of(tenant, &first, START, &page).await?;
        Ok(Seen {
            organizations: [
                store.get(tenant, &first).await?,
                store.get(tenant, &id("second")?).await?,
            ],
            found: store.find(tenant, &slug("second")?).await?,
            members: store.members_of(tenant, &first, &page).await?.items,
            of_eve: store.organizations_of(tenant, &eve, &page).await?.items,
            invitations: invited.items,
            invitation: store
                .invitation(tenant, &digest("first one"), START)
                .await?,
        })
    }

    async fn mark(&self, store: &Arc<dyn OrganizationStore>, tenant: &TenantId) -> Checked {
        let (place, who) = (id("mark")?, identity("Bob")?);
        store.remove_member(tenant, &place, &who).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn OrganizationStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let (place, who) = (id("mark")?, identity("Bob")?);
        Ok(store.member(tenant, &place, &who).await?.is_none())
    }
}

/// An organization whose creation is dropped wherever it waits is there whole, under its id and its
/// slug, or not at all, and the next calls work.
///
/// A name that is taken by nothing is taken for ever.
#[rule(
    "organizations::create::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn create_cancelled(w: &Houses) -> Checked {
    let given = &new_organization("second", "second")?;
    whole(w, |store, tenant| async move {
        store.create(&tenant, given.clone(), minute(1)).await
    })
    .await
}

/// A member whose addition is dropped wherever it waits is one with all their roles, or is none, and the
/// next calls work: nobody waits for the organization any more.
///
/// A lock that outlives its caller keeps everybody out.
#[rule(
    "organizations::add_member::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn add_cancelled(w: &Houses) -> Checked {
    let given = &new_membership(&id("first")?, "Eve")?;
    whole(w, |store, tenant| async move {
        store.add_member(&tenant, given.clone(), minute(1)).await
    })
    .await
}

/// An invitation whose acceptance is dropped wherever it waits is used up and has made a member, or
/// neither, and the next calls work.
///
/// Otherwise a browser that is closed too early burns the invitation, or leaves it for another.
#[rule(
    "organizations::accept::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn accept_cancelled(w: &Houses) -> Checked {
    let (token, who) = (&digest("first one"), &identity("Eve")?);
    whole(w, |store, tenant| async move {
        store.accept(&tenant, token, who, minute(1)).await
    })
    .await
}

/// An organization whose deletion is dropped wherever it waits is gone with all its members and
/// invitations, or all are there, and the next calls work.
///
/// Members who outlive their organization are inside the next one of its id.
#[rule(
    "organizations::delete::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn delete_cancelled(w: &Houses) -> Checked {
    let place = &id("first")?;
    whole(w, |store, tenant| async move {
        store.delete(&tenant, place).await
    })
    .await
}
