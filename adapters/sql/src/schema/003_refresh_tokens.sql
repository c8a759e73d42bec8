-- Families of refresh tokens, and every token that they have or had: the spent ones are there to be
-- recognised. A family's row is what whoever changes any of it locks. `token` is the current one.
CREATE TABLE auth_refresh_families (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    token {bytes} NOT NULL,
    identity {text} NOT NULL,
    client {text} NOT NULL,
    session {text},
    idle {int},
    ends_at {time} NOT NULL,
    data {json} NOT NULL,
    rotations {int} NOT NULL,
    created_at {time} NOT NULL,
    seen_at {time} NOT NULL,
    expires_at {time} NOT NULL,
    CONSTRAINT auth_refresh_families_pkey PRIMARY KEY (tenant, id)
){table};
CREATE INDEX auth_refresh_families_by_identity ON auth_refresh_families (tenant, identity, created_at, id);
CREATE INDEX auth_refresh_families_by_client ON auth_refresh_families (tenant, client);
CREATE INDEX auth_refresh_families_by_session ON auth_refresh_families (tenant, session)
    WHERE session IS NOT NULL;
CREATE INDEX auth_refresh_families_by_expiry ON auth_refresh_families (tenant, expires_at);

CREATE TABLE auth_refresh_tokens (
    tenant {text} NOT NULL,
    digest {bytes} NOT NULL,
    family {text} NOT NULL,
    spent_at {time},
    CONSTRAINT auth_refresh_tokens_pkey PRIMARY KEY (tenant, digest),
    CONSTRAINT auth_refresh_tokens_family_fkey FOREIGN KEY (tenant, family)
        REFERENCES auth_refresh_families (tenant, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_refresh_tokens_by_family ON auth_refresh_tokens (tenant, family);
