-- Lists that are narrowed to one type: without these a type that is rare is looked for among all edges of
-- a subject or an object, which may be very many.
CREATE INDEX auth_relationships_by_subject_and_type ON auth_relationships
    (tenant, subject_type, subject_id, subject_relation, object_type, relation, object_id);
CREATE INDEX auth_relationships_by_object_and_type ON auth_relationships
    (tenant, object_type, object_id, subject_type, relation, subject_id, subject_relation);
