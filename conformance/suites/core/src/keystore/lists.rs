//! The list of a tenant's keys: complete, latest first, and stable while others come and go.

use portproof_ports::{KeyUse, Page, PageRequest, PortResult, Ports, StoredKey, TenantId};

use super::{Keys, signing};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, minute},
    lists::{first_item, has_large_pages, make, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_has_no_limit_of_its_own,
        list_keeps_uses_apart,
        walk_survives_removals,
        walk_survives_insertions,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Keys {
    async fn list(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        page: PageRequest,
    ) -> PortResult<Page<StoredKey>> {
        self.other.list(tenant, key_use, &page).await
    }

    /// Stores six more signing keys, several in one instant, and answers all eight in the list's
    /// order.
    async fn eight(&self) -> Result<Vec<StoredKey>, Failure> {
        let mut keys = vec![self.active.clone(), self.next.clone()];
        for (name, created_at) in [
            ("b", minute(3)),
            ("B", minute(3)),
            ("ä", minute(3)),
            ("early", START),
            ("z", START),
            ("late", minute(8)),
        ] {
            keys.push(
                self.store
                    .insert(&self.tenant, signing(name)?, created_at)
                    .await?,
            );
        }
        keys.sort_by(|one, two| (two.created_at, &two.id).cmp(&(one.created_at, &one.id)));
        Ok(keys)
    }
}

/// A list holds every key of the use once and whole, latest first and by id, highest first, in one
/// instant, at whatever page size; a cursor is answered exactly when more follow.
///
/// Whoever takes the first as the newest would take another at every read.
#[rule(
    "keystore::list::is_complete_and_ordered",
    source = "hydra: newest first within one tick; leapmux #287",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Keys) -> Checked {
    let expected = w.eight().await?;
    walks_answer("the signing keys", &expected, |page| {
        w.list(&w.tenant, KeyUse::Signing, page)
    })
    .await
}

/// A list goes on beyond a hundred.
///
/// A default limit that nobody asked for hides the key that leaked.
#[rule(
    "keystore::list::has_no_limit_of_its_own",
    source = "better-auth #10342: rows beyond a default limit"
)]
async fn list_has_no_limit_of_its_own(w: &Keys) -> Checked {
    // More than half a page of the largest; a tenant may not have many more.
    const KEYS: usize = 600;
    let (store, tenant) = (w.store.clone(), w.tenant.clone());
    make(KEYS - 2, move |number| {
        let (store, tenant) = (store.clone(), tenant.clone());
        async move {
            let key = signing(&format!("number {number}"))?;
            store.insert(&tenant, key, START).await?;
            Ok(())
        }
    })
    .await?;
    let list = |page| w.list(&w.tenant, KeyUse::Signing, page);
    let listed = has_large_pages("the keys", KEYS, list).await?;
    let listed: Vec<_> = listed.into_iter().map(|key| key.id).collect();
    let set = w
        .store
        .public_set(&w.tenant, KeyUse::Signing, minute(9))
        .await?;
    let published: Vec<_> = set.into_iter().map(|key| key.id).collect();
    holds(
        published == listed,
        "as many are published, in the list's order",
    )
}

/// A list holds keys of its use only, in whatever state; a tenant without keys has an empty one.
///
/// A key that encrypts must not sign.
#[rule(
    "keystore::list::keeps_uses_apart",
    source = "hydra: sets of keys have nothing to do with each other",
    environments = "collation"
)]
async fn list_keeps_uses_apart(w: &Keys) -> Checked {
    w.rotate(minute(4)).await?;
    w.store.revoke(&w.tenant, &w.active.id, minute(5)).await?;
    let signing = w
        .list(&w.tenant, KeyUse::Signing, PageRequest::first(10)?)
        .await?;
    let ids: Vec<&str> = signing.items.iter().map(|key| key.id.as_str()).collect();
    equal("the signing keys", &ids, &vec!["next", "active"])?;
    let encryption = w
        .list(&w.tenant, KeyUse::Encryption, PageRequest::first(10)?)
        .await?;
    let ids: Vec<&str> = encryption.items.iter().map(|key| key.id.as_str()).collect();
    equal("the encryption keys", &ids, &vec!["active ", "Active"])?;
    let empty = w
        .list(
            &w.context.tenant()?,
            KeyUse::Signing,
            PageRequest::first(10)?,
        )
        .await?;
    equal("the keys of an empty tenant", &empty.items, &vec![])?;
    equal("the cursor after none", &empty.next, &None)
}

/// A walk goes on when keys are removed under it, also the one that its cursor stands on.
///
/// An offset skips a key for each that goes.
#[rule(
    "keystore::list::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Keys) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(2)?;
    let mut page = w.list(&w.tenant, KeyUse::Signing, first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        let last = some("the last key of a page", page.items.last())?;
        w.store.revoke(&w.tenant, &last.id, minute(9)).await?;
        holds(w.store.remove(&w.tenant, &last.id).await?, "it was there")?;
        page = w
            .list(&w.tenant, KeyUse::Signing, first.following(cursor))
            .await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the keys that were walked", &walked, &expected)
}

/// A walk goes on when keys are inserted under it: it answers every key that was there once, and
/// none twice.
///
/// An offset answers a key again for each that comes.
#[rule(
    "keystore::list::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Keys) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(&w.tenant, KeyUse::Signing, first.clone()).await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        for created_at in [START, minute(3), minute(9)] {
            number += 1;
            w.store
                .insert(
                    &w.tenant,
                    signing(&format!("inserted {number}"))?,
                    created_at,
                )
                .await?;
        }
        page = w
            .list(&w.tenant, KeyUse::Signing, first.following(cursor))
            .await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    for key in &expected {
        let times = walked.iter().filter(|walked| *walked == key).count();
        equal(&format!("how often {:?} was answered", key.id), &times, &1)?;
    }
    let mut ids: Vec<_> = walked.iter().map(|key| &key.id).collect();
    ids.sort();
    ids.dedup();
    equal("how many were answered once", &ids.len(), &walked.len())
}

/// A cursor is of use in the list that answered it, and refused for the other use and in another
/// tenant.
///
/// A cursor that moves reads on in somebody else's list.
#[rule(
    "keystore::list::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Keys) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, KeyUse::Signing, page)).await?;
    refuses_cursor("a cursor in the other use's list", cursor.clone(), |page| {
        w.list(&w.tenant, KeyUse::Encryption, page)
    })
    .await?;
    refuses_cursor(
        "a cursor in another tenant's list",
        cursor.clone(),
        |page| w.list(&w.elsewhere, KeyUse::Signing, page),
    )
    .await?;
    let rest = PageRequest::first(100)?.following(cursor);
    let rest = w.store.list(&w.tenant, KeyUse::Signing, &rest).await?;
    equal("how many follow the cursor's", &rest.items.len(), &7)
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "keystore::list::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481"
)]
async fn damaged_cursor_is_refused(w: &Keys) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, KeyUse::Signing, page)).await?;
    refuses_damaged(&cursor, |page| w.list(&w.tenant, KeyUse::Signing, page)).await
}
