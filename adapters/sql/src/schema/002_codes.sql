-- Codes. `client` is '' for one that is bound to nobody, which no client can be.
CREATE TABLE auth_codes (
    tenant {text} NOT NULL,
    kind {text} NOT NULL,
    id {bytes} NOT NULL,
    client {text} NOT NULL,
    identity {text},
    guesses {int},
    expires_at {time} NOT NULL,
    data {json} NOT NULL,
    failures {int} NOT NULL,
    consumed_at {time},
    created_at {time} NOT NULL,
    CONSTRAINT auth_codes_pkey PRIMARY KEY (tenant, kind, id)
){table};
CREATE INDEX auth_codes_by_identity ON auth_codes (tenant, identity, kind)
    WHERE identity IS NOT NULL;
CREATE INDEX auth_codes_by_client ON auth_codes (tenant, client, kind);
CREATE INDEX auth_codes_by_expiry ON auth_codes (tenant, expires_at);
