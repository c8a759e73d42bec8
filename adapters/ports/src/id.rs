//! Opaque ids and texts.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 255;
/// The longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

fn check_id(field: &'static str, id: &str) -> Result<(), Invalid> {
    if id.len() > MAX_ID_BYTES {
        return Err(Invalid::new(field, "is longer than 255 bytes"));
    }
    if id.trim().is_empty() {
        return Err(Invalid::new(field, "is blank"));
    }
    if id.chars().any(char::is_control) {
        return Err(Invalid::new(field, "has a control character"));
    }
    Ok(())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $field:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// Opaque: 1 to 255 bytes of UTF-8, not blank, without control characters; compared as
        /// bytes, so case, accents, composition and trailing spaces tell ids apart.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes an id as it is.
            ///
            /// # Errors
            ///
            /// [`Invalid`] when it is blank, longer than 255 bytes, or has a control character.
            pub fn new(id: impl Into<String>) -> Result<Self, Invalid> {
                let id = id.into();
                check_id($field, &id)?;
                Ok(Self(id.into()))
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(id: String) -> Result<Self, Invalid> {
                Self::new(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                (*id.0).to_owned()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )*};
}

ids! {
    /// The id of a tenant.
    TenantId = "tenant id";
    /// The id of an identity.
    IdentityId = "identity id";
    /// The id of a credential.
    CredentialId = "credential id";
    /// The id of a key.
    KeyId = "key id";
    /// The id of a policy.
    PolicyId = "policy id";
    /// The id of a rule within its policy.
    RuleId = "rule id";
    /// The id of a role.
    RoleId = "role id";
    /// The id of whom a grant is for: an identity, or whatever else an engine gives roles to.
    SubjectId = "subject id";
    /// Where a scoped grant holds: an organization, a project.
    Scope = "scope";
    /// The name of a subject's attribute.
    AttributeName = "attribute name";
    /// The id of a client: an application that an authorization server serves.
    ClientId = "client id";
    /// What kind of code it is, as the engine calls it: `authorization_code`, `ticket`.
    CodeKind = "code kind";
    /// The id of a family of refresh tokens.
    FamilyId = "family id";
    /// What an engine calls a session where its digest, which rotations change, will not do: the `sid`
    /// of OpenID Connect. Never the bearer value.
    SessionRef = "session reference";
    /// What kind of record an entity is, as the application calls it: `client`, `custom_domain`.
    EntityKind = "entity kind";
    /// The id of an entity.
    EntityId = "entity id";
    /// The value of an entity's unique key.
    UniqueValue = "value of a unique key";
    /// The id of an event.
    EventId = "event id";
    /// What kind of event it is, as the engine calls it: `login.failed`.
    EventKind = "event kind";
    /// The id of a stream of events: of whatever its events have in common.
    StreamId = "stream id";
    /// The type of an object, or of a subject: `document`, `group`, `user`.
    ObjectType = "object type";
    /// The id of an object, or of a subject, among those of its type.
    ObjectId = "object id";
    /// The name of a relation: `owner`, `member`.
    Relation = "relation";
    /// The id of an organization.
    OrganizationId = "organization id";
    /// The id of an item in an outbox.
    ItemId = "item id";
    /// What kind of item it is, as the engine calls it: `webhook`, `email`.
    ItemKind = "item kind";
    /// The name of an identity provider.
    ProviderId = "provider id";
    /// What a provider calls a subject of its own.
    ProviderSubject = "provider subject";
}

/// A text: at most 64 KiB of UTF-8 without NUL; kept exactly as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(Arc<str>);

impl Text {
    /// Takes a text as it is. The empty text is a text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is longer than 64 KiB or has a NUL.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.len() > MAX_TEXT_BYTES {
            return Err(Invalid::new("text", "is longer than 64 KiB"));
        }
        if text.contains('\0') {
            return Err(Invalid::new("text", "has a NUL"));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Text {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        (*text.0).to_owned()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 120 || f.alternate() {
            return write!(f, "{:?}", self.0);
        }
        let start: String = self.0.chars().take(60).collect();
        write!(f, "{start:?}… ({} bytes)", self.0.len())
    }
}
