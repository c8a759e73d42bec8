//! Values that must not be shown: digests of bearer values, password hashes, sealed and private
//! bytes. Their `Debug` tells nothing of use to a thief, and they are wiped when dropped.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Invalid;

/// The most bytes of a sealed, public or private key.
pub const MAX_KEY_BYTES: usize = 16 * 1024;
/// The longest password hash, in bytes.
pub const MAX_PHC_BYTES: usize = 1024;

/// Wipes the value when it is dropped. By hand: the derive costs every build a second `syn`.
macro_rules! wiped {
    ($name:ident) => {
        impl Zeroize for $name {
            fn zeroize(&mut self) {
                self.0.zeroize();
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.zeroize();
            }
        }

        impl ZeroizeOnDrop for $name {}
    };
}

macro_rules! digests {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// A SHA-256 digest: storage never sees the bearer value. `Debug` shows the first
        /// four bytes and the last two, which tell digests apart and do not help to guess one.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        wiped!($name);

        impl $name {
            /// A digest that the caller has made.
            #[must_use]
            pub const fn new(digest: [u8; 32]) -> Self {
                Self(digest)
            }

            /// The digest of a bearer value.
            #[must_use]
            pub fn of(bearer: &[u8]) -> Self {
                Self(Sha256::digest(bearer).into())
            }

            /// The digest's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = Invalid;
            fn try_from(bytes: &[u8]) -> Result<Self, Invalid> {
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| Invalid::new("digest", "is not 32 bytes"))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                let bytes = BASE64_STANDARD
                    .decode(text)
                    .map_err(|_| Invalid::new("digest", "is not base64"))?;
                Self::try_from(bytes.as_slice())
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                BASE64_STANDARD.encode(digest.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, c, d, .., y, z] = self.0;
                write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}…{y:02x}{z:02x}")
            }
        }
    )*};
}

digests! {
    /// The digest by which a session is stored and found.
    SessionDigest;
    /// The digest of what a credential is looked up by: an API key, a recovery code, the id of a
    /// passkey.
    LookupDigest;
    /// The digest by which a code is stored and found.
    CodeDigest;
    /// The digest by which a refresh token is stored and found.
    RefreshDigest;
    /// The digest by which an invitation is stored and found.
    InvitationDigest;
}

macro_rules! secret_bytes {
    ($($(#[$doc:meta])* $name:ident = $field:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// 1 byte to 16 KiB, any bytes.
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Vec<u8>);

        wiped!($name);

        impl $name {
            /// Takes the bytes as they are.
            ///
            /// # Errors
            ///
            /// [`Invalid`] when there are none, or more than 16 KiB.
            pub fn new(bytes: Vec<u8>) -> Result<Self, Invalid> {
                if bytes.is_empty() {
                    return Err(Invalid::new($field, "is empty"));
                }
                if bytes.len() > MAX_KEY_BYTES {
                    return Err(Invalid::new($field, "is larger than 16 KiB"));
                }
                Ok(Self(bytes))
            }

            /// The bytes themselves: not for logs.
            #[must_use]
            pub fn expose(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                let bytes = BASE64_STANDARD
                    .decode(text)
                    .map_err(|_| Invalid::new($field, "is not base64"))?;
                Self::new(bytes)
            }
        }

        impl From<$name> for String {
            fn from(secret: $name) -> Self {
                BASE64_STANDARD.encode(&secret.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "[{} secret bytes]", self.0.len())
            }
        }
    )*};
}

secret_bytes! {
    /// A secret that the engine has sealed before storage sees it, such as a TOTP seed.
    SealedBytes = "sealed bytes";
    /// The private part of a key. An adapter that keeps it on a disk or across a network seals it
    /// first.
    PrivateKey = "private key";
    /// The public key of a passkey. Not a secret, but nobody needs it in a log.
    PasskeyBytes = "passkey";
}

/// A password's hash as a PHC string: `$argon2id$…`, at most 1024 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(String);

wiped!(PasswordHash);

impl PasswordHash {
    /// Takes a PHC string as it is.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it does not begin with `$`, is longer than 1024 bytes, or has characters
    /// other than printable ASCII: most likely it is the password itself.
    pub fn new(phc: impl Into<String>) -> Result<Self, Invalid> {
        let phc = phc.into();
        if phc.len() > MAX_PHC_BYTES {
            return Err(Invalid::new("password hash", "is longer than 1024 bytes"));
        }
        if !phc.starts_with('$') || !phc.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Invalid::new("password hash", "is not a PHC string"));
        }
        Ok(Self(phc))
    }

    /// The hash itself: not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = Invalid;
    fn try_from(phc: String) -> Result<Self, Invalid> {
        Self::new(phc)
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.0.clone()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let hash = PasswordHash::new("$argon2id$v=19$hunter2").unwrap();
        assert_eq!(format!("{hash:?}"), "[password hash]");
        let key = PrivateKey::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{key:?}"), "[7 secret bytes]");
        let mut bytes = [0xab; 32];
        bytes[31] = 0xcd;
        let digest = SessionDigest::new(bytes);
        assert_eq!(format!("{digest:?}"), "abababab…abcd");
    }

    #[test]
    fn a_plain_password_is_not_a_hash() {
        assert!(PasswordHash::new("correct horse").is_err());
    }
}
