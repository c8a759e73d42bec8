//! Faults that are written once for every port: calls and answers are data, so a fault can edit
//! them as JSON, by the name of a method or of a field.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{ErrorKind, Port, PortCall, PortError, PortResult, Ports};
use serde_json::{Value, json};

mod common;
mod names;

pub(crate) use common::{Common, CommonList, common};
pub(crate) use names::{Names, begins, is_like};

/// How to get at one port of a bundle.
pub(crate) type Slot<P> = fn(&mut Ports) -> &mut Option<Arc<P>>;

type Answer<P> = <<P as Port>::Call as PortCall>::Answer;
type Outcome<P> = PortResult<Answer<P>>;

/// The mutants of one port.
pub(crate) struct Edits<P: ?Sized> {
    slot: Slot<P>,
    mutants: Vec<Mutant<Ports>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call after an edit of its arguments; as it was, when that makes no call any more.
pub(crate) fn edited<C: PortCall>(call: &C, edit: impl FnOnce(&mut Value)) -> C {
    let Ok(mut value) = serde_json::to_value(call) else {
        return call.clone();
    };
    if let Some(arguments) = value.get_mut(call.method()) {
        edit(arguments);
    }
    serde_json::from_value(value).unwrap_or_else(|_| call.clone())
}

/// An answer after an edit; as it was, when that makes no answer any more.
fn answered<C: PortCall>(
    method: &str,
    answer: &C::Answer,
    edit: impl FnOnce(&mut Value),
) -> C::Answer {
    let Ok(mut value) = serde_json::to_value(answer) else {
        return answer.clone();
    };
    if let Some(answer) = value.get_mut(method) {
        edit(answer);
    }
    serde_json::from_value(value).unwrap_or_else(|_| answer.clone())
}

/// Whether an answer says that nothing was there, or that somebody else was first.
fn is_loss<T: serde::Serialize>(outcome: &PortResult<T>) -> bool {
    let Ok(answer) = outcome else {
        return true;
    };
    let value = serde_json::to_value(answer).unwrap_or(Value::Null);
    let answer = value.as_object().and_then(|object| object.values().next());
    answer.is_none_or(|answer| {
        answer.is_null()
            || *answer == json!(false)
            || *answer == json!(0)
            || *answer == json!([])
            || answer.get("items").is_some_and(|items| *items == json!([]))
    })
}

/// Does `edit` to every value in here that is under this key, or in it anywhere.
pub(crate) fn every(value: &mut Value, key: &str, edit: &dyn Fn(&mut Value)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == key {
                    edit(field);
                }
                every(field, key, edit);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| every(item, key, edit)),
        _ => {}
    }
}

/// Folds a text as a case-insensitive, padding collation does.
pub(crate) fn fold(value: &mut Value) {
    if let Some(text) = value.as_str() {
        *value = json!(text.trim_end().to_lowercase());
    }
}

/// Rounds an instant down to a millisecond.
pub(crate) fn to_millis(value: &mut Value) {
    if let Some(micros) = value.as_i64() {
        *value = json!(micros / 1_000 * 1_000);
    }
}

/// Reads numbers as doubles, and drops nulls, as a careless conversion of JSON does.
pub(crate) fn careless(value: &mut Value) {
    match value {
        Value::Number(_) => doubles(value),
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(careless);
        }
        Value::Array(items) => items.iter_mut().for_each(careless),
        _ => {}
    }
}

/// Reads numbers as doubles.
pub(crate) fn doubles(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_f64() => {
            let double = number.as_f64().unwrap_or(0.0);
            if double.abs() > 9e15 {
                *value = json!(9_007_199_254_740_992_i64);
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(doubles),
        Value::Array(items) => items.iter_mut().for_each(doubles),
        _ => {}
    }
}

impl<P: Port + ?Sized> Edits<P> {
    pub(crate) fn new(slot: Slot<P>) -> Self {
        Self {
            slot,
            mutants: Vec::new(),
        }
    }

    pub(crate) fn done(self) -> Vec<Mutant<Ports>> {
        self.mutants
    }

    /// Says which real bug the last mutant re-enacts.
    pub(crate) fn re_enacts(mut self, source: &'static str) -> Self {
        if let Some(last) = self.mutants.pop() {
            self.mutants.push(last.re_enacts(source));
        }
        self
    }

    /// A fault of the port's every call.
    pub(crate) fn fault<F, A>(mut self, id: &'static str, breaks: &'static str, fault: F) -> Self
    where
        F: Fn(Arc<P>, P::Call) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Outcome<P>> + Send + 'static,
    {
        let slot = self.slot;
        self.mutants
            .push(Mutant::new(id, breaks, move |mut ports: Ports, _| {
                let port = slot(&mut ports);
                *port = port.take().map(|port| faulty(port, fault.clone()));
                ports
            }));
        self
    }

    /// Edits the arguments of a method's calls.
    pub(crate) fn call(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        edit: fn(&mut Value),
    ) -> Self {
        self.fault(id, breaks, move |port, call: P::Call| async move {
            if call.method() == method {
                return port.call(edited(&call, edit)).await;
            }
            port.call(call).await
        })
    }

    /// Edits the arguments of every call.
    pub(crate) fn calls(
        self,
        id: &'static str,
        breaks: &'static str,
        edit: fn(&mut Value),
    ) -> Self {
        self.fault(id, breaks, move |port, call: P::Call| async move {
            port.call(edited(&call, edit)).await
        })
    }

    /// Edits what a method answers; what is stored stays right.
    pub(crate) fn answer(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        edit: fn(&mut Value),
    ) -> Self {
        self.fault(id, breaks, move |port, call: P::Call| async move {
            let name = call.method();
            let answer = port.call(call).await?;
            if name == method {
                return Ok(answered::<P::Call>(name, &answer, edit));
            }
            Ok(answer)
        })
    }

    /// Does a method's work and answers something else: `given` from the call's arguments.
    pub(crate) fn instead(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        when: ErrorKind,
        given: fn(&Value) -> Vec<(&'static str, Value)>,
    ) -> Self {
        self.fault(id, breaks, move |port, call: P::Call| async move {
            let outcome = port.call(call.clone()).await;
            let failed = outcome.as_ref().is_err_and(|error| error.kind() == when);
            if call.method() != method || !failed {
                return outcome;
            }
            // What a careless adapter does when its first statement changed nothing: other calls,
            // of which the last one is the answer.
            let arguments = serde_json::to_value(&call).unwrap_or(Value::Null);
            let mut last = outcome;
            for (method, arguments) in given(&arguments[method]) {
                let mut object = serde_json::Map::new();
                object.insert(method.to_owned(), arguments);
                if let Ok(call) = serde_json::from_value::<P::Call>(Value::Object(object)) {
                    last = port.call(call).await;
                }
            }
            last
        })
    }

    /// Before a call of `method`, does other calls as well: what a statement that reaches too far
    /// does.
    pub(crate) fn also(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        more: fn(&Value) -> Vec<(&'static str, Value)>,
    ) -> Self {
        self.fault(id, breaks, move |port, call: P::Call| async move {
            if call.method() == method {
                let arguments = serde_json::to_value(&call).unwrap_or(Value::Null);
                for (method, arguments) in more(&arguments[method]) {
                    let mut object = serde_json::Map::new();
                    object.insert(method.to_owned(), arguments);
                    if let Ok(call) = serde_json::from_value::<P::Call>(Value::Object(object)) {
                        // Whether it succeeds is no matter to an adapter that did not mean it.
                        let _ = port.call(call).await;
                    }
                }
            }
            port.call(call).await
        })
    }

    /// Answers an error of this kind for another, by its name.
    pub(crate) fn error(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        from: ErrorKind,
        to: PortError,
    ) -> Self {
        self.fault(id, breaks, move |port, call: P::Call| {
            let to = to.clone();
            async move {
                let name = call.method();
                match port.call(call).await {
                    Err(error) if error.kind() == from && (name == method || method.is_empty()) => {
                        Err(to)
                    }
                    outcome => outcome,
                }
            }
        })
    }

    /// Check, then act: of calls of a method that run at once, each that comes too late is told
    /// what the winner was told. One after the other they are right.
    pub(crate) fn race(self, id: &'static str, breaks: &'static str, method: &'static str) -> Self {
        self.racing(id, breaks, method, false)
    }

    /// Read, change, write: of calls of a method that run at once, one is done and each answers
    /// the same.
    pub(crate) fn lost_update(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
    ) -> Self {
        self.racing(id, breaks, method, true)
    }

    fn racing(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
        loses: bool,
    ) -> Self {
        let running = Arc::new(AtomicUsize::new(0));
        let won: Arc<Mutex<Option<Answer<P>>>> = Arc::default();
        self.fault(id, breaks, move |port, call: P::Call| {
            let (running, won) = (Arc::clone(&running), Arc::clone(&won));
            async move {
                if call.method() != method {
                    return port.call(call).await;
                }
                if running.fetch_add(1, Ordering::SeqCst) == 0 {
                    *lock(&won) = None;
                }
                for _ in 0..6 {
                    tokio::task::yield_now().await;
                }
                let before = lock(&won).clone();
                let outcome = match before {
                    Some(answer) if loses => Ok(answer),
                    _ => port.call(call).await,
                };
                let outcome = match (is_loss(&outcome), lock(&won).clone()) {
                    (true, Some(answer)) => Ok(answer),
                    _ => outcome,
                };
                if !is_loss(&outcome) {
                    *lock(&won) = outcome.clone().ok();
                }
                for _ in 0..6 {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                outcome
            }
        })
    }

    /// A list by number instead of by place: what comes and goes during a walk moves it.
    pub(crate) fn offsets(self, id: &'static str, breaks: &'static str) -> Self {
        self.fault(id, breaks, |port, call: P::Call| async move {
            let value = serde_json::to_value(&call).unwrap_or(Value::Null);
            let page = &value[call.method()]["page"];
            let Some(limit) = page["limit"]
                .as_u64()
                .and_then(|limit| usize::try_from(limit).ok())
            else {
                return port.call(call).await;
            };
            let offset = page["after"]
                .as_str()
                .and_then(|after| after.parse::<usize>().ok())
                .unwrap_or(0);
            let all = edited(&call, |arguments| {
                arguments["page"] = json!({"limit": 1000, "after": null});
            });
            let answer = port.call(all).await?;
            Ok(answered::<P::Call>(call.method(), &answer, |answer| {
                let items = answer["items"].as_array().cloned().unwrap_or_default();
                let more = items.len() > offset + limit;
                let rest: Vec<Value> = items.into_iter().skip(offset).take(limit).collect();
                answer["items"] = json!(rest);
                answer["next"] = if more {
                    json!(format!("{}", offset + limit))
                } else {
                    Value::Null
                };
            }))
        })
        .re_enacts("AuthHero 0e6acf4: a cursor that was a number of rows")
    }

    /// Pages of at most a hundred, whatever is asked for, and no cursor after them.
    pub(crate) fn capped(self, id: &'static str, breaks: &'static str) -> Self {
        self.fault(id, breaks, |port, call: P::Call| async move {
            let name = call.method();
            let answer = port.call(call).await?;
            Ok(answered::<P::Call>(name, &answer, |answer| {
                if let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut)
                    && items.len() > 100
                {
                    items.truncate(100);
                    answer["next"] = Value::Null;
                }
            }))
        })
        .re_enacts("better-auth #10342: a default limit of 100")
    }

    /// Pages of a list of at most five hundred, whatever is asked for.
    pub(crate) fn pages_of_500(
        self,
        id: &'static str,
        breaks: &'static str,
        method: &'static str,
    ) -> Self {
        self.call(id, breaks, method, |arguments| {
            let limit = &mut arguments["page"]["limit"];
            if limit.as_u64().is_some_and(|limit| limit > 500) {
                *limit = json!(500);
            }
        })
    }
}
