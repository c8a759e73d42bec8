//! What the tests of every SQL adapter share: checks of what no suite can see.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use portproof_ports::*;
use serde_json::json;

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros).unwrap()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn document() -> Document {
    Document::new(json!({"a": [1, 0.1, null, u64::MAX, i64::MIN], "é": "😀\\\"'%_", "": {}}))
        .unwrap()
}

pub(crate) fn new_session(id: &[u8], identity: &str) -> NewSession {
    NewSession {
        id: SessionDigest::of(id),
        identity: Some(IdentityId::new(identity).unwrap()),
        idle: Some(Span::minutes(30)),
        ends_at: at(86_400_000_000),
        data: document(),
    }
}

pub(crate) fn new_key(id: &str) -> NewKey {
    NewKey {
        id: KeyId::new(id).unwrap(),
        key_use: KeyUse::Signing,
        algorithm: Text::new("ES256").unwrap(),
        public: document(),
        private: PrivateKey::new(b"the private part".to_vec()).unwrap(),
    }
}

fn email(address: &str) -> NewIdentifier {
    NewIdentifier {
        identifier: Identifier::Email(Email::new(address).unwrap()),
        verified_at: None,
    }
}

fn new_identity(id: &str, emails: &[&str]) -> NewIdentity {
    NewIdentity {
        id: IdentityId::new(id).unwrap(),
        kind: IdentityKind::Human,
        profile: document(),
        identifiers: emails.iter().map(|address| email(address)).collect(),
    }
}

fn api_key(id: &str, digest: &[u8]) -> NewCredential {
    NewCredential {
        id: CredentialId::new(id).unwrap(),
        identity: IdentityId::new("ada").unwrap(),
        secret: Secret::ApiKey(LookupDigest::of(digest)),
        metadata: document(),
        expires_at: None,
    }
}

pub(crate) fn role(id: &str) -> RoleDraft {
    RoleDraft {
        id: RoleId::new(id).unwrap(),
        name: Text::new("a role").unwrap(),
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: None,
    }
}

pub(crate) fn grant(subject: &str, role: &str) -> NewGrant {
    NewGrant {
        subject: SubjectId::new(subject).unwrap(),
        role: RoleId::new(role).unwrap(),
        scope: GrantScope::Global,
        window: Window::ALWAYS,
    }
}

/// Runs a call until it has been polled `polls` times, and drops it then; `None` if it was dropped.
///
/// A server may still be doing the last thing that it was asked, so it gets a moment for that.
async fn cancelled_after<T>(polls: u32, call: impl Future<Output = T>) -> Option<T> {
    let done = polled(polls, call).await;
    if done.is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    done
}

async fn polled<T>(polls: u32, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut seen = 0;
    poll_fn(move |context| {
        if seen == polls {
            return Poll::Ready(None);
        }
        seen += 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

/// Drops calls that write in several steps at each of the places where they wait: nothing is half
/// done, and whoever comes next finds the store as good as new.
pub(crate) async fn cancelled_calls_leave_nothing(ports: &Ports, name: &str) {
    let tenant = &tenant(name);
    let identity = ports.identity.as_ref().unwrap();
    let credentials = ports.credentials.as_ref().unwrap();
    let assignments = ports.assignments.as_ref().unwrap();
    let keystore = ports.keystore.as_ref().unwrap();
    let policies = ports.policies.as_ref().unwrap();
    let mut cancelled = 0;
    for polls in 0.. {
        let id = format!("identity {polls}");
        let (first, second) = (format!("a{polls}@x.se"), format!("b{polls}@x.se"));
        let new = new_identity(&id, &[&first, &second]);
        let create = identity.create(tenant, new.clone(), at(1));
        let done = cancelled_after(polls, create).await;
        let stored = identity.get(tenant, &new.id).await.unwrap();
        let found = identity
            .find(tenant, &new.identifiers[1].identifier)
            .await
            .unwrap();
        assert_eq!(stored, found, "an identity without its identifiers");
        if let Some(stored) = &stored {
            assert_eq!(stored.identifiers.len(), 2);
        }
        if let Some(done) = done {
            assert_eq!(Some(done.unwrap()), stored);
            break;
        }
        cancelled += 1;
        // Free again, or stored: never locked.
        let again = identity.create(tenant, new.clone(), at(1)).await;
        assert_eq!(again.is_ok(), stored.is_none());
    }
    for polls in 0.. {
        let id = CredentialId::new(format!("key {polls}")).unwrap();
        let new = api_key(id.as_str(), id.as_str().as_bytes());
        credentials.add(tenant, new, at(1)).await.unwrap();
        let secret = Secret::ApiKey(LookupDigest::of(format!("next {polls}").as_bytes()));
        let old = OldSecret::Retired;
        let replace = credentials.replace(tenant, &id, Version::FIRST, secret, old, at(2));
        let done = cancelled_after(polls, replace).await;
        let stored = credentials.get(tenant, &id).await.unwrap().unwrap();
        let page = PageRequest::first(10).unwrap();
        let history = credentials.history(tenant, &id, &page).await.unwrap();
        assert_eq!(stored.version.get(), 1 + history.items.len() as i64);
        if done.is_some() {
            break;
        }
        cancelled += 1;
    }
    policies
        .save_role(tenant, Expected::Anything, role("r"), at(1))
        .await
        .unwrap();
    for polls in 0.. {
        let subject = format!("subject {polls}");
        let grants: Vec<NewGrant> = (0..25)
            .map(|n| NewGrant {
                scope: GrantScope::Scoped(Scope::new(format!("scope {n}")).unwrap()),
                ..grant(&subject, "r")
            })
            .collect();
        let assign = assignments.assign_many(tenant, &grants, at(1));
        let done = cancelled_after(polls, assign).await;
        let page = PageRequest::first(100).unwrap();
        let subject = SubjectId::new(subject).unwrap();
        let stored = assignments
            .grants_of(tenant, &subject, &page)
            .await
            .unwrap()
            .items
            .len();
        assert!(stored == 0 || stored == 25, "{stored} grants of 25");
        if let Some(done) = done {
            assert_eq!(done, Ok(25));
            break;
        }
        cancelled += 1;
        assert_eq!(
            assignments.assign_many(tenant, &grants, at(1)).await,
            Ok(25 - stored as u64)
        );
    }
    let mut active = None;
    for polls in 0.. {
        let key = new_key(&format!("key {polls}"));
        keystore
            .insert(tenant, key.clone(), at(polls.into()))
            .await
            .unwrap();
        let rotate = keystore.rotate(
            tenant,
            KeyUse::Signing,
            active.clone(),
            &key.id,
            at(9),
            at(2),
        );
        let done = cancelled_after(polls, rotate).await;
        let now_active = keystore.active(tenant, KeyUse::Signing).await.unwrap();
        let now_active = now_active.map(|key| key.id);
        assert!(
            now_active == active || now_active == Some(key.id),
            "none is active"
        );
        active = now_active;
        if let Some(done) = done {
            assert!(done.is_ok());
            break;
        }
        cancelled += 1;
    }
    assert!(cancelled >= 4, "only {cancelled} calls waited anywhere");
}

/// What each of these callers is answered, when they all begin at once.
async fn at_once<T, F>(callers: impl Iterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let callers: Vec<_> = callers.map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    answers
}

fn winners<T>(answers: &[PortResult<T>], lost: &PortError) -> usize {
    let losers = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(
        losers.clone().all(|error| error == lost),
        "{:?}",
        losers.collect::<Vec<_>>()
    );
    answers.iter().filter(|answer| answer.is_ok()).count()
}

/// Sixteen who want the same: one gets it, and the others are told why not.
pub(crate) async fn one_of_many_wins(ports: &Ports, name: &str) {
    let tenant = &tenant(name);
    for round in 0..8 {
        let (ports, tenant) = (ports.clone(), tenant.clone());
        let identity = ports.identity.clone().unwrap();
        let answers = at_once((0..16).map(|n| {
            let (identity, tenant) = (identity.clone(), tenant.clone());
            let (mine, wanted) = (format!("a{round}-{n}@x.se"), format!("z{round}@x.se"));
            let new = new_identity(&format!("identity {round} {n}"), &[&mine, &wanted]);
            async move { identity.create(&tenant, new, at(1)).await }
        }));
        let taken = PortError::already_exists("identifier");
        assert_eq!(winners(&answers.await, &taken), 1);

        let credentials = ports.credentials.clone().unwrap();
        let answers = at_once((0..16).map(|n| {
            let (credentials, tenant) = (credentials.clone(), tenant.clone());
            let new = api_key(&format!("key {round} {n}"), format!("{round}").as_bytes());
            async move { credentials.add(&tenant, new, at(1)).await }
        }));
        assert_eq!(
            winners(&answers.await, &PortError::already_exists("lookup")),
            1
        );

        let keystore = ports.keystore.clone().unwrap();
        let active = keystore
            .active(&tenant, KeyUse::Signing)
            .await
            .unwrap()
            .map(|key| key.id);
        for n in 0..16 {
            let key = new_key(&format!("key {round} {n}"));
            keystore.insert(&tenant, key, at(1)).await.unwrap();
        }
        let answers = at_once((0..16).map(|n| {
            let (keystore, tenant, active) = (keystore.clone(), tenant.clone(), active.clone());
            let next = KeyId::new(format!("key {round} {n}")).unwrap();
            let signing = KeyUse::Signing;
            async move {
                keystore
                    .rotate(&tenant, signing, active, &next, at(9), at(2))
                    .await
            }
        }));
        assert_eq!(winners(&answers.await, &PortError::stale("active key")), 1);

        let policies = ports.policies.clone().unwrap();
        let save = |expected| {
            let (policies, tenant) = (policies.clone(), tenant.clone());
            at_once((0..16).map(move |n| {
                let (policies, tenant) = (policies.clone(), tenant.clone());
                let mut role = role(&format!("role {round}"));
                role.name = Text::new(format!("{expected:?} {n}")).unwrap();
                async move { policies.save_role(&tenant, expected, role, at(1)).await }
            }))
        };
        let stale = PortError::stale("role");
        assert_eq!(winners(&save(Expected::Absent).await, &stale), 1);
        let first = Expected::Version(Version::FIRST);
        assert_eq!(winners(&save(first).await, &stale), 1);
        let mut versions: Vec<i64> = save(Expected::Anything)
            .await
            .into_iter()
            .map(|role| role.unwrap().version.get())
            .collect();
        versions.sort_unstable();
        assert_eq!(versions, (3..19).collect::<Vec<_>>());

        let assignments = ports.assignments.clone().unwrap();
        let answers = at_once((0..16).map(|n| {
            let (policies, assignments) = (policies.clone(), assignments.clone());
            let (tenant, id) = (
                tenant.clone(),
                RoleId::new(format!("role {round}")).unwrap(),
            );
            async move {
                if n == 8 {
                    return policies.delete_role(&tenant, &id).await.map(|_| 0);
                }
                let grants = ["a", "b", "c"].map(|s| grant(&format!("{s}{n}"), id.as_str()));
                assignments.assign_many(&tenant, &grants, at(1)).await
            }
        }));
        winners(&answers.await, &PortError::not_found("role"));
        let page = PageRequest::first(100).unwrap();
        let id = RoleId::new(format!("role {round}")).unwrap();
        let left = assignments.holders_of(&tenant, &id, &page).await.unwrap();
        assert_eq!(left.items, [], "grants of a role that is gone");

        let subject = SubjectId::new(format!("subject {round}")).unwrap();
        let answers = at_once((0..16).map(|n| {
            let (assignments, tenant) = (assignments.clone(), tenant.clone());
            let subject = subject.clone();
            let named = |m| AttributeName::new(format!("{n} {m}")).unwrap();
            let set = || AttributeChange::Set(document());
            let changes: BTreeMap<_, _> = (0..20).map(|m| (named(m), set())).collect();
            async move {
                assignments
                    .merge_attributes(&tenant, &subject, &changes)
                    .await
            }
        }));
        let full = PortError::refused("attributes", "are more than 256");
        assert_eq!(winners(&answers.await, &full), 12);
        let known = assignments.attributes(&tenant, &subject).await.unwrap();
        assert_eq!(known.len(), 240);
    }
}

/// Each method once or twice.
pub(crate) async fn smoke(ports: &Ports, name: &str) {
    let tenant = &tenant(name);
    let other = &TenantId::new(format!("{name} other")).unwrap();
    let page = PageRequest::first(2).unwrap();

    let identity = ports.identity.as_ref().unwrap();
    identity.ready().await.unwrap();
    let ada = identity
        .create(tenant, new_identity("ada", &["ada@x.se", "a@x.se"]), at(1))
        .await
        .unwrap();
    assert_eq!(
        identity.get(tenant, &ada.id).await.unwrap().as_ref(),
        Some(&ada)
    );
    assert_eq!(identity.get(other, &ada.id).await.unwrap(), None);
    for (new, what) in [
        (new_identity("ada", &["a@x.se"]), "identity"),
        (new_identity("bob", &["b@x.se", "a@x.se"]), "identifier"),
        (new_identity("bob", &["b@x.se", "b@x.se"]), "identifier"),
    ] {
        let error = identity.create(tenant, new, at(2)).await.unwrap_err();
        assert_eq!(error, PortError::already_exists(what));
    }
    let bob = identity
        .create(tenant, new_identity("bob", &["b@x.se"]), at(1))
        .await
        .unwrap();
    let ids = [
        bob.id.clone(),
        ada.id.clone(),
        bob.id.clone(),
        IdentityId::new("nobody").unwrap(),
    ];
    assert_eq!(
        identity.get_many(tenant, &ids).await.unwrap(),
        [ada.clone(), bob.clone()]
    );
    let update = IdentityUpdate {
        state: IdentityState::Blocked(at(2)),
        profile: document(),
    };
    let ada = identity
        .update(tenant, &ada.id, ada.version, update.clone(), at(3))
        .await
        .unwrap();
    assert_eq!(
        identity
            .find(tenant, &email("a@x.se").identifier)
            .await
            .unwrap()
            .as_ref(),
        Some(&ada)
    );
    let stale = identity
        .update(tenant, &ada.id, Version::FIRST, update.clone(), at(3))
        .await;
    assert_eq!(stale, Err(PortError::stale("identity")));
    let linked = identity
        .link(tenant, &ada.id, email("new@x.se"), at(4))
        .await
        .unwrap();
    assert_eq!((linked.version.get(), linked.identifiers.len()), (3, 3));
    assert_eq!(
        identity
            .link(tenant, &ada.id, email("new@x.se"), at(5))
            .await
            .unwrap(),
        linked
    );
    let taken = identity
        .link(tenant, &bob.id, email("new@x.se"), at(4))
        .await;
    assert_eq!(taken, Err(PortError::already_exists("identifier")));
    assert!(
        identity
            .unlink(tenant, &ada.id, &email("new@x.se").identifier, at(6))
            .await
            .unwrap()
    );
    assert!(
        !identity
            .unlink(tenant, &ada.id, &email("b@x.se").identifier, at(6))
            .await
            .unwrap()
    );
    let merged = identity
        .merge(tenant, &ada.id, &bob.id, at(7))
        .await
        .unwrap();
    assert_eq!(merged.identifiers.len(), 3);
    for n in 0..3 {
        identity
            .create(tenant, new_identity(&format!("n{n}"), &[]), at(8))
            .await
            .unwrap();
    }
    for (filter, count) in [
        (IdentityFilter::Every, 4),
        (IdentityFilter::Kind(IdentityKind::Human), 4),
        (IdentityFilter::Kind(IdentityKind::Device), 0),
        (IdentityFilter::Blocked, 1),
    ] {
        let mut request = page.clone();
        let mut seen = Vec::new();
        loop {
            let answer = identity.list(tenant, &filter, &request).await.unwrap();
            seen.extend(answer.items.into_iter().map(|one| one.id));
            match answer.next {
                Some(next) => request = page.following(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), count, "{filter:?}: {seen:?}");
    }
    assert!(identity.erase(tenant, &ada.id).await.unwrap());
    assert_eq!(
        identity
            .find(tenant, &email("a@x.se").identifier)
            .await
            .unwrap(),
        None
    );

    let credentials = ports.credentials.as_ref().unwrap();
    let password = |id: &str| NewCredential {
        secret: Secret::Password(PasswordHash::new("$argon2id$x").unwrap()),
        ..api_key(id, b"")
    };
    let pw = credentials
        .add(tenant, password("pw"), at(1))
        .await
        .unwrap();
    assert_eq!(
        credentials.get(tenant, &pw.id).await.unwrap(),
        Some(pw.clone())
    );
    for (new, what) in [
        (password("pw"), "credential"),
        (password("pw2"), "password"),
        (api_key("pw", b"k"), "credential"),
    ] {
        let error = credentials.add(tenant, new, at(1)).await.unwrap_err();
        assert_eq!(error, PortError::already_exists(what));
    }
    let key = credentials
        .add(tenant, api_key("key", b"k"), at(1))
        .await
        .unwrap();
    let taken = credentials.add(tenant, api_key("key2", b"k"), at(1)).await;
    assert_eq!(taken, Err(PortError::already_exists("lookup")));
    let (kind, digest) = (CredentialKind::ApiKey, LookupDigest::of(b"k"));
    assert_eq!(
        credentials
            .find(tenant, kind, &digest, at(1))
            .await
            .unwrap(),
        Some(key.clone())
    );
    let next = Secret::ApiKey(LookupDigest::of(b"k2"));
    let old = OldSecret::ValidUntil(at(5));
    let key = credentials
        .replace(tenant, &key.id, key.version, next.clone(), old, at(2))
        .await
        .unwrap();
    assert_eq!(
        credentials
            .find(tenant, kind, &digest, at(4))
            .await
            .unwrap(),
        Some(key.clone())
    );
    assert_eq!(
        credentials
            .find(tenant, kind, &digest, at(5))
            .await
            .unwrap(),
        None
    );
    let again = credentials
        .replace(tenant, &key.id, key.version, next, old, at(2))
        .await;
    assert_eq!(again, Err(PortError::already_exists("lookup")));
    assert_eq!(
        credentials
            .history(tenant, &key.id, &page)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let used = CredentialUse::Counter(Counter::new(7).unwrap());
    let key = credentials
        .record_use(tenant, &key.id, used, at(3))
        .await
        .unwrap();
    assert_eq!((key.counter.get(), key.used_at), (7, Some(at(3))));
    let replayed = credentials.record_use(tenant, &key.id, used, at(3)).await;
    assert_eq!(replayed, Err(PortError::stale("counter")));
    assert_eq!(credentials.record_failure(tenant, &key.id).await, Ok(1));
    assert_eq!(credentials.record_failure(tenant, &key.id).await, Ok(2));
    let key = credentials
        .record_use(tenant, &key.id, CredentialUse::Plain, at(1))
        .await
        .unwrap();
    assert_eq!((key.failures, key.used_at), (0, Some(at(3))));
    let refused = credentials
        .consume(tenant, &key.id, at(1))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    let code = NewCredential {
        secret: Secret::RecoveryCode(LookupDigest::of(b"k")),
        ..api_key("code", b"")
    };
    let code = credentials.add(tenant, code, at(1)).await.unwrap();
    assert_eq!(credentials.consume(tenant, &code.id, at(1)).await, Ok(true));
    assert_eq!(
        credentials.consume(tenant, &code.id, at(1)).await,
        Ok(false)
    );
    let updated = credentials
        .update(tenant, &pw.id, pw.version, document(), Some(at(9)), at(4))
        .await
        .unwrap();
    assert_eq!(updated.expires_at, Some(at(9)));
    let list = credentials
        .list_of(tenant, &pw.identity, &Kinds::Every, &page)
        .await
        .unwrap();
    let rest = page.following(list.next.unwrap());
    let rest = credentials
        .list_of(tenant, &pw.identity, &Kinds::Every, &rest)
        .await
        .unwrap();
    assert_eq!(
        (list.items.len(), rest.items.len(), rest.next),
        (2, 1, None)
    );
    assert_eq!(credentials.remove(tenant, &key.id).await, Ok(true));
    assert!(
        credentials
            .add(tenant, api_key("key2", b"k"), at(1))
            .await
            .is_ok()
    );
    let only = Kinds::Only(CredentialKind::ApiKey);
    assert_eq!(
        credentials.remove_all_of(tenant, &pw.identity, &only).await,
        Ok(1)
    );
    assert_eq!(
        credentials
            .remove_all_of(tenant, &pw.identity, &Kinds::Every)
            .await,
        Ok(2)
    );
    for (expected, version) in [
        (Expected::Version(Version::FIRST), None),
        (Expected::Absent, Some(1)),
        (Expected::Absent, None),
        (Expected::Anything, Some(2)),
        (Expected::Version(Version::new(2).unwrap()), Some(3)),
    ] {
        let set = credentials
            .set_policy(tenant, expected, document(), at(1))
            .await;
        match version {
            Some(version) => assert_eq!(set.unwrap().version.get(), version),
            None => assert_eq!(set, Err(PortError::stale("credential policy"))),
        }
    }
    assert_eq!(
        credentials.policy(tenant).await.unwrap().unwrap().rules,
        document()
    );

    let keystore = ports.keystore.as_ref().unwrap();
    let first = keystore.insert(tenant, new_key("k1"), at(1)).await.unwrap();
    assert_eq!(
        keystore.get(tenant, &first.id).await.unwrap(),
        Some(first.clone())
    );
    let taken = keystore.insert(tenant, new_key("k1"), at(1)).await;
    assert_eq!(taken, Err(PortError::already_exists("key")));
    let second = keystore.insert(tenant, new_key("k2"), at(1)).await.unwrap();
    let rotate = |active: Option<&KeyId>, next: &KeyId| {
        let (active, next) = (active.cloned(), next.clone());
        async move {
            keystore
                .rotate(tenant, KeyUse::Signing, active, &next, at(9), at(2))
                .await
        }
    };
    assert!(rotate(None, &first.id).await.is_ok());
    assert_eq!(
        rotate(None, &second.id).await,
        Err(PortError::stale("active key"))
    );
    let refused = keystore.remove(tenant, &first.id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(rotate(Some(&first.id), &second.id).await.is_ok());
    let set = |now| keystore.public_set(tenant, KeyUse::Signing, now);
    assert_eq!(
        (
            set(at(8)).await.unwrap().len(),
            set(at(9)).await.unwrap().len()
        ),
        (2, 1)
    );
    let list = keystore
        .list(tenant, KeyUse::Signing, &PageRequest::first(1).unwrap())
        .await
        .unwrap();
    assert_eq!(list.items[0].id, second.id);
    let rest = PageRequest::first(1).unwrap().following(list.next.unwrap());
    let rest = keystore.list(tenant, KeyUse::Signing, &rest).await.unwrap();
    assert_eq!((&rest.items[0].id, &rest.next), (&first.id, &None));
    assert_eq!(keystore.revoke(tenant, &second.id, at(3)).await, Ok(true));
    assert_eq!(keystore.revoke(tenant, &second.id, at(3)).await, Ok(false));
    assert_eq!(
        keystore.active(tenant, KeyUse::Signing).await.unwrap(),
        None
    );
    assert_eq!(keystore.remove(tenant, &first.id).await, Ok(true));
    assert_eq!(keystore.reseal(tenant).await, Ok(0));

    let policies = ports.policies.as_ref().unwrap();
    let assignments = ports.assignments.as_ref().unwrap();
    let ada = SubjectId::new("ada").unwrap();
    let unknown = assignments.assign(tenant, grant("ada", "r"), at(1)).await;
    assert_eq!(unknown, Err(PortError::not_found("role")));
    let saved = policies
        .save_role(tenant, Expected::Absent, role("r"), at(1))
        .await
        .unwrap();
    let again = policies
        .save_role(tenant, Expected::Anything, role("r"), at(2))
        .await
        .unwrap();
    assert_eq!(saved, again);
    assert_eq!(
        policies.get_role(tenant, &saved.draft.id).await.unwrap(),
        Some(saved.clone())
    );
    let granted = assignments
        .assign(tenant, grant("ada", "r"), at(1))
        .await
        .unwrap();
    let scope = GrantScope::Scoped(Scope::new("s").unwrap());
    let scoped = NewGrant {
        scope: scope.clone(),
        window: Window::new(Some(at(3)), Some(at(5))).unwrap(),
        ..grant("ada", "r")
    };
    let batch = [scoped.clone(), grant("ada", "r"), scoped];
    assert_eq!(assignments.assign_many(tenant, &batch, at(2)).await, Ok(1));
    let grants = assignments.grants_of(tenant, &ada, &page).await.unwrap();
    assert_eq!((grants.items.len(), &grants.items[0]), (2, &granted));
    assert_eq!(
        assignments
            .holders_of(tenant, &saved.draft.id, &page)
            .await
            .unwrap(),
        grants
    );
    for (now, held, next) in [(2, 0, Some(at(3))), (3, 1, Some(at(5))), (5, 0, None)] {
        let roles = assignments
            .roles_of(tenant, &ada, &scope, at(now), &page)
            .await
            .unwrap();
        assert_eq!(roles.items.len(), held, "at {now}");
        assert_eq!(
            assignments.next_change(tenant, &ada, at(now)).await,
            Ok(next)
        );
    }
    let moved = assignments.move_scope(tenant, &ada, &saved.draft.id, &scope, &GrantScope::Global);
    assert_eq!(moved.await, Ok(true));
    let revocations = [Which::Global, Which::Every].map(|which| Revocation {
        subject: ada.clone(),
        role: saved.draft.id.clone(),
        which,
    });
    assert_eq!(assignments.revoke_many(tenant, &revocations).await, Ok(1));
    assignments
        .assign(tenant, grant("ada", "r"), at(1))
        .await
        .unwrap();
    assert_eq!(
        policies.delete_role(tenant, &saved.draft.id).await,
        Ok(true)
    );
    assert_eq!(
        assignments
            .grants_of(tenant, &ada, &page)
            .await
            .unwrap()
            .items
            .len(),
        0
    );
    let name = |name: &str| AttributeName::new(name).unwrap();
    let null = Document::new(json!(null)).unwrap();
    let changes = BTreeMap::from([
        (name("a"), AttributeChange::Set(null.clone())),
        (name("b"), AttributeChange::Set(document())),
    ]);
    assignments
        .merge_attributes(tenant, &ada, &changes)
        .await
        .unwrap();
    let changes = BTreeMap::from([(name("b"), AttributeChange::Clear)]);
    let left = assignments
        .merge_attributes(tenant, &ada, &changes)
        .await
        .unwrap();
    assert_eq!(left, BTreeMap::from([(name("a"), null)]));
    assert_eq!(assignments.attributes(tenant, &ada).await.unwrap(), left);
    let many: BTreeMap<_, _> = (0..256)
        .map(|n| (name(&n.to_string()), AttributeChange::Set(document())))
        .collect();
    let refused = assignments
        .merge_attributes(tenant, &ada, &many)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert_eq!(assignments.forget(tenant, &ada).await, Ok(1));
}
