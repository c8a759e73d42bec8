//! Made-up calls on organizations.

use std::{num::NonZeroU32, sync::Arc};

use portproof_ports::{
    IdentityId, InvitationDigest, MemberRoles, NewInvitation, NewMembership, NewOrganization,
    OrganizationId, OrganizationStore, OrganizationStoreAnswer, OrganizationStoreCall,
    OrganizationUpdate, Ports, RoleId, Slug, TenantId,
};
use proptest::{
    collection,
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{ends, is_full, one_of, pages},
};
use crate::fixture::START;

impl Small for MemberRoles {
    fn small(size: Size) -> BoxedStrategy<Self> {
        collection::vec(RoleId::small(size), 0..=3)
            .prop_map(|roles| Self::new(roles).unwrap_or_default())
            .boxed()
    }
}

impl Small for NewOrganization {
    fn small(size: Size) -> BoxedStrategy<Self> {
        // A limit that is met.
        (
            small! { size; NewOrganization { id, slug, member_limit, data } },
            limits(),
        )
            .prop_map(|(organization, member_limit)| NewOrganization {
                member_limit,
                ..organization
            })
            .boxed()
    }
}

impl Small for OrganizationUpdate {
    fn small(size: Size) -> BoxedStrategy<Self> {
        (
            small! { size; OrganizationUpdate { slug, member_limit, data } },
            limits(),
        )
            .prop_map(|(update, member_limit)| OrganizationUpdate {
                member_limit,
                ..update
            })
            .boxed()
    }
}

fn limits() -> BoxedStrategy<Option<NonZeroU32>> {
    select(vec![None, NonZeroU32::new(1), NonZeroU32::new(2)]).boxed()
}

impl Small for NewMembership {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewMembership { organization, identity, roles } }
    }
}

impl Small for NewInvitation {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let expires_at = ends();
        (
            small! { size; NewInvitation { id, organization, invitee, roles, expires_at, data } },
            expires_at,
        )
            .prop_map(|(invitation, expires_at)| NewInvitation {
                expires_at,
                ..invitation
            })
            .boxed()
    }
}

impl Random for OrganizationStoreCall {
    type Port = dyn OrganizationStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.organizations.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (
                2,
                small! { size; Self::Create { tenant, organization, now } },
            ),
            (
                2,
                small! { size; Self::AddMember { tenant, membership, now } },
            ),
            (1, small! { size; Self::Invite { tenant, invitation, now } }),
        ])
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let organizations = calls! { size;
            6 Create { tenant, organization, now }
            2 Get { tenant, id }
            1 Find { tenant, slug }
            3 Update { tenant, id, expected, update, now }
            1 Delete { tenant, id }
            1 List { tenant, page }
        };
        let members = calls! { size;
            6 AddMember { tenant, membership, now }
            2 Member { tenant, organization, identity }
            3 SetRoles { tenant, organization, identity, expected, roles, now }
            2 RemoveMember { tenant, organization, identity }
            1 MembersOf { tenant, organization, page }
            1 OrganizationsOf { tenant, identity, page }
            1 RemoveAllOf { tenant, identity }
        };
        let invitations = calls! { size;
            6 Invite { tenant, invitation, now }
            1 Invitation { tenant, id, now }
            6 Accept { tenant, id, identity, now }
            1 Revoke { tenant, id }
            1 InvitationsOf { tenant, organization, now, page }
        };
        // A sweep need not be one step.
        let sweep = small! { size; Self::Sweep { tenant, now, at_most } };
        let mut all = vec![(14, organizations), (16, members), (15, invitations)];
        if size.in_turn {
            all.push((1, sweep));
        }
        one_of(all)
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Sweep { at_most, .. }, OrganizationStoreAnswer::Sweep(count)) if is_full(*at_most, *count)
        )
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            let tenant = || tenant.clone();
            for (organization, page) in OrganizationId::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::MembersOf {
                    tenant: tenant(),
                    organization: organization.clone(),
                    page: page.clone(),
                });
                looks.push(Self::InvitationsOf {
                    tenant: tenant(),
                    organization,
                    now: START,
                    page,
                });
            }
            for (identity, page) in IdentityId::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::OrganizationsOf {
                    tenant: tenant(),
                    identity,
                    page,
                });
            }
            for id in InvitationDigest::few(size) {
                looks.push(Self::Invitation {
                    tenant: tenant(),
                    id,
                    now: START,
                });
            }
            for slug in Slug::few(size) {
                looks.push(Self::Find {
                    tenant: tenant(),
                    slug,
                });
            }
            for page in pages(size).take(1) {
                looks.push(Self::List {
                    tenant: tenant(),
                    page,
                });
            }
        }
        looks
    }
}
