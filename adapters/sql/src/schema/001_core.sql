-- Identities, and the identifiers that find them. `provider` is '' for all but federated ones.
CREATE TABLE auth_identities (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    kind {text} NOT NULL,
    blocked_at {time},
    profile {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_identities_pkey PRIMARY KEY (tenant, id)
){table};
CREATE INDEX auth_identities_by_creation ON auth_identities (tenant, created_at, id);
CREATE INDEX auth_identities_by_kind ON auth_identities (tenant, kind, created_at, id);
CREATE INDEX auth_identities_blocked ON auth_identities (tenant, created_at, id)
    WHERE blocked_at IS NOT NULL;

CREATE TABLE auth_identifiers (
    tenant {text} NOT NULL,
    kind {text} NOT NULL,
    provider {text} NOT NULL,
    value {text} NOT NULL,
    identity {text} NOT NULL,
    verified_at {time},
    linked_at {time} NOT NULL,
    CONSTRAINT auth_identifiers_pkey PRIMARY KEY (tenant, kind, provider, value),
    CONSTRAINT auth_identifiers_identity_fkey FOREIGN KEY (tenant, identity)
        REFERENCES auth_identities (tenant, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_identifiers_by_identity ON auth_identifiers (tenant, identity);

CREATE TABLE auth_sessions (
    tenant {text} NOT NULL,
    id {bytes} NOT NULL,
    identity {text},
    idle {int},
    ends_at {time} NOT NULL,
    data {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    seen_at {time} NOT NULL,
    expires_at {time} NOT NULL,
    CONSTRAINT auth_sessions_pkey PRIMARY KEY (tenant, id)
){table};
CREATE INDEX auth_sessions_by_identity ON auth_sessions (tenant, identity, created_at, id)
    WHERE identity IS NOT NULL;
CREATE INDEX auth_sessions_by_expiry ON auth_sessions (tenant, expires_at);

-- Credentials with their present secret; what they had before; and every digest that they ever had,
-- which nobody else may take. `finds_until` is null for as long as the digest is the present one.
CREATE TABLE auth_credentials (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    identity {text} NOT NULL,
    kind {text} NOT NULL,
    lookup {bytes},
    secret {bytes},
    metadata {json} NOT NULL,
    expires_at {time},
    version {int} NOT NULL,
    counter {int} NOT NULL,
    failures {int} NOT NULL,
    used_at {time},
    consumed_at {time},
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_credentials_pkey PRIMARY KEY (tenant, id)
){table};
CREATE INDEX auth_credentials_by_identity ON auth_credentials (tenant, identity, created_at, id);
CREATE UNIQUE INDEX auth_credentials_one_password ON auth_credentials (tenant, identity)
    WHERE kind = 'password';

CREATE TABLE auth_past_secrets (
    tenant {text} NOT NULL,
    credential {text} NOT NULL,
    version {int} NOT NULL,
    kind {text} NOT NULL,
    lookup {bytes},
    secret {bytes},
    replaced_at {time} NOT NULL,
    valid_until {time},
    CONSTRAINT auth_past_secrets_pkey PRIMARY KEY (tenant, credential, version),
    CONSTRAINT auth_past_secrets_credential_fkey FOREIGN KEY (tenant, credential)
        REFERENCES auth_credentials (tenant, id) ON DELETE CASCADE
){table};

CREATE TABLE auth_lookups (
    tenant {text} NOT NULL,
    kind {text} NOT NULL,
    lookup {bytes} NOT NULL,
    credential {text} NOT NULL,
    finds_until {time},
    CONSTRAINT auth_lookups_pkey PRIMARY KEY (tenant, kind, lookup),
    CONSTRAINT auth_lookups_credential_fkey FOREIGN KEY (tenant, credential)
        REFERENCES auth_credentials (tenant, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_lookups_by_credential ON auth_lookups (tenant, credential);

CREATE TABLE auth_credential_policies (
    tenant {text} NOT NULL,
    rules {json} NOT NULL,
    version {int} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_credential_policies_pkey PRIMARY KEY (tenant)
){table};

-- Keys. A ring is the keys of one use of a tenant; its row is what a writer locks.
CREATE TABLE auth_key_rings (
    tenant {text} NOT NULL,
    key_use {text} NOT NULL,
    changes {int} NOT NULL,
    CONSTRAINT auth_key_rings_pkey PRIMARY KEY (tenant, key_use)
){table};

CREATE TABLE auth_keys (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    key_use {text} NOT NULL,
    algorithm {text} NOT NULL,
    public_key {json} NOT NULL,
    private_key {bytes} NOT NULL,
    seal {int} NOT NULL,
    state {text} NOT NULL,
    published_until {time},
    created_at {time} NOT NULL,
    activated_at {time},
    retired_at {time},
    revoked_at {time},
    CONSTRAINT auth_keys_pkey PRIMARY KEY (tenant, id)
){table};
CREATE INDEX auth_keys_by_creation ON auth_keys (tenant, key_use, created_at, id);
CREATE INDEX auth_keys_by_seal ON auth_keys (seal);
CREATE UNIQUE INDEX auth_keys_one_active ON auth_keys (tenant, key_use)
    WHERE state = 'active';

-- The salts that turn keystore passwords into sealing keys, each with a proof of its password.
CREATE TABLE auth_seals (
    generation {int} NOT NULL,
    memory_kib {int} NOT NULL,
    passes {int} NOT NULL,
    lanes {int} NOT NULL,
    salt {bytes} NOT NULL,
    proof {bytes} NOT NULL,
    CONSTRAINT auth_seals_pkey PRIMARY KEY (generation)
){table};

CREATE TABLE auth_policies (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    draft {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_policies_pkey PRIMARY KEY (tenant, id)
){table};

CREATE TABLE auth_roles (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    draft {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_roles_pkey PRIMARY KEY (tenant, id)
){table};

-- Grants. `scope` is '' for a global one, which no scope can be, and which sorts first.
CREATE TABLE auth_grants (
    tenant {text} NOT NULL,
    subject {text} NOT NULL,
    role {text} NOT NULL,
    scope {text} NOT NULL,
    holds_from {time},
    holds_until {time},
    granted_at {time} NOT NULL,
    CONSTRAINT auth_grants_pkey PRIMARY KEY (tenant, subject, role, scope),
    CONSTRAINT auth_grants_role_fkey FOREIGN KEY (tenant, role)
        REFERENCES auth_roles (tenant, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_grants_by_role ON auth_grants (tenant, role, subject, scope);
CREATE INDEX auth_grants_by_scope ON auth_grants (tenant, subject, scope, role);

-- A row for each attribute, so that two who change different ones do not write the same row; and a
-- row for each subject, which whoever adds attributes locks, since their number is limited.
CREATE TABLE auth_subjects (
    tenant {text} NOT NULL,
    subject {text} NOT NULL,
    changes {int} NOT NULL,
    CONSTRAINT auth_subjects_pkey PRIMARY KEY (tenant, subject)
){table};

CREATE TABLE auth_attributes (
    tenant {text} NOT NULL,
    subject {text} NOT NULL,
    name {text} NOT NULL,
    value {json} NOT NULL,
    CONSTRAINT auth_attributes_pkey PRIMARY KEY (tenant, subject, name)
){table};
