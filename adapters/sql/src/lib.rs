//! The schema and the statements behind the SQL adapters, written once.
//!
//! An adapter on a SQL database is thin: it opens connections and says how to run a
//! statement on one (a [`Driver`]), and this crate does the rest. [`migrate()`] brings the tables,
//! [`Sealing`] makes the keys that private keys are sealed with, and [`ports`] answers the stores.
//! There is no driver in here, and no statement anywhere else.
//!
//! What holds for all statements:
//!
//! - Values are bound, never part of a statement's text.
//! - A read is one statement, and so of one instant.
//! - A write is one conditional statement where it can be, and a transaction that locks what it
//!   decides by where it cannot. One that met another transaction is tried again, for a while.
//! - A call may be dropped wherever it waits: what it held is closed, and so undone.
//!
//! The stores know nothing of [transactions] over several calls: in one they are the
//! same stores, over a database that is an open transaction.

use portproof_ports::Ports;

pub mod assignments;
pub mod backend;
mod batch;
pub mod codes;
pub mod credentials;
pub mod database;
pub mod dialect;
pub mod entities;
pub mod events;
pub mod failure;
pub mod identity;
pub mod keystore;
pub mod migrate;
pub mod organizations;
pub mod outbox;
mod paging;
pub mod policies;
pub mod pool;
pub mod refresh_tokens;
pub mod relationships;
pub mod schema;
pub mod sealing;
pub mod session;
pub mod tenants;
pub mod transactions;
pub mod value;

pub use assignments::SqlAssignmentStore;
pub use backend::{Answer, Backend, Isolation, Statement, Transaction};
pub use codes::SqlCodeStore;
pub use credentials::SqlCredentialStore;
pub use database::Database;
pub use dialect::Dialect;
pub use entities::SqlEntityStore;
pub use events::SqlEventStore;
pub use failure::Failure;
pub use identity::SqlIdentityStore;
pub use keystore::SqlKeyStore;
pub use migrate::{MigrateError, migrate};
pub use organizations::SqlOrganizationStore;
pub use outbox::SqlOutboxStore;
pub use policies::SqlPolicyStore;
pub use pool::{Driver, Limits, Pooled};
pub use refresh_tokens::SqlRefreshTokenStore;
pub use relationships::SqlRelationshipStore;
pub use sealing::{KeystoreCost, KeystorePassword, Sealing, SealingError};
pub use session::SqlSessionStore;
pub use tenants::SqlTenantStore;
pub use transactions::SqlTransactions;
pub use value::{Kind, Row, Value};

/// The ports on a database, and transactions over them: all with `sealing`, and all but the keystore
/// without it, since private keys never rest in the clear.
#[must_use]
pub fn ports(database: &Database, sealing: Option<&Sealing>) -> Ports {
    stores(database, sealing).with_transactions(SqlTransactions {
        database: database.clone(),
        sealing: sealing.cloned(),
    })
}

/// The ports alone.
fn stores(database: &Database, sealing: Option<&Sealing>) -> Ports {
    let ports = Ports::default()
        .with_identity(SqlIdentityStore(database.clone()))
        .with_session(SqlSessionStore(database.clone()))
        .with_credentials(SqlCredentialStore(database.clone()))
        .with_policies(SqlPolicyStore(database.clone()))
        .with_assignments(SqlAssignmentStore(database.clone()))
        .with_codes(SqlCodeStore(database.clone()))
        .with_refresh_tokens(SqlRefreshTokenStore(database.clone()))
        .with_entities(SqlEntityStore(database.clone()))
        .with_events(SqlEventStore(database.clone()))
        .with_relationships(SqlRelationshipStore(database.clone()))
        .with_organizations(SqlOrganizationStore(database.clone()))
        .with_outbox(SqlOutboxStore(database.clone()))
        .with_tenants(SqlTenantStore(database.clone()));
    match sealing {
        Some(sealing) => ports.with_keystore(SqlKeyStore {
            database: database.clone(),
            sealing: sealing.clone(),
        }),
        None => ports,
    }
}
