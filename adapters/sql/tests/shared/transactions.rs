//! Transactions over the ports of a SQL adapter, on pools of one connection: what no suite can say
//! of every adapter.

use std::time::Duration;

use portproof_ports::*;

use crate::shared::{at, document, new_session, tenant};

/// One transaction in a pool of one: all ports are called inside, one after another and at once, and
/// none waits for another connection. A transaction that is dropped while its ports are kept gives the
/// pool its connection back.
pub(crate) async fn one_connection_is_enough(ports: &Ports) {
    let tenant = &tenant("one connection");
    let session = |name: &[u8]| new_session(name, "ada");
    let open = begin(ports).await;
    let inside = open.ports().clone();
    let (sessions, policies) = (inside.session.unwrap(), inside.policies.unwrap());
    let role = role("counted", "1");
    let (first, second, saved) = tokio::join!(
        sessions.create(tenant, session(b"1"), at(1)),
        sessions.create(tenant, session(b"2"), at(1)),
        policies.save_role(tenant, Expected::Absent, role, at(1)),
    );
    first.unwrap();
    second.unwrap();
    saved.unwrap();
    inside.identity.unwrap().ready().await.unwrap();
    open.commit().await.unwrap();

    let open = begin(ports).await;
    let kept = open.ports().session.clone().unwrap();
    kept.create(tenant, session(b"3"), at(1)).await.unwrap();
    drop(open);
    let outside = ports.session.as_ref().unwrap();
    let third = SessionDigest::of(b"3");
    let get = outside.get(tenant, &third, at(2));
    let found = tokio::time::timeout(Duration::from_secs(30), get).await;
    assert_eq!(found.unwrap(), Ok(None));
    let refused = kept.get(tenant, &SessionDigest::of(b"1"), at(2)).await;
    assert_eq!(refused, Err(PortError::ended_transaction()));
    outside.create(tenant, session(b"3"), at(1)).await.unwrap();
}

/// A call inside that is still running when its transaction is dropped ends it: nothing of it is
/// committed by whoever comes next.
pub(crate) async fn a_running_call_ends_with_its_transaction(ports: &Ports) {
    let tenant = tenant("running");
    let open = begin(ports).await;
    let kept = open.ports().session.clone().unwrap();
    let calls: Vec<_> = (0..16_u8)
        .map(|number| {
            let (kept, tenant) = (kept.clone(), tenant.clone());
            let new = new_session(&[number], "ada");
            tokio::spawn(async move { kept.create(&tenant, new, at(1)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(open);
    for call in calls {
        // Done before the drop, or refused after it.
        let answer = call.await.unwrap();
        assert!(
            matches!(&answer, Ok(_) | Err(PortError::Refused { .. })),
            "{answer:?}"
        );
    }
    let page = PageRequest::first(100).unwrap();
    let ada = IdentityId::new("ada").unwrap();
    let outside = ports.session.as_ref().unwrap();
    let listed = outside.list_of(&tenant, &ada, at(2), &page).await.unwrap();
    assert_eq!(listed.items, []);
}

/// What is done inside of a transaction with an item whose claim's time is over.
enum Inside {
    Complete,
    Claim,
    /// To be due again when it is.
    PutBack(i64),
}

/// Whoever claims while a transaction has to do with what is due waits for what comes of it: is
/// answered what was undone, and else what has been due for longest then. `waits` says whether it has
/// met the transaction by now, where one can see that.
pub(crate) async fn a_claim_waits_for_a_transaction(ports: &Ports, waits: impl AsyncFn() -> bool) {
    use Inside::{Claim, Complete, PutBack};
    let cases: [(Inside, bool, u16, &[&str]); 8] = [
        (Complete, true, 2, &["b"]),
        (Complete, false, 2, &["a", "b"]),
        (Claim, true, 2, &["b"]),
        (Claim, false, 1, &["a"]),
        // Due before and after that, behind the other one and before it.
        (PutBack(5), true, 1, &["b"]),
        (PutBack(5), true, 2, &["b", "a"]),
        (PutBack(1), true, 1, &["a"]),
        (PutBack(20), false, 2, &["a", "b"]),
    ];
    for (number, (inside, commits, at_most, expected)) in cases.into_iter().enumerate() {
        let tenant = tenant(&format!("waiting {number}"));
        let (kind, lease) = (ItemKind::new("mail").unwrap(), Span::MICROSECOND);
        let outside = ports.outbox.clone().unwrap();
        for (id, due_at) in [("a", 1), ("b", 3)] {
            let item = NewItem {
                id: ItemId::new(id).unwrap(),
                kind: kind.clone(),
                due_at: at(due_at),
                payload: document(),
            };
            outside.put(&tenant, item, at(0)).await.unwrap();
        }
        let claimed = outside.claim(&tenant, &kind, 1, lease, at(1)).await;
        let claim = claimed.unwrap()[0].claim();

        let open = begin(ports).await;
        let items = open.ports().outbox.clone().unwrap();
        match inside {
            Complete => assert_eq!(items.complete(&tenant, &claim, at(10)).await, Ok(true)),
            Claim => {
                let again = items
                    .claim(&tenant, &kind, 1, Span::minutes(1), at(10))
                    .await;
                assert_eq!(again.unwrap()[0].id, claim.item);
            }
            PutBack(due) => {
                let trouble = Text::new("busy").unwrap();
                let held = items.put_back(&tenant, &claim, at(due), &trouble).await;
                assert_eq!(held, Ok(true));
            }
        }
        let call = {
            let (tenant, kind) = (tenant.clone(), kind.clone());
            let minute = Span::minutes(1);
            tokio::spawn(
                async move { outside.claim(&tenant, &kind, at_most, minute, at(10)).await },
            )
        };
        // One that does not wait is wrong at the end, and not here.
        while !call.is_finished() && !waits().await {
            tokio::task::yield_now().await;
        }
        if commits {
            open.commit().await.unwrap();
        } else {
            open.rollback().await;
        }
        let answered = call.await.unwrap().unwrap();
        let ids: Vec<&str> = answered.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, expected, "case {number}");
    }
}

pub(crate) async fn begin(ports: &Ports) -> Box<dyn PortsTransaction> {
    let transactions = ports.transactions.as_ref().unwrap();
    transactions.begin().await.unwrap()
}

pub(crate) fn role(id: &str, name: &str) -> RoleDraft {
    RoleDraft {
        id: RoleId::new(id).unwrap(),
        name: Text::new(name).unwrap(),
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: None,
    }
}
