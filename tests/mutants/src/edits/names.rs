//! Faults of adapters that take one name for another: for one that begins alike, or for a pattern.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use portproof_ports::{Port, PortCall};
use serde_json::{Value, json};

use super::{Edits, edited, every, is_loss, lock};

/// Whether `text` is like `pattern`, as SQL has it.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| is_like(rest.as_str(), &text[at..])),
        Some(first) => {
            let mut others = text.chars();
            others
                .next()
                .is_some_and(|other| first == '_' || first == other)
                && is_like(rest.as_str(), others.as_str())
        }
    }
}

/// Whether `text` begins with `start`.
pub(crate) fn begins(start: &str, text: &str) -> bool {
    text.starts_with(start)
}

/// The names that calls gave something under a key: what a table would hold.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeSet<String>>>);

impl Names {
    /// Notes what a call gives under this key, anywhere.
    pub(crate) fn note(&self, call: &impl PortCall, key: &str) {
        let mut value = serde_json::to_value(call).unwrap_or(Value::Null);
        every(&mut value, key, &|name| {
            if let Some(name) = name.as_str() {
                lock(&self.0).insert(name.to_owned());
            }
        });
    }

    /// All that were noted.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        lock(&self.0).clone()
    }
}

impl<P: Port + ?Sized> Edits<P> {
    /// Where one of `methods` finds nothing of a name, it finds what there is of another that
    /// `is_meant` by it.
    pub(crate) fn finds(
        self,
        id: &'static str,
        breaks: &'static str,
        methods: &'static [&'static str],
        key: &'static str,
        is_meant: fn(&str, &str) -> bool,
    ) -> Self {
        let names = Names::default();
        self.fault(id, breaks, move |port, call: P::Call| {
            let names = names.clone();
            async move {
                names.note(&call, key);
                let outcome = port.call(call.clone()).await;
                if !methods.contains(&call.method()) || !is_loss(&outcome) {
                    return outcome;
                }
                for call in meant(&call, key, &names, is_meant) {
                    let there = port.call(call).await;
                    if !is_loss(&there) {
                        return there;
                    }
                }
                outcome
            }
        })
    }

    /// A method is done to every other name, too, that `is_meant` by the one that it is told.
    pub(crate) fn reaches(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        key: &'static str,
        is_meant: fn(&str, &str) -> bool,
    ) -> Self {
        let names = Names::default();
        self.fault(id, breaks, move |port, call: P::Call| {
            let names = names.clone();
            async move {
                names.note(&call, key);
                if call.method() == method {
                    for call in meant(&call, key, &names, is_meant) {
                        // Whether it succeeds is no matter to an adapter that did not mean it.
                        let _ = port.call(call).await;
                    }
                }
                port.call(call).await
            }
        })
    }
}

/// The call with every other name that `is_meant` by the one under its key.
fn meant<C: PortCall>(
    call: &C,
    key: &str,
    names: &Names,
    is_meant: fn(&str, &str) -> bool,
) -> Vec<C> {
    let value = serde_json::to_value(call).unwrap_or(Value::Null);
    let Some(asked) = value[call.method()][key].as_str() else {
        return Vec::new();
    };
    let others = names.all().into_iter();
    let others = others.filter(|other| other != asked && is_meant(asked, other));
    others
        .map(|other| edited(call, |arguments| arguments[key] = json!(other)))
        .collect()
}
