//! The list of an identity's credentials.

use portproof_ports::{
    Credential, CredentialKind, Kinds, Page, PageRequest, PortResult, Ports, TenantId,
};

use super::{Credentials, api_key, code, id, identity, new_credential, passkey, totp};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, minute},
    lists::{
        MANY, first_item, has_large_pages, make, refuses_cursor, refuses_damaged, walks_answer,
    },
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_filters_by_kind,
        list_has_no_limit_of_its_own,
        list_of_nobody_is_empty,
        walk_survives_changes,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Credentials {
    /// Adds so many recovery codes of Ada's, all in one instant.
    pub(super) async fn add_codes(&self, count: usize) -> Checked {
        let (store, tenant) = (self.store.clone(), self.tenant.clone());
        make(count, move |number| {
            let (store, tenant) = (store.clone(), tenant.clone());
            async move {
                let name = format!("one of many {number}");
                let new = new_credential(&name, code(&name))?;
                store.add(&tenant, new, START).await?;
                Ok(())
            }
        })
        .await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kinds: Kinds,
        page: PageRequest,
    ) -> PortResult<Page<Credential>> {
        let ada = portproof_ports::IdentityId::new("Ada")?;
        self.other.list_of(tenant, &ada, &kinds, &page).await
    }

    /// Adds six more credentials of Ada's, several in one instant, and answers all nine in the
    /// list's order.
    pub(super) async fn nine(&self) -> Result<Vec<Credential>, Failure> {
        let mut all = vec![
            self.api_key.clone(),
            self.code.clone(),
            self.password.clone(),
        ];
        for (name, secret, created_at) in [
            ("b", code("b"), minute(3)),
            ("B", code("B"), minute(3)),
            ("ä", passkey("ä")?, minute(3)),
            ("z", totp("z")?, START),
            ("_", api_key("_"), START),
            ("a", passkey("a")?, minute(1)),
        ] {
            all.push(
                self.store
                    .add(&self.tenant, new_credential(name, secret)?, created_at)
                    .await?,
            );
        }
        // What was consumed, and what has expired, is listed and removed like the rest.
        self.store
            .consume(&self.tenant, &id("b")?, minute(4))
            .await?;
        for credential in &mut all {
            if credential.id == id("b")? {
                credential.consumed_at = Some(minute(4));
            }
            if credential.id == id("_")? {
                let (version, metadata) = (credential.version, credential.metadata.clone());
                let over = Some(minute(1));
                *credential = self
                    .store
                    .update(
                        &self.tenant,
                        &credential.id,
                        version,
                        metadata,
                        over,
                        minute(2),
                    )
                    .await?;
            }
        }
        all.sort_by(|one, two| (one.created_at, &one.id).cmp(&(two.created_at, &two.id)));
        Ok(all)
    }
}

/// A list holds every credential of the identity once and whole, by creation and then by id, at
/// whatever page size; a cursor is answered exactly when more follow.
///
/// A passkey that is not listed is never removed.
#[rule(
    "credentials::list_of::is_complete_and_ordered",
    source = "leapmux #287; Auth.js: a list that held others' survived its suite",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Credentials) -> Checked {
    let expected = w.nine().await?;
    walks_answer("Ada's credentials", &expected, |page| {
        w.list(&w.tenant, Kinds::Every, page)
    })
    .await
}

/// A list of one kind holds those of the kind, walked like any other.
///
/// "Which second factors are there" must not answer the password.
#[rule(
    "credentials::list_of::filters_by_kind",
    source = "AuthHero dd16e55: pages ignored the filter"
)]
async fn list_filters_by_kind(w: &Credentials) -> Checked {
    let all = w.nine().await?;
    for kind in CredentialKind::ALL {
        let expected: Vec<Credential> = all
            .iter()
            .filter(|credential| credential.secret.kind() == kind)
            .cloned()
            .collect();
        holds(!expected.is_empty(), "the fixture has some of each kind")?;
        walks_answer(&format!("Ada's of {kind:?}"), &expected, |page| {
            w.list(&w.tenant, Kinds::Only(kind), page)
        })
        .await?;
    }
    Ok(())
}

/// A list goes on beyond the largest page, and a page is as large as was asked for.
///
/// An engine that shows the first five hundred keys as all of them shows none of those that leaked.
#[rule(
    "credentials::list_of::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn list_has_no_limit_of_its_own(w: &Credentials) -> Checked {
    // Three are there.
    w.add_codes(MANY - 3).await?;
    let every = |page| w.list(&w.tenant, Kinds::Every, page);
    let listed = has_large_pages("Ada's credentials", MANY, every).await?;
    holds(
        listed.is_sorted_by(|one, two| one.id < two.id),
        "those of one instant are listed once, by id",
    )?;
    let codes = Kinds::Only(CredentialKind::RecoveryCode);
    let codes = |page| w.list(&w.tenant, codes, page);
    let listed = has_large_pages("Ada's codes", MANY - 2, codes).await?;
    holds(
        listed
            .iter()
            .all(|code| code.secret.kind() == CredentialKind::RecoveryCode),
        "they are codes",
    )
}

/// The list of an identity without credentials is empty, and has no cursor.
///
/// An engine asks for everybody's.
#[rule(
    "credentials::list_of::of_nobody_is_empty",
    source = "kratos: a list without rows"
)]
async fn list_of_nobody_is_empty(w: &Credentials) -> Checked {
    for nobody in ["nobody", "ADA", "Ad", "%", "Ad_", "Ada "] {
        let page = w
            .store
            .list_of(
                &w.tenant,
                &identity(nobody)?,
                &Kinds::Every,
                &PageRequest::first(1)?,
            )
            .await?;
        equal(
            &format!("the credentials of {nobody:?}"),
            &page.items,
            &vec![],
        )?;
        equal("the cursor after none", &page.next, &None)?;
    }
    let page = w
        .list(
            &w.tenant,
            Kinds::Only(CredentialKind::Totp),
            PageRequest::first(1)?,
        )
        .await?;
    equal("Ada's of a kind that she has none of", &page.items, &vec![])
}

/// A walk goes on when credentials are added and removed under it: each that stays is answered
/// once, and none twice.
///
/// An offset skips one for each that goes, and answers one again for each that comes.
#[rule(
    "credentials::list_of::walk_survives_changes",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_changes(w: &Credentials) -> Checked {
    let expected = w.nine().await?;
    let first = PageRequest::first(2)?;
    let mut page = w.list(&w.tenant, Kinds::Every, first.clone()).await?;
    let mut walked = page.items.clone();
    let mut number = 0;
    while let Some(cursor) = page.next {
        // The one that the cursor stands on goes; two come before it in every other round.
        let last = some("the last of a page", page.items.last())?;
        w.store.remove(&w.tenant, &last.id).await?;
        for _ in 0..(number % 2) * 2 {
            number += 2;
            let name = format!("! {number}");
            w.store
                .add(&w.tenant, new_credential(&name, code(&name))?, START)
                .await?;
        }
        number += 1;
        page = w
            .list(&w.tenant, Kinds::Every, first.following(cursor))
            .await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    for credential in &expected {
        let times = walked.iter().filter(|walked| *walked == credential).count();
        equal(
            &format!("how often {:?} was answered", credential.id),
            &times,
            &1,
        )?;
    }
    let mut ids: Vec<_> = walked.iter().map(|credential| &credential.id).collect();
    ids.sort();
    ids.dedup();
    equal("how many were answered once", &ids.len(), &walked.len())
}

/// A cursor is of use in the list that answered it, and refused for another identity, kind and
/// tenant.
///
/// A cursor that moves reads on in somebody else's list.
#[rule(
    "credentials::list_of::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Credentials) -> Checked {
    w.nine().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, Kinds::Every, page)).await?;
    for (what, tenant, kinds) in [
        ("another tenant's list", &w.elsewhere, Kinds::Every),
        (
            "the list of a kind",
            &w.tenant,
            Kinds::Only(CredentialKind::ApiKey),
        ),
    ] {
        refuses_cursor(&format!("a cursor in {what}"), cursor.clone(), |page| {
            w.list(tenant, kinds, page)
        })
        .await?;
    }
    let other = identity("ada")?;
    refuses_cursor(
        "a cursor in another identity's list",
        cursor.clone(),
        |page| {
            let other = other.clone();
            async move {
                w.store
                    .list_of(&w.tenant, &other, &Kinds::Every, &page)
                    .await
            }
        },
    )
    .await?;
    let rest = w
        .list(
            &w.tenant,
            Kinds::Every,
            PageRequest::first(100)?.following(cursor),
        )
        .await?;
    equal("how many follow the cursor's", &rest.items.len(), &8)
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "credentials::list_of::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481"
)]
async fn damaged_cursor_is_refused(w: &Credentials) -> Checked {
    w.nine().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, Kinds::Every, page)).await?;
    refuses_damaged(&cursor, |page| w.list(&w.tenant, Kinds::Every, page)).await
}
