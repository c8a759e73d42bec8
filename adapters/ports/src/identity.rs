//! The identity port: who there is, and by which identifiers they are found.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{
    Document, IdentityId, Invalid, Page, PageRequest, PortResult, ProviderId, ProviderSubject,
    TenantId, Timestamp, Version, port,
};

/// The most identifiers of one identity.
pub const MAX_IDENTIFIERS: usize = 64;
/// The most ids of one [`IdentityStore::get_many`].
pub const MAX_GET_MANY: usize = 1000;
/// The longest email address or username, in bytes.
pub const MAX_LOGIN_BYTES: usize = 255;

/// What acts: a person, a program or a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A person.
    Human,
    /// A program.
    Service,
    /// A thing.
    Device,
}

/// Whether an identity may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityState {
    /// It may.
    Active,
    /// It may not, since then.
    Blocked(Timestamp),
}

/// One spelling for what people read as the same: compatibility forms composed (NFKC), lower case,
/// invisible characters gone. Lower case is Unicode's, of no language: a Turkish `İ` becomes `i̇`,
/// and `ß` stays.
fn fold(text: &str) -> String {
    let visible = text.chars().filter(|c| {
        !matches!(
            c,
            '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
    });
    let composed: String = visible.nfkc().collect();
    // Lower case can need composing again.
    composed.to_lowercase().nfkc().collect()
}

macro_rules! logins {
    ($($(#[$doc:meta])* $name:ident = $field:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes what a person typed and keeps its one canonical spelling.
            ///
            /// # Errors
            ///
            /// [`Invalid`], naming the limit, when it is not one.
            pub fn new(typed: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> Result<String, &'static str> = $check;
                check(typed).map(Self).map_err(|problem| Invalid::new($field, problem))
            }

            /// The canonical spelling.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(typed: String) -> Result<Self, Invalid> {
                Self::new(&typed)
            }
        }

        impl From<$name> for String {
            fn from(login: $name) -> Self {
                login.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )*};
}

fn folded_login(typed: &str) -> Result<String, &'static str> {
    let folded = fold(typed);
    if folded.len() > MAX_LOGIN_BYTES {
        return Err("is longer than 255 bytes");
    }
    if folded.is_empty() {
        return Err("is blank");
    }
    if folded.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("has a space or a control character");
    }
    Ok(folded)
}

logins! {
    /// An email address, folded: `Ada@Example.com` and `ada@example.com` are one address.
    ///
    /// Storage compares bytes. What was typed, if it matters, belongs into the profile.
    Email = "email", |typed| {
        let folded = folded_login(typed)?;
        match folded.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => Ok(folded),
            _ => Err("is not an address"),
        }
    };
    /// A username, folded like an [`Email`].
    Username = "username", folded_login;
    /// A phone number in E.164: `+46 8 123 456 78` is kept as `+46812345678`.
    Phone = "phone", |typed| {
        let digits: String = typed
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}'))
            .collect();
        match digits.strip_prefix('+') {
            Some(number)
                if (7..=15).contains(&number.len())
                    && number.bytes().all(|b| b.is_ascii_digit())
                    && !number.starts_with('0') => Ok(digits),
            _ => Err("is not an international number of 7 to 15 digits"),
        }
    };
}

/// By what an identity is found. At most one identity of a tenant owns it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    /// An email address.
    Email(Email),
    /// A phone number.
    Phone(Phone),
    /// A username.
    Username(Username),
    /// An account at an identity provider: found by both parts together, compared as bytes.
    Federated {
        /// Which provider.
        provider: ProviderId,
        /// What the provider calls the account.
        subject: ProviderSubject,
    },
}

/// An identifier to be linked to an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIdentifier {
    /// The identifier.
    pub identifier: Identifier,
    /// When it was shown to be theirs, if it was.
    pub verified_at: Option<Timestamp>,
}

/// An identifier of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedIdentifier {
    /// The identifier.
    pub identifier: Identifier,
    /// When it was shown to be theirs, if it was.
    pub verified_at: Option<Timestamp>,
    /// When it was first linked.
    pub linked_at: Timestamp,
}

/// An identity to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewIdentity {
    /// Its id, chosen by the engine and kept exactly.
    pub id: IdentityId,
    /// What it is.
    pub kind: IdentityKind,
    /// What the engine keeps about it.
    pub profile: Document,
    /// Its identifiers; may be none.
    pub identifiers: Vec<NewIdentifier>,
}

/// A stored identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// What it is; nothing changes it.
    pub kind: IdentityKind,
    /// Whether it may log in.
    pub state: IdentityState,
    /// What the engine keeps about it.
    pub profile: Document,
    /// Its identifiers, in the order of [`Identifier`].
    pub identifiers: Vec<LinkedIdentifier>,
    /// Counts the changes: an update, and what is linked or unlinked.
    pub version: Version,
    /// When it was created; nothing changes it.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// What an update replaces, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityUpdate {
    /// Whether it may log in.
    pub state: IdentityState,
    /// What the engine keeps about it.
    pub profile: Document,
}

/// Which identities a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityFilter {
    /// All of the tenant's.
    Every,
    /// Those of one kind.
    Kind(IdentityKind),
    /// Those that are blocked.
    Blocked,
}

/// Storage of identities and of the identifiers that find them.
///
/// An identifier belongs to at most one identity of a tenant; in two tenants it may belong to two.
/// Erasing an identity frees its identifiers.
#[port("identity")]
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new, active identity with all its identifiers, or nothing; answers it.
    ///
    /// # Errors
    ///
    /// `Refused("identifiers")` for more than [`MAX_IDENTIFIERS`]; `AlreadyExists("identity")` when
    /// the id is stored; else `AlreadyExists("identifier")` when an identifier is another's, or is
    /// named twice.
    async fn create(
        &self,
        tenant: &TenantId,
        identity: NewIdentity,
        now: Timestamp,
    ) -> PortResult<Identity>;

    /// The identity with this id.
    async fn get(&self, tenant: &TenantId, id: &IdentityId) -> PortResult<Option<Identity>>;

    /// The identities with these ids, each once, ordered by id; those that are not stored are left
    /// out.
    ///
    /// # Errors
    ///
    /// `Refused("ids")` for more than [`MAX_GET_MANY`].
    async fn get_many(&self, tenant: &TenantId, ids: &[IdentityId]) -> PortResult<Vec<Identity>>;

    /// The identity that owns this identifier.
    async fn find(
        &self,
        tenant: &TenantId,
        identifier: &Identifier,
    ) -> PortResult<Option<Identity>>;

    /// Replaces state and profile, if the identity still has the version that the caller saw;
    /// answers the identity, one version on.
    ///
    /// # Errors
    ///
    /// `NotFound("identity")`; `Stale("identity")` when its version is another.
    async fn update(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        expected: Version,
        update: IdentityUpdate,
        now: Timestamp,
    ) -> PortResult<Identity>;

    /// Links an identifier; answers the identity.
    ///
    /// Linking what is linked already sets its `verified_at`, keeps `linked_at`, and when
    /// `verified_at` is the same too, changes nothing at all.
    ///
    /// # Errors
    ///
    /// `NotFound("identity")`; `AlreadyExists("identifier")` when it is another's: of two callers
    /// one gets it. `Refused("identifiers")` beyond [`MAX_IDENTIFIERS`].
    async fn link(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        identifier: NewIdentifier,
        now: Timestamp,
    ) -> PortResult<Identity>;

    /// Unlinks an identifier from this identity and frees it; answers whether it was linked to it.
    async fn unlink(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        identifier: &Identifier,
        now: Timestamp,
    ) -> PortResult<bool>;

    /// Moves every identifier of `duplicate` to `survivor` and erases `duplicate`, at once; answers
    /// the survivor, one version on and updated at `now`, also where there was nothing to move. Nothing
    /// else of it changes; what moves keeps `verified_at` and `linked_at`.
    ///
    /// # Errors
    ///
    /// `Refused("duplicate")` when it is the survivor; `NotFound("survivor")`;
    /// `NotFound("duplicate")`; `Refused("identifiers")` when together they have more than [`MAX_IDENTIFIERS`].
    async fn merge(
        &self,
        tenant: &TenantId,
        survivor: &IdentityId,
        duplicate: &IdentityId,
        now: Timestamp,
    ) -> PortResult<Identity>;

    /// Removes an identity and frees its identifiers; answers whether there was one. A new identity
    /// under the same id starts afresh.
    async fn erase(&self, tenant: &TenantId, id: &IdentityId) -> PortResult<bool>;

    /// The tenant's identities that pass the filter, by creation and then by id, earliest first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, filter or list.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &IdentityFilter,
        page: &PageRequest,
    ) -> PortResult<Page<Identity>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_the_same_is_the_same() {
        let email = |typed| Email::new(typed).unwrap();
        assert_eq!(email("Ada@Example.COM"), email("ada@example.com"));
        assert_eq!(
            email("a\u{200b}d\u{ad}a@example.com"),
            email("ada@example.com")
        );
        assert_eq!(email("ＡＤＡ@example.com"), email("ada@example.com"));
        assert_eq!(email("e\u{301}@x.se"), email("é@x.se"));
        assert_ne!(email("ada@example.com"), email("ada@example.org"));
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for typed in ["", "ada", "@x", "a@", "a b@x", "a@b@c"] {
            assert!(Email::new(typed).is_err(), "{typed}");
        }
        for typed in [
            "0812345678",
            "+0812345678",
            "+12",
            "+1234567890123456",
            "+46a1234567",
        ] {
            assert!(Phone::new(typed).is_err(), "{typed}");
        }
        assert_eq!(
            Phone::new("+46 (8) 123-456.78").unwrap().as_str(),
            "+46812345678"
        );
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for typed in ["İstanbul@x", "ẞ@x", "ﬀ@x", "Ǆ@x"] {
            let once = Email::new(typed).unwrap();
            assert_eq!(Email::new(once.as_str()).unwrap(), once);
        }
    }
}
