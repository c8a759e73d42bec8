//! What the tests of every SQL adapter share: checks of what no suite can see.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

use std::{
    future::{Future, poll_fn},
    io::{BufRead, stdin},
    pin::pin,
    process::{Command, Stdio},
    task::Poll,
    time::Duration,
};

use portproof_ports::*;
use portproof_sql::schema::MIGRATIONS;
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

/// How many steps a schema has.
pub(crate) fn steps() -> i64 {
    MIGRATIONS.len().try_into().unwrap()
}

/// What takes a schema back to its first step, as an older program left it.
pub(crate) fn back_to_the_first_step() -> String {
    let later = MIGRATIONS.iter().skip(1).flat_map(|step| step.sql.lines());
    let tables = later.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("));
    // Those that refer to others come after them.
    let tables: Vec<&str> = tables.collect();
    let last_first = tables.iter().rev();
    let drops: String = last_first
        .map(|table| format!("DROP TABLE {table};"))
        .collect();
    format!("{drops} DELETE FROM auth_migrations WHERE number > 1")
}

/// Stores a session, in a table of the first step.
pub(crate) async fn store_a_session(ports: &Ports) -> Session {
    let sessions = ports.session.as_ref().unwrap();
    let given = new_session(b"older", "ada");
    sessions
        .create(&tenant("older"), given, at(1))
        .await
        .unwrap()
}

/// What holds of a schema that was at its first step and has been brought further: what was stored
/// is there, and what came with the later steps can be used.
pub(crate) async fn has_kept(ports: &Ports, session: &Session) {
    let (tenant, sessions) = (tenant("older"), ports.session.as_ref().unwrap());
    sessions.ready().await.unwrap();
    let found = sessions.get(&tenant, &session.id, at(2)).await.unwrap();
    assert_eq!(found.as_ref(), Some(session));
    let codes = ports.codes.as_ref().unwrap();
    let (kind, id) = (CodeKind::new("ticket").unwrap(), CodeDigest::of(b"new"));
    assert_eq!(codes.peek(&tenant, &kind, &id, at(2)).await, Ok(None));
    let tokens = ports.refresh_tokens.as_ref().unwrap();
    let token = RefreshDigest::of(b"new");
    assert_eq!(tokens.get(&tenant, &token, at(2)).await, Ok(None));
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
    cancelled += cancelled_rotations(tenant, ports.refresh_tokens.as_deref().unwrap()).await;
    assert!(cancelled >= 5, "only {cancelled} calls waited anywhere");
}

/// The same of rotations of refresh tokens; answers how many were dropped.
async fn cancelled_rotations(tenant: &TenantId, tokens: &dyn RefreshTokenStore) -> u32 {
    let client = &ClientId::new("client").unwrap();
    for polls in 0.. {
        let [first, next] = ["first", "next"].map(|name| {
            let bearer = format!("{name} {polls}");
            RefreshDigest::of(bearer.as_bytes())
        });
        let given = NewFamily {
            id: FamilyId::new(format!("family {polls}")).unwrap(),
            token: first.clone(),
            identity: IdentityId::new("ada").unwrap(),
            client: client.clone(),
            session: None,
            idle: None,
            ends_at: Timestamp::MAX,
            data: document(),
        };
        let issued = tokens.issue(tenant, given, at(1)).await.unwrap();
        let rotate = tokens.rotate(tenant, client, &first, &next, None, at(2));
        let done = cancelled_after(polls, rotate).await;
        // Either nothing is spent, or the next one is current.
        let before = tokens.get(tenant, &first, at(3)).await.unwrap().unwrap();
        let after = tokens.get(tenant, &next, at(3)).await.unwrap();
        match &after {
            None => assert_eq!((before.spent_at, before.family), (None, issued)),
            Some(after) => {
                assert_eq!(before.spent_at, Some(at(2)));
                assert_eq!((after.spent_at, &after.family), (None, &before.family));
                assert_eq!((&after.family.token, after.family.rotations), (&next, 1));
            }
        }
        if let Some(done) = done {
            assert_eq!(
                done.ok(),
                after.map(|after| Rotation::Rotated(after.family))
            );
            return polls;
        }
    }
    0
}

/// Where the processes of [`sixteen_processes`] find their database.
const PLACE: &str = "PORTPROOF_TEST_PLACE";

/// The `place` that this process is to connect to, if it is one of [`sixteen_processes`]: answered
/// once all of them are there.
pub(crate) fn place() -> Option<String> {
    let place = std::env::var(PLACE).ok()?;
    stdin().lock().read_line(&mut String::new()).unwrap();
    Some(place)
}

/// Runs `test` of this binary in sixteen processes, which begin at once, and waits for them.
pub(crate) fn sixteen_processes(test: &str, place: &str) {
    let mut processes: Vec<_> = (0..16)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env(PLACE, place)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    // The end of its input is what each of them waits for.
    for process in &mut processes {
        drop(process.stdin.take());
    }
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// What each of the processes does once it is connected: stores a key of its own.
pub(crate) async fn store_own_key(ports: &Ports) {
    let keystore = ports.keystore.as_ref().unwrap();
    keystore.ready().await.unwrap();
    let key = new_key(&std::process::id().to_string());
    keystore
        .insert(&tenant("processes"), key, at(1))
        .await
        .unwrap();
}

/// What holds after them: every key is there, and can be opened by another process.
pub(crate) async fn all_keys_open(ports: &Ports) {
    let keystore = ports.keystore.as_ref().unwrap();
    let page = PageRequest::first(100).unwrap();
    let tenant = tenant("processes");
    let keys = keystore.list(&tenant, KeyUse::Signing, &page).await;
    let keys = keys.unwrap().items;
    assert_eq!(keys.len(), 16);
    assert!(keys.iter().all(|key| key.private == new_key("any").private));
}
