//! That no statement of the stores looks at more than a tenant's rows.

#[path = "../../sql/tests/shared/plans.rs"]
mod shared;

use portproof_sql::Pooled;

use crate::options::PostgresOptions;

/// Parts of the statements about every tenant, or about a few keys.
const WHOLE: [&str; 4] = [
    "auth_migrations",
    "auth_seals",
    "AND seal < ",
    "FROM auth_tenants WHERE tenant > ",
];

/// An index over all tenants in which what a statement asks for is one row.
const ONE_OF_ALL: &str = "using auth_entity_keys_one_global";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_finds_its_rows_by_tenant() {
    let server = portproof_database::postgres().await.unwrap();
    let url = server.fresh_database().await.unwrap();
    let options = PostgresOptions::new(&url).keystore_password("hunter2");
    options.clone().connect().await.unwrap();
    // Tables as small as these are read whole, if they may.
    let (target, _) = options.target().unwrap();
    let driver = options.driver(target.options([("enable_seqscan", "off")]));
    let plans = shared::plans(Pooled::new(driver), "EXPLAIN (COSTS OFF)").await;
    std::fs::write(
        "/work/t/tmp-sql/statements.txt",
        plans.keys().cloned().collect::<Vec<_>>().join("\n;;\n"),
    )
    .unwrap();
    let mut unbounded = Vec::new();
    for (sql, plan) in plans {
        if WHOLE.iter().any(|name| sql.contains(name)) {
            continue;
        }
        for (at, line) in plan.iter().enumerate() {
            if !line.contains("Scan") || !line.contains(" on auth_") || line.contains(ONE_OF_ALL) {
                continue;
            }
            // Its conditions stand below it, up to the next node; a bitmap's is checked again.
            let mut below = plan[at + 1..]
                .iter()
                .take_while(|line| !line.contains("->"));
            if !below.any(|line| line.contains(" Cond: ") && line.contains("tenant = ")) {
                unbounded.push(format!("{line} in\n{sql}"));
            }
        }
    }
    assert!(unbounded.is_empty(), "{}", unbounded.join("\n"));
}
