//! How credentials and their secrets lie in rows.

use portproof_ports::{
    Credential, CredentialKind, CredentialPolicy, LookupDigest, PasskeyBytes, PasswordHash,
    PortResult, SealedBytes, Secret,
};

use crate::value::{Row, names};

names! { CredentialKind:
    Password = "password",
    Totp = "totp",
    WebAuthn = "webauthn",
    RecoveryCode = "recovery_code",
    ApiKey = "api_key",
}

macro_rules! columns {
    ($of:literal) => {
        concat!(
            $of,
            "kind, ",
            $of,
            "lookup, ",
            $of,
            "secret, ",
            $of,
            "id, ",
            $of,
            "identity, ",
            $of,
            "metadata, ",
            $of,
            "expires_at, ",
            $of,
            "version, ",
            $of,
            "counter, ",
            $of,
            "failures, ",
            $of,
            "used_at, ",
            $of,
            "consumed_at, ",
            $of,
            "created_at, ",
            $of,
            "updated_at"
        )
    };
}
pub(super) use columns;

pub(super) fn credential(row: &Row) -> PortResult<Credential> {
    Ok(Credential {
        secret: secret(row)?,
        id: row.get(3)?,
        identity: row.get(4)?,
        metadata: row.get(5)?,
        expires_at: row.get(6)?,
        version: row.get(7)?,
        counter: row.get(8)?,
        failures: row.get(9)?,
        used_at: row.get(10)?,
        consumed_at: row.get(11)?,
        created_at: row.get(12)?,
        updated_at: row.get(13)?,
    })
}

/// The secret of a row that begins with kind, lookup and secret bytes.
pub(super) fn secret(row: &Row) -> PortResult<Secret> {
    let lookup: Option<LookupDigest> = row.get(1)?;
    let bytes: Option<Vec<u8>> = row.get(2)?;
    let read = match (row.get(0)?, lookup, bytes) {
        (CredentialKind::Password, None, Some(hash)) => String::from_utf8(hash)
            .ok()
            .and_then(|hash| PasswordHash::new(hash).ok())
            .map(Secret::Password),
        (CredentialKind::Totp, None, Some(seed)) => SealedBytes::new(seed).ok().map(Secret::Totp),
        (CredentialKind::WebAuthn, Some(lookup), Some(key)) => PasskeyBytes::new(key)
            .ok()
            .map(|public_key| Secret::WebAuthn { lookup, public_key }),
        (CredentialKind::RecoveryCode, Some(lookup), None) => Some(Secret::RecoveryCode(lookup)),
        (CredentialKind::ApiKey, Some(lookup), None) => Some(Secret::ApiKey(lookup)),
        _ => None,
    };
    read.ok_or_else(|| row.corrupt())
}

/// What of a secret is not its lookup.
pub(super) fn secret_bytes(secret: &Secret) -> Option<&[u8]> {
    match secret {
        Secret::Password(hash) => Some(hash.expose().as_bytes()),
        Secret::Totp(seed) => Some(seed.expose()),
        Secret::WebAuthn { public_key, .. } => Some(public_key.expose()),
        Secret::RecoveryCode(_) | Secret::ApiKey(_) => None,
    }
}

pub(super) fn policy(row: &Row) -> PortResult<CredentialPolicy> {
    Ok(CredentialPolicy {
        rules: row.get(0)?,
        version: row.get(1)?,
        updated_at: row.get(2)?,
    })
}
