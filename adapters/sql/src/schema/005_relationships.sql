-- Edges. `subject_relation` is '' for an object itself, which no relation can be, and which sorts first.
CREATE TABLE auth_relationships (
    tenant {text} NOT NULL,
    subject_type {text} NOT NULL,
    subject_id {text} NOT NULL,
    subject_relation {text} NOT NULL,
    relation {text} NOT NULL,
    object_type {text} NOT NULL,
    object_id {text} NOT NULL,
    caveat {json},
    until {time},
    CONSTRAINT auth_relationships_pkey PRIMARY KEY
        (tenant, subject_type, subject_id, subject_relation, relation, object_type, object_id)
){table};
CREATE INDEX auth_relationships_by_object ON auth_relationships
    (tenant, object_type, object_id, relation, subject_type, subject_id, subject_relation);
CREATE INDEX auth_relationships_by_relation ON auth_relationships (tenant, relation);
CREATE INDEX auth_relationships_by_end ON auth_relationships (tenant, until)
    WHERE until IS NOT NULL;

-- The edges of a tenant are a graph; its row is what whoever changes any of it locks.
CREATE TABLE auth_graphs (
    tenant {text} NOT NULL,
    changes {int} NOT NULL,
    CONSTRAINT auth_graphs_pkey PRIMARY KEY (tenant)
){table};
