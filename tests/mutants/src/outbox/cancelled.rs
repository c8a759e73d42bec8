//! Mutants that write in two steps, so that who drops a write between them leaves a half of it.

use portproof_ports::{
    Document, ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call, Text, Timestamp,
};

use super::{Port, on_rows, shown};
use crate::cancelled::between_steps;

pub(super) fn mutants(edits: Port) -> Port {
    let edits = on_rows(
        edits,
        "outbox::put_writes_the_payload_later",
        "outbox::put::cancelled_is_whole",
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            if let (Call::Put { tenant, .. }, Answer::Put(item)) = (&call, &answer) {
                let mut bare = item.clone();
                bare.payload = Document::empty();
                rows.set(tenant, bare);
                between_steps().await;
                rows.set(tenant, item.clone());
            }
            Ok(answer)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::complete_notes_the_time_later",
        "outbox::complete::cancelled_is_whole",
        |rows, call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            if let (Call::Complete { tenant, .. }, Some(item)) = (&call, held) {
                let mut bare = item.clone();
                bare.state = ItemState::Done { at: Timestamp::MIN };
                rows.set(tenant, bare);
                between_steps().await;
                rows.set(tenant, item);
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::put_back_says_why_first",
        "outbox::put_back::cancelled_is_whole",
        |rows, call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            if let (
                Call::PutBack {
                    tenant, trouble, ..
                },
                Some(mut item),
            ) = (&call, held)
            {
                item.trouble = Some(trouble.clone());
                rows.set(tenant, item);
                between_steps().await;
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::give_up_says_why_later",
        "outbox::give_up::cancelled_is_whole",
        |rows, call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            let (
                Call::GiveUp {
                    tenant,
                    trouble,
                    now,
                    ..
                },
                Some(mut item),
            ) = (&call, held)
            else {
                return rows.call(call);
            };
            item.state = ItemState::GivenUp { at: *now };
            item.trouble = Some(Text::new("")?);
            rows.set(tenant, item.clone());
            between_steps().await;
            item.trouble = Some(trouble.clone());
            rows.set(tenant, item);
            Ok(Answer::GiveUp(true))
        },
    );
    // Marks them as somebody's for ever, until it knows how many they are.
    on_rows(
        edits,
        "outbox::claim_sets_the_end_later",
        "outbox::claim::cancelled_is_due_again",
        |rows, call| async move {
            let Call::Claim {
                tenant,
                kind,
                at_most,
                lease,
                now,
            } = &call
            else {
                return rows.call(call);
            };
            let mut due = rows.due(tenant, kind, *now);
            due.truncate(usize::from(*at_most));
            let mut taken = rows.take(tenant, due, Timestamp::MAX);
            for item in &mut taken {
                between_steps().await;
                item.state = ItemState::Claimed {
                    until: now.after(*lease),
                };
                rows.set(tenant, item.clone());
            }
            Ok(Answer::Claim(taken))
        },
    )
}
