//! What is measured: one call each, on one row after the other.
//!
//! A port that comes gets its lines in one of the modules, and what they read gets its tables in
//! `tables.rs`.
//!
//! The rows and people that a call uses up are those of one remainder by twenty, which no other call of
//! its port uses; what is only read has the remainder 1, and what comes new belongs to people of 9. None
//! is of 0, which are somebody's with very many, nor of 3, 8, 13 and 18, which are over.

use std::pin::Pin;

use portproof_ports::{IdentityId, PortResult, Span, SubjectId, TenantId, Timestamp};

use crate::{
    rows::{NOW, id},
    store::Store,
};

mod authentication;
mod authorization;
mod records;

pub(crate) use records::about;

/// A call: whether it did what a call of its kind does when it works.
type Call<'a> = Pin<Box<dyn Future<Output = PortResult<bool>> + Send + 'a>>;

/// Something to measure.
pub(crate) struct Workload {
    /// The port and what is called.
    pub(crate) name: &'static str,
    /// A row in so many can be used for it, once.
    pub(crate) one_in: u64,
    /// The call of this number.
    pub(crate) call: for<'a> fn(&'a Store, u64) -> Call<'a>,
}

macro_rules! workloads {
    ($($name:literal, one in $one_in:literal: |$store:ident, $number:ident| $body:expr;)*) => {
        &[$(Workload {
            name: $name,
            one_in: $one_in,
            call: |$store, $number| Box::pin(async move { Ok($body) }),
        }),*]
    };
}
use workloads;

/// Everything that is measured.
pub(crate) fn all() -> impl Iterator<Item = &'static Workload> {
    [
        authentication::WORKLOADS,
        authorization::WORKLOADS,
        records::WORKLOADS,
    ]
    .into_iter()
    .flatten()
}

/// Rows of one remainder by twenty.
const fn of(remainder: u64, number: u64) -> u64 {
    number * 20 + remainder
}

/// A number that no row has.
const fn new(store: &Store, number: u64) -> u64 {
    10 * store.rows.0 + number
}

fn far() -> Timestamp {
    NOW.after(Span::days(90))
}

fn is_full<T>(store: &Store, items: &[T]) -> bool {
    items.len() == usize::from(store.first.limit())
}

type Of<T> = (TenantId, T);

fn person(store: &Store, number: u64) -> PortResult<Of<IdentityId>> {
    let person = number % store.rows.people();
    Ok((store.rows.tenant(person)?, IdentityId::new(id(person))?))
}

fn subject(store: &Store, number: u64) -> PortResult<Of<SubjectId>> {
    let (tenant, id) = person(store, number)?;
    Ok((tenant, SubjectId::new(id.as_str())?))
}

/// The tenant that a row belongs to.
fn tenant(store: &Store, row: u64) -> PortResult<TenantId> {
    Ok(store.rows.tenant(store.rows.person(row))?)
}
