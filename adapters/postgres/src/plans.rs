//! That no statement of the stores looks at more than a tenant's rows, and none at more of them than
//! it needs, where some have many.

#[path = "../../../tests/benches/scale/rows.rs"]
#[expect(dead_code, reason = "the benchmark also finds the rows again")]
mod rows;
#[path = "../../sql/tests/shared/plans.rs"]
mod shared;
#[path = "../../../tests/benches/scale/tables.rs"]
mod tables;

use rows::{Rows, Sql};
use shared::{Plan, Plans};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};

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
    let options = PostgresOptions::new(&url);
    options.clone().connect().await.unwrap();
    let (target, _) = options.target().unwrap();
    let driver = options.driver(target.clone());
    let plans = shared::plans(portproof_sql::Pooled::new(driver), "EXPLAIN (COSTS OFF)").await;
    assert_all_are_bounded(&plans);

    // Of which a tenant has a half, and somebody in it a twentieth, and other tenants a few.
    let url = server.fresh_database().await.unwrap();
    let skewed = PostgresOptions::new(&url);
    skewed.clone().connect().await.unwrap();
    let (target, _) = skewed.target().unwrap();
    let plans = generic(&target, plans).await;
    assert_all_are_bounded(&plans);
    let mut whole = Vec::new();
    for (sql, plan) in &plans {
        // What is sorted, or gathered from a bitmap, is read to its end before the first rows of it.
        if plan.below("Limit").any(|line| {
            line.starts_with("->  Sort") || line.starts_with("->  Bitmap Heap Scan on auth_")
        }) {
            whole.push(format!("{} of\n{sql}", plan.lines.join("\n")));
        }
    }
    assert!(whole.is_empty(), "{}", whole.join("\n"));
}

impl Plan {
    /// The lines of what is below the nodes of this name.
    fn below(&self, node: &str) -> impl Iterator<Item = &str> {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let mut within = None;
        self.lines.iter().filter_map(move |line| {
            let (at, text) = (depth(line), line.trim_start());
            if within.is_some_and(|limit| at <= limit) {
                within = None;
            }
            if within.is_some() {
                return Some(text);
            }
            within = (text.trim_start_matches("->  ") == node).then_some(at);
            None
        })
    }
}

/// That each scan of a table is of an index, by a tenant.
fn assert_all_are_bounded(plans: &Plans) {
    let mut unbounded = Vec::new();
    for (sql, Plan { lines, .. }) in plans {
        if WHOLE.iter().any(|name| sql.contains(name)) {
            continue;
        }
        for (at, line) in lines.iter().enumerate() {
            if !line.contains("Scan") || !line.contains(" on auth_") || line.contains(ONE_OF_ALL) {
                continue;
            }
            // Its conditions stand below it, up to the next node; a bitmap's is checked again.
            let mut below = lines[at + 1..]
                .iter()
                .take_while(|line| !line.contains("->"));
            if !below.any(|line| line.contains(" Cond: ") && line.contains("tenant = ")) {
                unbounded.push(format!("{line} in\n{sql}"));
            }
        }
    }
    assert!(unbounded.is_empty(), "{}", unbounded.join("\n"));
}

/// The plans that hold for all values, in a database with rows, of the statements that may have one.
async fn generic(target: &PgConnectOptions, plans: Plans) -> Plans {
    let mut connection = target.connect().await.unwrap();
    execute(&mut connection, "SET session_replication_role = replica").await;
    for load in Sql::Postgres.load(Rows(5_000)) {
        execute(&mut connection, &load).await;
    }
    execute(&mut connection, "RESET session_replication_role").await;
    execute(&mut connection, "VACUUM ANALYZE").await;
    execute(&mut connection, "SET plan_cache_mode = force_generic_plan").await;
    let mut generic = Plans::new();
    for (sql, plan) in plans {
        if plan.by_values {
            continue;
        }
        execute(&mut connection, &format!("PREPARE asked AS {sql}")).await;
        let values = vec!["NULL"; placeholders(&sql)].join(", ");
        let values = if values.is_empty() {
            values
        } else {
            format!("({values})")
        };
        let explain = format!("EXPLAIN (COSTS OFF) EXECUTE asked{values}");
        let lines = sqlx::query_scalar(AssertSqlSafe(explain))
            .persistent(false)
            .fetch_all(&mut connection);
        let lines = lines.await.unwrap();
        execute(&mut connection, "DEALLOCATE asked").await;
        generic.insert(sql, Plan { lines, ..plan });
    }
    generic
}

/// How many values a statement has.
fn placeholders(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        rest[..digits.unwrap_or(rest.len())].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    connection.execute(sqlx::raw_sql(sql)).await.unwrap();
}
