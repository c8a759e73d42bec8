//! All the ports of an adapter in one value.

use std::{fmt, sync::Arc};

use crate::{
    AssignmentStore, CodeStore, CredentialStore, IdentityStore, KeyStore, PolicyStore, Port,
    RefreshTokenStore, SessionStore, TenantStore,
};

/// What puts one thing, whichever port it is, in front of another: a recorder, a layer, a fault.
pub trait Wrap {
    /// The port, with something in front of it.
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P>;
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
        )*}

        impl Ports {
            /// The names of all ports there are.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// The names of those that are offered.
            #[must_use]
            pub fn offered(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$field.is_some() {
                    names.push(stringify!($field));
                })*
                names
            }

            /// The same ports, each with something in front of it.
            #[must_use]
            pub fn wrapped(&self, wrap: &impl Wrap) -> Self {
                Self {
                    $($field: self.$field.clone().map(|port| wrap.wrap(port)),)*
                }
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
    /// Which tenants there are.
    tenants: TenantStore, with_tenants;
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ports").field(&self.offered()).finish()
    }
}
