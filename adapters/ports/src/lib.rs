//! The ports an auth engine needs from its storage: traits, their records, limits and errors.
//!
//! An *adapter* implements one or more of these traits on a backend. An engine holds them as
//! `Arc<dyn SessionStore>` and never learns what is behind them. What the types cannot say, the
//! methods' documentation does, and the suites of the `portproof` crate check it, rule by rule.
//!
//! What holds for every port:
//!
//! - The tenant is the first argument; there is no value that means "any tenant".
//! - Time is an argument: an adapter never reads a clock. A span of time holds its first instant and
//!   not its last: what ends at `t` is over at `t`.
//! - Ids are opaque and compared as bytes. Constructors refuse what no adapter should have to keep,
//!   so an adapter keeps exactly what it is given.
//! - Missing is an answer on reads (`None`) and removals (`false`, `0`), and
//!   [`PortError::NotFound`] on writes.
//! - A write that fails leaves nothing behind; a write that succeeds answers the stored record.
//! - What the arguments alone show to be wrong is refused first; other errors are told in the order
//!   in which a method lists them.
//! - Mutable records carry a [`Version`]; an update names the version it saw and is
//!   [`PortError::Stale`] when that is not the stored one.
//! - Lists are pages in an order that the method names; see [`PageRequest`].
//! - Several calls are done together or not at all in a transaction, where the adapter offers them; see
//!   [`transactions`].
//!
//! ```
//! use portproof_ports::{SessionStore, SessionDigest, PortResult, TenantId, Timestamp};
//!
//! async fn who_is_it(
//!     sessions: &dyn SessionStore,
//!     tenant: &TenantId,
//!     cookie_digest: &SessionDigest,
//!     now: Timestamp,
//! ) -> PortResult<bool> {
//!     Ok(sessions.get(tenant, cookie_digest, now).await?.is_some())
//! }
//! ```

// The derive names this crate by its public name, also in here.
extern crate self as portproof_ports;

pub mod assignments;
pub mod bundle;
pub mod codes;
pub mod credentials;
pub mod document;
pub mod entities;
pub mod error;
pub mod events;
pub mod id;
pub mod identity;
pub mod keystore;
pub mod number;
pub mod organizations;
pub mod outbox;
pub mod page;
pub mod policies;
pub mod port;
pub mod refresh_tokens;
pub mod relationships;
pub mod secret;
pub mod session;
pub mod tenants;
pub mod time;
pub mod transactions;
pub mod typed;

pub use assignments::*;
pub use bundle::{Ports, Wrap};
pub use codes::*;
pub use credentials::*;
pub use document::Document;
pub use entities::*;
pub use error::{ErrorKind, Invalid, PortError, PortResult};
pub use events::*;
pub use id::*;
pub use identity::*;
pub use keystore::*;
pub use number::{Attempt, Counter, Position, Sequence, Version};
pub use organizations::*;
pub use outbox::*;
pub use page::{Cursor, Page, PageRequest};
pub use policies::*;
pub use port::{Handler, Port, PortAnswer, PortCall, PortFuture, Via};
pub use portproof_ports_macros::port;
pub use refresh_tokens::*;
pub use relationships::*;
pub use secret::*;
pub use session::*;
pub use tenants::*;
pub use time::{Span, Timestamp};
pub use transactions::{PortsTransaction, Transactions, in_transaction};
pub use typed::{Entities, Kept, KeyOf, TypedEntity};

// What the code that `#[port]` writes needs to name.
#[doc(hidden)]
pub use async_trait::async_trait;
#[doc(hidden)]
pub use serde;
