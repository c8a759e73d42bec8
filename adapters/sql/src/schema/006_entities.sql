-- Entities, and who has which unique key. `keys` of an entity holds the same keys again: a read is of
-- one row, and a change knows what to free. `scope` is 'tenant' or 'global'.
CREATE TABLE auth_entities (
    tenant {text} NOT NULL,
    kind {text} NOT NULL,
    id {text} NOT NULL,
    body {json} NOT NULL,
    keys {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_entities_pkey PRIMARY KEY (tenant, kind, id)
){table};
CREATE INDEX auth_entities_by_creation ON auth_entities (tenant, kind, created_at, id);

CREATE TABLE auth_entity_keys (
    tenant {text} NOT NULL,
    kind {text} NOT NULL,
    name {text} NOT NULL,
    value {text} NOT NULL,
    scope {text} NOT NULL,
    entity {text} NOT NULL,
    CONSTRAINT auth_entity_keys_pkey PRIMARY KEY (tenant, kind, name, value, scope),
    CONSTRAINT auth_entity_keys_entity_fkey FOREIGN KEY (tenant, kind, entity)
        REFERENCES auth_entities (tenant, kind, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_entity_keys_by_entity ON auth_entity_keys (tenant, kind, entity);
CREATE UNIQUE INDEX auth_entity_keys_one_global ON auth_entity_keys (kind, name, value)
    WHERE scope = 'global';
