//! Mutants of the session port.

use std::{future::Future, sync::Arc};

use portproof::mutants::{Handle, Mutant, faulty};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    NewSession, Port, PortError, PortResult, Ports, Session, SessionStore,
    SessionStoreAnswer as Answer, SessionStoreCall as Call, Span,
};

/// A mutant whose session port answers calls as `fault` says.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Arc<dyn SessionStore>, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.session = ports.session.map(|port| faulty(port, fault.clone()));
        ports
    })
}

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "session::touch_is_an_upsert",
            "session::touch::creates_nothing",
            touch_is_an_upsert,
        )
        .re_enacts("tj/connect-redis #328: a late save re-adds a session that a logout deleted"),
        mutant(
            "session::touch_ignores_the_absolute_end",
            "session::touch::stops_at_the_absolute_end",
            |store, call| async move {
                match call {
                    Call::Touch { tenant, id, now } => {
                        let touched = store.touch(&tenant, &id, now).await?;
                        Ok(Answer::Touch(touched.map(|session| {
                            Session {
                                expires_at: session
                                    .idle
                                    .map_or(session.expires_at, |idle| now.after(idle)),
                                ..session
                            }
                        })))
                    }
                    call => store.call(call).await,
                }
            },
        ),
        Mutant::new(
            "session::forgets_at_a_restart",
            "session::restart::keeps_sessions",
            |mut ports: Ports, handle| {
                if handle == Handle::Reopened {
                    ports.session = MemoryAdapter::new().ports().session;
                }
                ports
            },
        ),
    ]
}

async fn touch_is_an_upsert(store: Arc<dyn SessionStore>, call: Call) -> PortResult<Answer> {
    if let Call::Touch { tenant, id, now } = &call
        && store.get(tenant, id, *now).await?.is_none()
    {
        let revived = NewSession {
            id: id.clone(),
            identity: None,
            idle: Some(Span::minutes(30)),
            ends_at: now.after(Span::days(1)),
            data: portproof_ports::Document::empty(),
        };
        match store.create(tenant, revived, *now).await {
            Ok(session) => return Ok(Answer::Touch(Some(session))),
            Err(PortError::AlreadyExists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    store.call(call).await
}
