//! Sealing: private keys rest encrypted, so that who reads the database cannot sign.
//!
//! A password becomes a key by Argon2id, with a salt that is stored beside a proof: something sealed
//! with the key, by which a wrong password is noticed when connecting and not when signing. Salt and
//! proof are a *generation*; a changed password begins a new one. A private key is sealed with
//! AES-256-GCM under a fresh random nonce, bound to its tenant and id, so that it opens nowhere else.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use argon2::{Algorithm, Argon2, Params};
use portproof_ports::{KeyId, PortError, PortResult, PrivateKey, TenantId};
use zeroize::Zeroizing;

use crate::{
    database::Database,
    value::{Row, values},
};

/// The first byte of everything sealed. Another layout would begin with another.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 12;
const SALT_BYTES: usize = 16;

/// What it costs to make a key of a password, and so to guess one. It is stored with each generation,
/// and chosen when one begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeystoreCost {
    /// What OWASP asks of Argon2id: 19 MiB, twice, in one lane.
    #[default]
    Recommended,
    /// The least that there is, for the stores of tests, which are opened often and hold no secret.
    Least,
}

impl KeystoreCost {
    const fn cost(self) -> Cost {
        match self {
            Self::Recommended => Cost {
                memory_kib: 19 * 1024,
                passes: 2,
                lanes: 1,
            },
            Self::Least => Cost {
                memory_kib: 8,
                passes: 1,
                lanes: 1,
            },
        }
    }
}

/// The password that private keys are sealed with. Wiped when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct KeystorePassword(Zeroizing<String>);

impl KeystorePassword {
    /// A password.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(Zeroizing::new(password.into()))
    }
}

impl fmt::Debug for KeystorePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[keystore password]")
    }
}

/// Why the sealing keys could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The stored private keys are sealed with another password.
    #[error(
        "the keystore password is not the one that the stored keys are sealed with: give that one, \
         or give it as the previous password beside the new one"
    )]
    WrongPassword,
    /// The password is empty.
    #[error("the keystore password is empty")]
    EmptyPassword,
    /// The database failed.
    #[error("the sealing keys could not be read: {0}")]
    Database(#[from] PortError),
}

#[derive(Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A generation as it is stored.
struct Generation {
    number: i64,
    cost: Cost,
    salt: Vec<u8>,
    proof: Vec<u8>,
}

/// The key of a generation.
#[derive(Clone)]
struct Seal {
    generation: i64,
    key: Zeroizing<[u8; 32]>,
}

/// Seals and opens private keys: with the newest generation, and with those before it that keys are
/// still sealed under.
#[derive(Clone)]
pub struct Sealing {
    present: Seal,
    past: Vec<Seal>,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing")
            .field("generation", &self.present.generation)
            .finish_non_exhaustive()
    }
}

/// The newest one, the one before it, and those that keys are sealed under. A process that was given
/// its password before it was changed goes on to seal under the one before the newest, also when no
/// key is yet.
const GENERATIONS: &str = "SELECT generation, memory_kib, passes, lanes, salt, proof \
    FROM auth_seals s WHERE generation >= (SELECT max(generation) FROM auth_seals) - 1 \
    OR EXISTS (SELECT 1 FROM auth_keys k WHERE k.seal = s.generation) \
    ORDER BY generation DESC";

impl Sealing {
    /// Makes the sealing keys of `password`, in the database's newest generation. Begins the first
    /// one in an empty database, and a new one when the newest is `previous`'s, at this cost.
    ///
    /// # Errors
    ///
    /// [`SealingError`].
    pub async fn connect(
        database: &Database,
        password: &KeystorePassword,
        previous: Option<&KeystorePassword>,
        cost: KeystoreCost,
    ) -> Result<Self, SealingError> {
        if password.0.is_empty() {
            return Err(SealingError::EmptyPassword);
        }
        loop {
            let rows = database.rows("seal", GENERATIONS, values![]).await?;
            let stored: Vec<Generation> = rows.iter().map(generation).collect::<PortResult<_>>()?;
            let Some((newest, older)) = stored.split_first() else {
                begin(database, 1, password, cost.cost()).await?;
                continue;
            };
            let Some(present) = prove(newest, password).await? else {
                let Some(previous) = previous else {
                    return Err(SealingError::WrongPassword);
                };
                if prove(newest, previous).await?.is_none() {
                    return Err(SealingError::WrongPassword);
                }
                begin(database, newest.number + 1, password, cost.cost()).await?;
                continue;
            };
            let mut past = Vec::new();
            for generation in older {
                let mut opened = prove(generation, password).await?;
                if let (None, Some(previous)) = (&opened, previous) {
                    opened = prove(generation, previous).await?;
                }
                // A generation that neither password opens is noticed by who reads its keys.
                past.extend(opened);
            }
            return Ok(Self { present, past });
        }
    }

    /// The generation that keys are sealed under now.
    pub(crate) const fn generation(&self) -> i64 {
        self.present.generation
    }

    /// Seals a private key.
    pub(crate) fn seal(
        &self,
        tenant: &TenantId,
        id: &KeyId,
        private: &PrivateKey,
    ) -> PortResult<Vec<u8>> {
        self.present.seal(&place(tenant, id), private.expose())
    }

    /// Opens a private key that was sealed under `generation`.
    pub(crate) fn open(
        &self,
        generation: i64,
        tenant: &TenantId,
        id: &KeyId,
        sealed: &[u8],
    ) -> PortResult<PrivateKey> {
        std::iter::once(&self.present)
            .chain(&self.past)
            .find(|seal| seal.generation == generation)
            .and_then(|seal| seal.open(&place(tenant, id), sealed))
            .and_then(|mut plain| PrivateKey::new(std::mem::take(&mut *plain)).ok())
            .ok_or(PortError::corrupt("private key"))
    }
}

impl Seal {
    fn cipher(&self) -> Option<Aes256Gcm> {
        Aes256Gcm::new_from_slice(self.key.as_slice()).ok()
    }

    /// What is sealed opens only at the same place and in the same generation.
    fn bound(&self, place: &[u8]) -> Vec<u8> {
        let mut bound = vec![FORMAT];
        bound.extend_from_slice(&self.generation.to_le_bytes());
        bound.extend_from_slice(place);
        bound
    }

    fn seal(&self, place: &[u8], plain: &[u8]) -> PortResult<Vec<u8>> {
        let failed = || PortError::Backend("sealing failed".into());
        let nonce: [u8; NONCE_BYTES] = random()?;
        let cipher = self.cipher().ok_or_else(failed)?;
        let aad = &self.bound(place);
        let sealed = cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad })
            .map_err(|_| failed())?;
        Ok([&[FORMAT][..], &nonce, &sealed].concat())
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (&FORMAT, rest) = sealed.split_first()? else {
            return None;
        };
        let (nonce, msg) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let aad = &self.bound(place);
        let plain = self
            .cipher()?
            .decrypt(&Nonce::from(*nonce), Payload { msg, aad })
            .ok()?;
        Some(Zeroizing::new(plain))
    }
}

/// Where a private key belongs. The length keeps tenant and id apart.
fn place(tenant: &TenantId, id: &KeyId) -> Vec<u8> {
    let (tenant, id) = (tenant.as_str().as_bytes(), id.as_str().as_bytes());
    let length = (tenant.len() as u64).to_le_bytes();
    [b"private key", &length[..], tenant, id].concat()
}

/// What the proof of a generation is bound to, and seals: nothing that a key could be.
const PROOF: &[u8] = b"proof of the password";

fn generation(row: &Row) -> PortResult<Generation> {
    let number = |index| {
        let number: u64 = row.get(index)?;
        u32::try_from(number).map_err(|_| row.corrupt())
    };
    Ok(Generation {
        number: row.get(0)?,
        cost: Cost {
            memory_kib: number(1)?,
            passes: number(2)?,
            lanes: number(3)?,
        },
        salt: row.get(4)?,
        proof: row.get(5)?,
    })
}

/// Stores a new generation of `password`, unless another process was first.
async fn begin(
    database: &Database,
    number: i64,
    password: &KeystorePassword,
    cost: Cost,
) -> PortResult<()> {
    const BEGIN: &str = "INSERT INTO auth_seals \
        (generation, memory_kib, passes, lanes, salt, proof) VALUES ($1, $2, $3, $4, $5, $6)";
    let salt: [u8; SALT_BYTES] = random()?;
    let key = derive(cost, &salt, password).await?;
    let seal = Seal {
        generation: number,
        key,
    };
    let proof = seal.seal(PROOF, PROOF)?;
    let values = values![
        number,
        cost.memory_kib,
        cost.passes,
        cost.lanes,
        &salt[..],
        proof
    ];
    match database.write(BEGIN, values).await {
        // Both read the one that is stored then.
        Ok(_) | Err(PortError::Stale(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The key of a generation, if it is `password`'s.
async fn prove(generation: &Generation, password: &KeystorePassword) -> PortResult<Option<Seal>> {
    let seal = Seal {
        generation: generation.number,
        key: derive(generation.cost, &generation.salt, password).await?,
    };
    let proven = seal.open(PROOF, &generation.proof);
    Ok(proven.is_some_and(|proof| *proof == PROOF).then_some(seal))
}

/// The key that a password and a salt make. Slow on purpose, and so on a thread that may block.
async fn derive(
    cost: Cost,
    salt: &[u8],
    password: &KeystorePassword,
) -> PortResult<Zeroizing<[u8; 32]>> {
    let (salt, password) = (salt.to_vec(), password.clone());
    let derived = tokio::task::spawn_blocking(move || {
        let mut key = Zeroizing::new([0; 32]);
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok()?;
        Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(password.0.as_bytes(), &salt, key.as_mut_slice())
            .ok()?;
        Some(key)
    });
    // Costs and salts that Argon2 refuses are not ones that this crate has written.
    derived
        .await
        .map_err(|_| PortError::Backend("deriving a sealing key was stopped".into()))?
        .ok_or(PortError::corrupt("seal"))
}

fn random<const N: usize>() -> PortResult<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| PortError::Backend("the system has no randomness".into()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealing(generation: i64) -> Sealing {
        let key = Zeroizing::new([7; 32]);
        Sealing {
            present: Seal { generation, key },
            past: Vec::new(),
        }
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let sealing = sealing(1);
        let tenant = |id: &str| TenantId::new(id).unwrap();
        let key = |id: &str| KeyId::new(id).unwrap();
        let private = PrivateKey::new(b"hunter2".to_vec()).unwrap();
        let sealed = sealing.seal(&tenant("a"), &key("bc"), &private).unwrap();
        let open =
            |g, t: &str, k: &str, sealed: &[u8]| sealing.open(g, &tenant(t), &key(k), sealed);
        assert_eq!(open(1, "a", "bc", &sealed), Ok(private.clone()));
        let corrupt = Err(PortError::corrupt("private key"));
        assert_eq!(open(1, "ab", "c", &sealed), corrupt);
        assert_eq!(
            open(1, "a", "b", &sealed),
            Err(PortError::corrupt("private key"))
        );
        assert!(open(2, "a", "bc", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(open(1, "a", "bc", &damaged).is_err(), "byte {at}");
            assert!(open(1, "a", "bc", &sealed[..at]).is_err(), "{at} bytes");
        }
        let again = sealing.seal(&tenant("a"), &key("bc"), &private).unwrap();
        assert_ne!(again, sealed, "a nonce was used twice");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
    }

    #[test]
    fn debug_shows_no_key_and_no_password() {
        assert!(!format!("{:?}", sealing(1)).contains('7'));
        let password = KeystorePassword::new("hunter2");
        assert!(!format!("{password:?}").contains("hunter2"));
    }
}
