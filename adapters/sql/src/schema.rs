//! The tables: one schema for all dialects.
//!
//! Nothing refers to another port's table. Within a port a row that cannot live without another one
//! goes with it (`ON DELETE CASCADE`), so that ending something is one statement, and no row that is
//! added meanwhile stays behind. Keys hold no nulls, which would make a unique key let everything
//! through. Each list has an index in its order.

use portproof_ports::PortError;

/// A step that brings the schema from one version to the next.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number: 1, 2, 3...
    pub number: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its statements, as templates of [`Dialect::schema`](crate::Dialect::schema).
    pub sql: &'static str,
}

/// All steps, in order. One that has been released never changes.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "the six core ports",
        sql: include_str!("schema/001_core.sql"),
    },
    Migration {
        number: 2,
        name: "codes",
        sql: include_str!("schema/002_codes.sql"),
    },
    Migration {
        number: 3,
        name: "refresh tokens",
        sql: include_str!("schema/003_refresh_tokens.sql"),
    },
    Migration {
        number: 4,
        name: "events",
        sql: include_str!("schema/004_events.sql"),
    },
    Migration {
        number: 5,
        name: "relationships",
        sql: include_str!("schema/005_relationships.sql"),
    },
    Migration {
        number: 6,
        name: "entities",
        sql: include_str!("schema/006_entities.sql"),
    },
    Migration {
        number: 7,
        name: "organizations",
        sql: include_str!("schema/007_organizations.sql"),
    },
    Migration {
        number: 8,
        name: "tenants",
        sql: include_str!("schema/008_tenants.sql"),
    },
    Migration {
        number: 9,
        name: "relationship types",
        sql: include_str!("schema/009_relationship_types.sql"),
    },
    Migration {
        number: 10,
        name: "outbox",
        sql: include_str!("schema/010_outbox.sql"),
    },
];

/// What stands beside a table and keeps a rule or finds rows, as the steps declare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// An index, which may be unique.
    Index { unique: bool },
    /// A primary key.
    Key,
    /// A reference to another table.
    Reference,
}

/// The names of what the steps declare beside the tables.
pub(crate) fn declared() -> impl Iterator<Item = (&'static str, Declared)> {
    let lines = MIGRATIONS.iter().flat_map(|step| step.sql.lines());
    lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        match [words.next()?, words.next()?, words.next()?] {
            ["CREATE", "INDEX", name] => Some((name, Declared::Index { unique: false })),
            ["CREATE", "UNIQUE", "INDEX"] => {
                Some((words.next()?, Declared::Index { unique: true }))
            }
            ["CONSTRAINT", name, "PRIMARY"] => Some((name, Declared::Key)),
            ["CONSTRAINT", name, "FOREIGN"] => Some((name, Declared::Reference)),
            _ => None,
        }
    })
}

/// A unique key, and what its violation means to a caller.
#[derive(Debug)]
pub struct Unique {
    /// Its name, as Postgres reports it.
    pub name: &'static str,
    /// Its columns, as SQLite reports them.
    pub columns: &'static str,
    /// The error.
    pub error: fn() -> PortError,
}

macro_rules! unique {
    ($($name:literal ($columns:literal) => $error:ident($what:literal);)*) => {
        /// All unique keys.
        pub static UNIQUE: &[Unique] = &[$(Unique {
            name: $name,
            columns: $columns,
            error: || PortError::$error($what),
        }),*];
    };
}

unique! {
    "auth_identities_pkey" ("auth_identities.tenant, auth_identities.id") => already_exists("identity");
    "auth_identifiers_pkey" ("auth_identifiers.tenant, auth_identifiers.kind, auth_identifiers.provider, auth_identifiers.value") => already_exists("identifier");
    "auth_sessions_pkey" ("auth_sessions.tenant, auth_sessions.id") => already_exists("session");
    "auth_credentials_pkey" ("auth_credentials.tenant, auth_credentials.id") => already_exists("credential");
    "auth_credentials_one_password" ("auth_credentials.tenant, auth_credentials.identity") => already_exists("password");
    "auth_lookups_pkey" ("auth_lookups.tenant, auth_lookups.kind, auth_lookups.lookup") => already_exists("lookup");
    "auth_past_secrets_pkey" ("auth_past_secrets.tenant, auth_past_secrets.credential, auth_past_secrets.version") => stale("credential");
    "auth_credential_policies_pkey" ("auth_credential_policies.tenant") => stale("credential policy");
    "auth_keys_pkey" ("auth_keys.tenant, auth_keys.id") => already_exists("key");
    "auth_keys_one_active" ("auth_keys.tenant, auth_keys.key_use") => stale("active key");
    "auth_seals_pkey" ("auth_seals.generation") => stale("seal");
    "auth_policies_pkey" ("auth_policies.tenant, auth_policies.id") => stale("policy");
    "auth_roles_pkey" ("auth_roles.tenant, auth_roles.id") => stale("role");
    "auth_grants_pkey" ("auth_grants.tenant, auth_grants.subject, auth_grants.role, auth_grants.scope") => already_exists("grant");
    "auth_codes_pkey" ("auth_codes.tenant, auth_codes.kind, auth_codes.id") => already_exists("code");
    "auth_refresh_families_pkey" ("auth_refresh_families.tenant, auth_refresh_families.id") => already_exists("family");
    "auth_refresh_tokens_pkey" ("auth_refresh_tokens.tenant, auth_refresh_tokens.digest") => already_exists("refresh token");
    "auth_entities_pkey" ("auth_entities.tenant, auth_entities.kind, auth_entities.id") => already_exists("entity");
    "auth_event_logs_pkey" ("auth_event_logs.tenant") => stale("event log");
    "auth_event_streams_pkey" ("auth_event_streams.tenant, auth_event_streams.stream") => stale("stream");
    "auth_events_pkey" ("auth_events.tenant, auth_events.position") => stale("event log");
    "auth_events_one_id" ("auth_events.tenant, auth_events.id") => already_exists("event");
    "auth_events_one_sequence" ("auth_events.tenant, auth_events.stream, auth_events.sequence") => stale("stream");
    "auth_relationships_pkey" ("auth_relationships.tenant, auth_relationships.subject_type, auth_relationships.subject_id, auth_relationships.subject_relation, auth_relationships.relation, auth_relationships.object_type, auth_relationships.object_id") => already_exists("relationship");
    "auth_organizations_pkey" ("auth_organizations.tenant, auth_organizations.id") => already_exists("organization");
    "auth_organizations_slug" ("auth_organizations.tenant, auth_organizations.slug") => already_exists("slug");
    "auth_memberships_pkey" ("auth_memberships.tenant, auth_memberships.organization, auth_memberships.identity") => already_exists("membership");
    "auth_invitations_pkey" ("auth_invitations.tenant, auth_invitations.id") => already_exists("invitation");
    "auth_outbox_pkey" ("auth_outbox.tenant, auth_outbox.id") => already_exists("item");
    "auth_tenants_pkey" ("auth_tenants.tenant") => already_exists("tenant");
}

/// What a row of a table with a tenant in it is to that tenant's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Records, as a port answers them.
    Records,
    /// Parts of another table's records: they go with those, by their reference.
    Parts,
    /// Notes of the adapter's own, which no port answers.
    Notes,
    /// What is remembered of events: it goes with the last of them.
    Log,
}

/// A table that holds something of tenants.
#[derive(Debug)]
pub struct TenantTable {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub rows: Rows,
    /// Selects the keys of at most `$2` rows of the tenant `$1`.
    pub select: &'static str,
    /// Deletes those of the tenant `$1` whose keys were selected as `of_tenant`.
    pub delete: &'static str,
    /// Selects something when the tenant `$1` has rows.
    pub left: &'static str,
}

macro_rules! tenant_tables {
    ($($rows:ident $name:literal ($key:literal);)*) => {
        /// All tables with a tenant in them, in the order in which a purge empties them: first what
        /// lets somebody in, what names a record before that record, and the tenants at the end.
        ///
        /// The adapters' tests compare it with the database's own catalogue.
        pub static TENANT_TABLES: &[TenantTable] = &[$(TenantTable {
            name: $name,
            rows: Rows::$rows,
            select: concat!(
                "SELECT ", $key, " FROM ", $name, " WHERE tenant = $1 ORDER BY ", $key, " LIMIT $2"
            ),
            delete: concat!(
                "DELETE FROM ", $name, " WHERE tenant = $1 \
                 AND (", $key, ") IN (SELECT ", $key, " FROM of_tenant)"
            ),
            left: concat!("SELECT 1 FROM ", $name, " AS of_tenant WHERE tenant = $1 LIMIT 1"),
        }),*];
    };
}

tenant_tables! {
    Records "auth_sessions" ("id");
    Records "auth_refresh_families" ("id");
    Parts "auth_refresh_tokens" ("digest");
    Records "auth_codes" ("kind, id");
    Records "auth_credentials" ("id");
    Parts "auth_past_secrets" ("credential, version");
    Parts "auth_lookups" ("kind, lookup");
    Records "auth_grants" ("subject, role, scope");
    Records "auth_attributes" ("subject, name");
    Notes "auth_subjects" ("subject");
    Records "auth_roles" ("id");
    Records "auth_policies" ("id");
    Records "auth_identities" ("id");
    Parts "auth_identifiers" ("kind, provider, value");
    Records "auth_keys" ("id");
    Notes "auth_key_rings" ("key_use");
    Records "auth_credential_policies" ("tenant");
    Records "auth_invitations" ("id");
    Records "auth_memberships" ("organization, identity");
    Records "auth_organizations" ("id");
    Records "auth_relationships" (
        "subject_type, subject_id, subject_relation, relation, object_type, object_id"
    );
    Notes "auth_graphs" ("tenant");
    Records "auth_outbox" ("id");
    Records "auth_entities" ("kind, id");
    Parts "auth_entity_keys" ("kind, name, value, scope");
    Records "auth_events" ("position");
    Log "auth_event_streams" ("stream");
    Log "auth_event_logs" ("tenant");
    Records "auth_tenants" ("tenant");
}

/// The unique key with this name (Postgres) or these columns (SQLite).
#[must_use]
pub fn unique(name_or_columns: &str) -> Option<&'static Unique> {
    UNIQUE
        .iter()
        .find(|unique| unique.name == name_or_columns || unique.columns == name_or_columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_a_gap() {
        let numbers: Vec<i64> = MIGRATIONS.iter().map(|step| step.number).collect();
        let expected: Vec<i64> = (1..=numbers.len() as i64).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn every_unique_key_of_the_schema_is_known() {
        let sql: String = MIGRATIONS.iter().map(|step| step.sql).collect();
        for unique in UNIQUE {
            assert!(sql.contains(unique.name), "{}", unique.name);
        }
    }

    #[test]
    fn what_is_declared_is_found() {
        let sql: String = MIGRATIONS.iter().map(|step| step.sql).collect();
        let declares = sql.matches("CONSTRAINT ").count() + sql.matches(" INDEX ").count();
        assert_eq!(declared().count(), declares);
        for unique in UNIQUE {
            let found = declared().find(|(name, _)| *name == unique.name);
            assert!(
                matches!(
                    found,
                    Some((_, Declared::Key | Declared::Index { unique: true }))
                ),
                "{}",
                unique.name
            );
        }
    }
}
