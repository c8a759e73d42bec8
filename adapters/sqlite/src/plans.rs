//! That no statement of the stores looks at more than a tenant's rows.

#[path = "../../sql/tests/shared/plans.rs"]
mod shared;

use crate::options::{SqliteOptions, Synchronous};

/// Parts of the statements about every tenant, about all that a tenant has, about a few keys, about
/// a tenant's only row, or about the schema.
const WHOLE: [&str; 11] = [
    "sqlite_schema",
    "AS of_everybody",
    "auth_migrations",
    "auth_seals",
    "AND seal < ",
    "auth_credential_policies",
    "auth_tenants",
    "of_tenant",
    "auth_event_logs",
    "FROM auth_relationships WHERE tenant = $1 LIMIT ",
    "FROM auth_relationships WHERE tenant = $1 AND (until IS NULL ",
];

/// What is no table: values, and what a part of the statement has selected.
const SELECTED: [&str; 5] = [
    "VALUES CLAUSE",
    "CONSTANT ROW",
    "SCAN found",
    "SCAN chosen",
    "SEARCH changes",
];

/// What ends the names of the indexes by which some of many are chosen.
const BY_TIME: [&str; 4] = ["_by_expiry", "_by_time", "_by_due", "_by_end"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_finds_its_rows_by_tenant() {
    let name = format!("portproof-plans-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let options = SqliteOptions::new(&directory.join("auth.db")).synchronous(Synchronous::Off);
    options.clone().open().await.unwrap();
    let backend = options.backend().await.unwrap();
    let plans = shared::plans(backend, "EXPLAIN QUERY PLAN").await;
    std::fs::remove_dir_all(&directory).unwrap();
    let mut unbounded = Vec::new();
    let mut sweeps = 0;
    for (sql, shared::Plan { lines: plan, .. }) in plans {
        if sql.starts_with("WITH chosen") && sql.contains(" ORDER BY ") {
            // By their time once, to choose some, which are then deleted or claimed by their keys.
            let by_time = |line: &&String| BY_TIME.iter().any(|index| line.contains(index));
            assert_eq!(plan.iter().filter(by_time).count(), 1, "{plan:?} of\n{sql}");
            let sorts_all = plan.iter().any(|line| line.contains("FOR ORDER BY"));
            assert!(!sorts_all, "{plan:?} of\n{sql}");
            sweeps += 1;
        }
        let all_edges = sql.ends_with("auth_relationships WHERE tenant = $1");
        if all_edges || WHOLE.iter().any(|name| sql.contains(name)) {
            continue;
        }
        for line in plan {
            let reads = line.starts_with("SCAN") || line.starts_with("SEARCH");
            let selected = SELECTED.iter().any(|name| line.contains(name));
            // By the tenant and more.
            if reads && !selected && !line.contains("(tenant=? AND ") {
                unbounded.push(format!("{line} in\n{sql}"));
            }
        }
    }
    assert!(sweeps >= 3, "only {sweeps} sweeps");
    assert!(unbounded.is_empty(), "{}", unbounded.join("\n"));
}
