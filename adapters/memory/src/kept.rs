//! Credentials as they are kept: each with its history, and the digests that belong to it.

use portproof_ports::{
    Credential, CredentialId, IdentityId, Kinds, LookupDigest, PastSecret, PortError, PortResult,
    Secret, Timestamp,
};

use crate::state::Tenant;

/// A credential and the secrets that it had, the first one first.
#[derive(Clone, PartialEq)]
pub(crate) struct KeptCredential {
    pub(crate) credential: Credential,
    pub(crate) history: Vec<PastSecret>,
}

impl KeptCredential {
    /// Whether this digest finds it at `now`, out of those that belong to it.
    pub(crate) fn is_found_by(&self, lookup: &LookupDigest, now: Timestamp) -> bool {
        let by_secret = self.credential.secret.lookup() == Some(lookup);
        let by_past_secret = self.history.iter().any(|past| {
            past.secret.lookup() == Some(lookup)
                && past.valid_until.is_some_and(|until| now < until)
        });
        (by_secret || by_past_secret) && !has_expired(&self.credential, now)
    }
}

/// The credential with this id, to be written to.
pub(crate) fn kept<'a>(
    tenant: &'a mut Tenant,
    id: &CredentialId,
) -> PortResult<&'a mut KeptCredential> {
    let kept = tenant.credentials.get_mut(id);
    kept.ok_or(PortError::not_found("credential"))
}

/// Makes the digest of `secret`, if it has one, belong to the credential `id`; refuses when it
/// belongs to any credential already, this one included. It checks and writes: the last check.
pub(crate) fn take_lookup(
    tenant: &mut Tenant,
    id: &CredentialId,
    secret: &Secret,
) -> PortResult<()> {
    if let Some(lookup) = secret.lookup() {
        let lookup = (secret.kind(), lookup.clone());
        if tenant.lookups.contains_key(&lookup) {
            return Err(PortError::already_exists("lookup"));
        }
        tenant.lookups.insert(lookup, id.clone());
    }
    Ok(())
}

/// Removes a credential and its history, and frees its digests; answers whether there was one.
pub(crate) fn remove(tenant: &mut Tenant, id: &CredentialId) -> bool {
    tenant.lookups.retain(|_, owner| owner != id);
    tenant.credentials.remove(id).is_some()
}

/// Whether a credential is the identity's, and of one of these kinds.
pub(crate) fn is_meant(credential: &Credential, identity: &IdentityId, kinds: &Kinds) -> bool {
    let of_kind = match kinds {
        Kinds::Every => true,
        Kinds::Only(kind) => credential.secret.kind() == *kind,
    };
    credential.identity == *identity && of_kind
}

/// Whether a credential is of no use at `now` any more.
pub(crate) fn has_expired(credential: &Credential, now: Timestamp) -> bool {
    credential.expires_at.is_some_and(|end| end <= now)
}
