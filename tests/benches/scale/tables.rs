//! What is loaded into which table.

/// How many rows a table gets.
pub(crate) enum Count {
    Rows,
    People,
    Tenants,
    Roles,
    One,
}

/// What one statement loads: `values` is for the row `i`, with the words that `rows.rs` replaces.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    pub(crate) count: Count,
    pub(crate) values: &'static str,
}

/// What is loaded, in this order: what refers to something comes after it.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "auth_identities",
        columns: "tenant, id, kind, profile, version, created_at, updated_at",
        count: Count::People,
        values: "{tenant of i}, {id}, 'human', {data}, 1, {created}, {created} FROM n",
    },
    Table {
        name: "auth_identifiers",
        columns: "tenant, kind, provider, value, identity, verified_at, linked_at",
        count: Count::People,
        values: "{tenant of i}, 'email', '', {id} || '@example.org', {id}, {created}, {created} FROM n",
    },
    Table {
        name: "auth_credentials",
        columns: "tenant, id, identity, kind, lookup, metadata, version, counter, failures, \
                  created_at, updated_at",
        count: Count::People,
        values: "{tenant of i}, {id}, {id}, 'api_key', {digest}, {data}, 1, 0, 0, {created}, {created} \
                 FROM n",
    },
    Table {
        name: "auth_lookups",
        columns: "tenant, kind, lookup, credential",
        count: Count::People,
        values: "{tenant of i}, 'api_key', {digest}, {id} FROM n",
    },
    Table {
        name: "auth_sessions",
        columns: "tenant, id, identity, idle, ends_at, data, version, created_at, seen_at, expires_at",
        count: Count::Rows,
        values: "{tenant}, {digest}, {person}, 2592000000000, {ends}, {data}, 1, {created}, {created}, \
                 {expires} FROM n",
    },
    Table {
        name: "auth_refresh_families",
        columns: "tenant, id, token, identity, client, session, idle, ends_at, data, rotations, \
                  created_at, seen_at, expires_at",
        count: Count::Rows,
        values: "{tenant}, {id}, {digest}, {person}, 'app', {id}, 2592000000000, {ends}, {data}, \
                 1 - i % 2, {created}, {created}, {expires} FROM n",
    },
    Table {
        name: "auth_refresh_tokens",
        columns: "tenant, digest, family",
        count: Count::Rows,
        values: "{tenant}, {digest}, {id} FROM n",
    },
    Table {
        name: "auth_refresh_tokens",
        columns: "tenant, digest, family, spent_at",
        count: Count::Rows,
        values: "{tenant}, {spent digest}, {id}, {created} FROM n WHERE i % 2 = 0",
    },
    Table {
        name: "auth_codes",
        columns: "tenant, kind, id, client, identity, guesses, expires_at, data, failures, created_at",
        count: Count::Rows,
        values: "{tenant}, 'authorization_code', {digest}, 'app', {person}, 5, {expires}, {data}, 0, \
                 {created} FROM n",
    },
    Table {
        name: "auth_roles",
        columns: "tenant, id, draft, version, created_at, updated_at",
        count: Count::Roles,
        values: "{tenant of role i}, 'role-' || (i % {roles}), '{}', 1, {created}, {created} FROM n",
    },
    Table {
        name: "auth_grants",
        columns: "tenant, subject, role, scope, granted_at",
        count: Count::Rows,
        values: "{tenant}, {person}, 'role-' || ({role}), \
                 {scope} || CASE WHEN {of heavy} THEN {id} ELSE '' END, {created} FROM n",
    },
    Table {
        name: "auth_graphs",
        columns: "tenant, changes",
        count: Count::Tenants,
        values: "{tenant number i}, 1 FROM n",
    },
    // What people see, each document once. As in a real graph, relations have few names: from many, a
    // planner would learn that a relation alone finds an edge.
    Table {
        name: "auth_relationships",
        columns: "tenant, subject_type, subject_id, subject_relation, relation, object_type, object_id, \
                  until",
        count: Count::Rows,
        values: "{tenant}, 'user', {person}, '', \
                 CASE WHEN i % 20 = 12 THEN 'owner' ELSE 'viewer' END, \
                 CASE WHEN {rare} THEN 'folder' ELSE 'document' END, {id}, \
                 CASE WHEN i % 5 > 2 THEN {expires} END FROM n",
    },
    // And the document that very many see.
    Table {
        name: "auth_relationships",
        columns: "tenant, subject_type, subject_id, subject_relation, relation, object_type, object_id",
        count: Count::Rows,
        values: "{tenant}, CASE WHEN {rare} THEN 'visitor' ELSE 'user' END, {id}, '', 'viewer', \
                 'document', {heavy} FROM n WHERE {of heavy}",
    },
    // A stream for each person.
    Table {
        name: "auth_events",
        columns: "tenant, position, id, stream, sequence, kind, subject, occurred_at, recorded_at, payload",
        count: Count::Rows,
        values: "{tenant}, row_number() OVER (PARTITION BY {tenant} ORDER BY i), {id}, {person}, \
                 {sequence}, CASE WHEN {rare} THEN 'rare' ELSE 'login' END, \
                 CASE WHEN i % 20 <> 12 THEN {person} END, {occurred}, {created}, {data} FROM n",
    },
    Table {
        name: "auth_event_streams",
        columns: "tenant, stream, head",
        count: Count::One,
        values: "tenant, stream, max(sequence) FROM {events} GROUP BY tenant, stream",
    },
    Table {
        name: "auth_event_logs",
        columns: "tenant, last_position",
        count: Count::One,
        values: "tenant, max(position) FROM {events} GROUP BY tenant",
    },
    Table {
        name: "auth_entities",
        columns: "tenant, kind, id, body, keys, version, created_at, updated_at",
        count: Count::Rows,
        values: "{tenant}, CASE WHEN {of heavy} THEN {heavy} ELSE 'client' END, {id}, {data}, \
                 CAST('[{\"name\":\"client_id\",\"value\":\"' || {id} || '\",\"scope\":\"global\"},' || \
                 '{\"name\":\"slug\",\"value\":\"' || {id} || '\",\"scope\":\"tenant\"}]' AS {json}), \
                 1, {created}, {created} FROM n",
    },
    Table {
        name: "auth_entity_keys",
        columns: "tenant, kind, name, value, scope, entity",
        count: Count::Rows,
        values: "{tenant}, CASE WHEN {of heavy} THEN {heavy} ELSE 'client' END, 'client_id', {id}, \
                 'global', {id} FROM n",
    },
    Table {
        name: "auth_entity_keys",
        columns: "tenant, kind, name, value, scope, entity",
        count: Count::Rows,
        values: "{tenant}, CASE WHEN {of heavy} THEN {heavy} ELSE 'client' END, 'slug', {id}, \
                 'tenant', {id} FROM n",
    },
    // As many as people, some of them with a limit that is far.
    Table {
        name: "auth_organizations",
        columns: "tenant, id, slug, member_limit, data, version, created_at, updated_at",
        count: Count::People,
        values: "{tenant of i}, {id}, {id}, CASE WHEN i % 20 = 14 THEN 1000000 END, {data}, 1, \
                 {created}, {created} FROM n",
    },
    // Somebody is in each one of the biggest tenant's.
    Table {
        name: "auth_memberships",
        columns: "tenant, organization, identity, roles, version, joined_at, updated_at",
        count: Count::One,
        values: "tenant, id, {heavy}, '[\"role-0\"]', 1, created_at, created_at \
                 FROM {organizations} WHERE tenant = {biggest}",
    },
    Table {
        name: "auth_organizations",
        columns: "tenant, id, slug, data, version, created_at, updated_at",
        count: Count::One,
        values: "{biggest}, {heavy}, {heavy}, {data}, 1, {created}, {created} FROM n",
    },
    Table {
        name: "auth_memberships",
        columns: "tenant, organization, identity, roles, version, joined_at, updated_at",
        count: Count::Rows,
        values: "{tenant}, {person}, {id}, '[\"role-0\"]', 1, {created}, {created} FROM n",
    },
    Table {
        name: "auth_invitations",
        columns: "tenant, id, organization, invitee, roles, expires_at, data, created_at",
        count: Count::Rows,
        values: "{tenant}, {digest}, {person}, {id} || '@example.org', '[\"role-0\"]', {expires}, \
                 {data}, {created} FROM n",
    },
    // Most wait until a day that is far. A fifth is done, somebody's are given up, and of those that
    // wait or are claimed some are due, but no webhook is.
    Table {
        name: "auth_outbox",
        columns: "tenant, id, kind, payload, due_at, claim, attempts, ended, ended_at, created_at",
        count: Count::Rows,
        values: "{tenant}, {id}, CASE WHEN i % 2 = 0 THEN 'webhook' \
                 WHEN i % 20 > 14 THEN 'letter' ELSE 'mail' END, {data}, \
                 CASE WHEN {of heavy} OR i % 5 = 3 THEN NULL \
                 WHEN i % 20 IN (11, 15) THEN {created} ELSE {expires} END, \
                 CASE WHEN i % 20 IN (2, 4, 11) THEN 1 END, 1, \
                 CASE WHEN {of heavy} THEN 'given_up' WHEN i % 5 = 3 THEN 'done' END, \
                 CASE WHEN {of heavy} THEN {created} WHEN i % 5 = 3 THEN {expires} END, \
                 {created} FROM n",
    },
];
