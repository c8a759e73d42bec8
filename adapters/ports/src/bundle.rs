//! All the ports of an adapter in one value.

use std::{fmt, sync::Arc};

use crate::{
    AssignmentStore, CodeStore, CredentialStore, EntityStore, EventStore, IdentityStore, KeyStore,
    OrganizationStore, OutboxStore, PolicyStore, Port, PortResult, RefreshTokenStore,
    RelationshipStore, SessionStore, TenantStore, Transactions, transactions::Wrapped,
};

/// What puts one thing, whichever port it is, in front of another: a recorder, a layer, a fault.
pub trait Wrap: Clone + Send + Sync + 'static {
    /// The port, with something in front of it.
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P>;

    /// The transactions, with something in front of them: unless said otherwise, the same in front
    /// of the ports inside each.
    fn wrap_transactions(&self, transactions: Arc<dyn Transactions>) -> Arc<dyn Transactions> {
        Arc::new(Wrapped {
            inner: transactions,
            wrap: self.clone(),
        })
    }
}

macro_rules! ports {
    ($($(#[$doc:meta])* $field:ident: $port:ident, $with:ident;)*) => {
        /// The ports that an adapter offers: what its one connecting call answers.
        ///
        /// A port that is not offered is `None`, so that an engine learns of it when it starts and
        /// not from its first call.
        #[derive(Clone, Default)]
        #[non_exhaustive]
        pub struct Ports {$(
            $(#[$doc])*
            pub $field: Option<Arc<dyn $port>>,
        )*
            /// What is done in several ports together, or not at all.
            pub transactions: Option<Arc<dyn Transactions>>,
        }

        impl Ports {
            /// The names of all ports there are, and of what is offered over all of them.
            pub const NAMES: &'static [&'static str] =
                &[$(stringify!($field),)* "transactions"];

            /// The names of those that are offered.
            #[must_use]
            pub fn offered(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$field.is_some() {
                    names.push(stringify!($field));
                })*
                if self.transactions.is_some() {
                    names.push("transactions");
                }
                names
            }

            /// What each of those that are offered, but for the transactions, answers when it is asked
            /// whether it is ready.
            pub async fn ready(&self) -> Vec<(&'static str, PortResult<()>)> {
                let mut answers = Vec::new();
                $(if let Some(port) = &self.$field {
                    answers.push((stringify!($field), port.ready().await));
                })*
                answers
            }

            /// The same ports, each with something in front of it.
            #[must_use]
            pub fn wrapped(&self, wrap: &impl Wrap) -> Self {
                Self {
                    $($field: self.$field.clone().map(|port| wrap.wrap(port)),)*
                    transactions: self
                        .transactions
                        .clone()
                        .map(|transactions| wrap.wrap_transactions(transactions)),
                }
            }

            /// Offers transactions over these ports, too.
            #[must_use]
            pub fn with_transactions(mut self, transactions: impl Transactions) -> Self {
                self.transactions = Some(Arc::new(transactions));
                self
            }

            $(
                /// Offers this port, too.
                #[must_use]
                pub fn $with(mut self, store: impl $port + 'static) -> Self {
                    self.$field = Some(Arc::new(store));
                    self
                }
            )*
        }
    };
}

ports! {
    /// Who there is.
    identity: IdentityStore, with_identity;
    /// Who is logged in.
    session: SessionStore, with_session;
    /// What proves who somebody is.
    credentials: CredentialStore, with_credentials;
    /// The keys that sign and encrypt.
    keystore: KeyStore, with_keystore;
    /// Policies and roles.
    policies: PolicyStore, with_policies;
    /// Who holds which role, and attributes.
    assignments: AssignmentStore, with_assignments;
    /// What is of use once.
    codes: CodeStore, with_codes;
    /// Who may get new access tokens.
    refresh_tokens: RefreshTokenStore, with_refresh_tokens;
    /// Whatever else there is, as documents.
    entities: EntityStore, with_entities;
    /// What happened.
    events: EventStore, with_events;
    /// Who stands in which relation to what.
    relationships: RelationshipStore, with_relationships;
    /// Who belongs to which organization.
    organizations: OrganizationStore, with_organizations;
    /// What is to be done until it is done.
    outbox: OutboxStore, with_outbox;
    /// Which tenants there are.
    tenants: TenantStore, with_tenants;
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ports").field(&self.offered()).finish()
    }
}
