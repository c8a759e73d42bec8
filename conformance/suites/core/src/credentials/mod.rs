//! The credentials port's suite: what proves who somebody is, how often it was tried, and that
//! what is of use once is used once.

use std::sync::Arc;

use portproof_ports::{
    Counter, Credential, CredentialId, CredentialKind, CredentialStore, CredentialUse, IdentityId,
    LookupDigest, NewCredential, OldSecret, PageRequest, PasskeyBytes, PasswordHash, PastSecret,
    Ports, SealedBytes, Secret, TenantId,
};

use super::{
    fixture::{START, day, document},
    offered,
};
use crate::{Checked, Context, Failure, Suite, World, check::equal};

mod cancelled;
mod changes;
mod ends;
mod graces;
mod lists;
mod records;
mod secrets;
mod uses;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::CredentialStoreCall,
        "credentials::random::calls_in_turn",
        "credentials::random::calls_at_once"
    );
}

/// All rules of the credentials port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        changes::cases(),
        secrets::cases(),
        graces::cases(),
        uses::cases(),
        lists::cases(),
        ends::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("credentials", parts.into_iter().flatten().collect())
}

/// A tenant with credentials of every kind, and another with the same ids and digests in it.
struct Credentials {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn CredentialStore>,
    /// The store through the second handle.
    other: Arc<dyn CredentialStore>,
    tenant: TenantId,
    /// A tenant that has credentials under the ids and with the digests of Ada's.
    elsewhere: TenantId,
    /// Ada's API key.
    api_key: Credential,
    /// Ada's recovery code.
    code: Credential,
    /// Ada's password.
    password: Credential,
    /// What no case means, with the secrets that it had.
    bystanders: Vec<(TenantId, Credential, Vec<PastSecret>)>,
}

fn id(id: &str) -> Result<CredentialId, Failure> {
    Ok(CredentialId::new(id)?)
}

fn identity(id: &str) -> Result<IdentityId, Failure> {
    Ok(IdentityId::new(id)?)
}

fn digest(of: &str) -> LookupDigest {
    LookupDigest::of(of.as_bytes())
}

fn password(of: &str) -> Result<Secret, Failure> {
    Ok(Secret::Password(PasswordHash::new(format!(
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${of}"
    ))?))
}

fn totp(of: &str) -> Result<Secret, Failure> {
    Ok(Secret::Totp(SealedBytes::new(
        [of.as_bytes(), &[0, 0xff]].concat(),
    )?))
}

fn passkey(of: &str) -> Result<Secret, Failure> {
    Ok(Secret::WebAuthn {
        lookup: digest(of),
        public_key: PasskeyBytes::new([of.as_bytes(), &[0, 0x80]].concat())?,
    })
}

fn api_key(of: &str) -> Secret {
    Secret::ApiKey(digest(of))
}

fn code(of: &str) -> Secret {
    Secret::RecoveryCode(digest(of))
}

/// A credential of Ada's that is of use for 90 days.
fn new_credential(name: &str, secret: Secret) -> Result<NewCredential, Failure> {
    of("Ada", name, secret)
}

/// A credential of this identity's.
fn of(owner: &str, name: &str, secret: Secret) -> Result<NewCredential, Failure> {
    Ok(NewCredential {
        id: id(name)?,
        identity: identity(owner)?,
        secret,
        metadata: document(name)?,
        expires_at: Some(day(90)),
    })
}

impl World for Credentials {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("credentials", context.stores().credentials.as_ref())?;
        let other = offered("credentials", context.second().credentials.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        for (tenant, credential) in [
            (&tenant, of("ada", "Key", api_key("key of another"))?),
            // One digest may be of two kinds.
            (&tenant, of("ada", "code ", code("key"))?),
            (&elsewhere, of("Ada", "key", api_key("key"))?),
            (&elsewhere, of("Ada", "code", code("code"))?),
        ] {
            let credential = store.add(tenant, credential, START).await?;
            bystanders.push((tenant.clone(), credential, Vec::new()));
        }
        // Ids that are patterns: of one letter, of any, and of what a backslash hides. Each had another
        // secret, which is good for a while.
        for pattern in ["_ey", "k%", "k\\ey"] {
            let new = of("A%a", pattern, api_key(&format!("{pattern} before")))?;
            let added = store.add(&tenant, new, START).await?;
            let (secret, old) = (api_key(pattern), OldSecret::ValidUntil(day(80)));
            let replaced = store
                .replace(&tenant, &added.id, added.version, secret, old, START)
                .await?;
            let past = PastSecret {
                version: added.version,
                secret: added.secret,
                replaced_at: START,
                valid_until: Some(day(80)),
            };
            bystanders.push((tenant.clone(), replaced, vec![past]));
        }
        // What was tried and used shows a counter that is set back.
        for (tenant, credential, _) in &mut bystanders {
            store.record_failure(tenant, &credential.id).await?;
            credential.failures += 1;
        }
        let (key, used) = (id("key")?, CredentialUse::Counter(Counter::new(7)?));
        store
            .add(&tenant, new_credential("key", api_key("key"))?, START)
            .await?;
        // A counter and a failure that are there show what sets them back.
        let api_key = store.record_use(&tenant, &key, used, START).await?;
        let mut code = store
            .add(&tenant, new_credential("code", code("code"))?, START)
            .await?;
        code.failures = store.record_failure(&tenant, &code.id).await?;
        let password = store
            .add(
                &tenant,
                new_credential("password", password("old")?)?,
                START,
            )
            .await?;
        Ok(Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            api_key,
            code,
            password,
            bystanders,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        let ten = PageRequest::first(10)?;
        for (tenant, credential, past) in &self.bystanders {
            let found = self.store.get(tenant, &credential.id).await?;
            equal(
                &format!(
                    "{:?} in tenant {tenant:?}, which nobody touched",
                    credential.id
                ),
                &found.as_ref(),
                &Some(credential),
            )?;
            let secrets = past.iter().map(|past| &past.secret);
            for secret in secrets.chain([&credential.secret]) {
                if let Some(lookup) = secret.lookup() {
                    let kind = secret.kind();
                    let found = self.store.find(tenant, kind, lookup, START).await?;
                    equal("what its digest finds", &found.as_ref(), &Some(credential))?;
                }
            }
            let history = self.store.history(tenant, &credential.id, &ten).await?;
            equal("the secrets that it had", &history.items, past)?;
        }
        Ok(())
    }
}

impl Credentials {
    /// A credential as both handles see it.
    async fn seen(&self, id: &CredentialId) -> Result<Option<Credential>, Failure> {
        let first = self.store.get(&self.tenant, id).await?;
        let second = self.other.get(&self.tenant, id).await?;
        equal(
            "the second handle's view of the credential",
            &second,
            &first,
        )?;
        Ok(first)
    }

    /// The id of what a digest of this kind finds at [`START`], through both handles.
    async fn finds(&self, kind: CredentialKind, of: &str) -> Result<Option<CredentialId>, Failure> {
        let first = self
            .store
            .find(&self.tenant, kind, &digest(of), START)
            .await?;
        let second = self
            .other
            .find(&self.tenant, kind, &digest(of), START)
            .await?;
        equal("what the second handle finds", &second, &first)?;
        Ok(first.map(|credential| credential.id))
    }

    /// Fails unless Ada's credentials are as they were added.
    async fn ada_unchanged(&self) -> Checked {
        for credential in [&self.api_key, &self.code, &self.password] {
            let found = self.seen(&credential.id).await?;
            equal(
                "a credential that was to stay as it is",
                &found.as_ref(),
                &Some(credential),
            )?;
        }
        let found = self.finds(CredentialKind::ApiKey, "key").await?;
        equal(
            "what the API key's digest finds",
            &found.as_ref(),
            &Some(&self.api_key.id),
        )
    }

    /// Adds a credential to the tenant at [`START`].
    async fn add(&self, credential: NewCredential) -> Result<Credential, Failure> {
        Ok(self.store.add(&self.tenant, credential, START).await?)
    }

    /// One of the two handles, in turn.
    fn handle(&self, racer: usize) -> Arc<dyn CredentialStore> {
        if racer.is_multiple_of(2) {
            self.store.clone()
        } else {
            self.other.clone()
        }
    }
}
