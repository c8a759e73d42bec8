//! Postgres servers for tests: found or started, shared by every process of a run, never left behind.
//!
//! ```no_run
//! # async fn example() -> Result<(), portproof_database::DatabaseError> {
//! let server = portproof_database::postgres().await?;
//! let url = server.fresh_database().await?;
//! println!("an empty database on {}", server.source());
//! # drop(url);
//! # Ok(())
//! # }
//! ```
//!
//! # Where the server comes from
//!
//! The first of these that gives one:
//!
//! 1. `PORTPROOF_POSTGRES_URL`. If it is set, nothing else is tried.
//! 2. Docker, through Testcontainers, when an engine answers and has the image or can pull it.
//! 3. PostgreSQL binaries of this machine, the newest found. As root they run as the user `postgres`,
//!    or else `nobody`.
//!
//! When none does, the error says what went wrong with each.
//! A test that asks for a database is never skipped.
//!
//! | variable | what it does |
//! |---|---|
//! | `PORTPROOF_POSTGRES` | insists on one way: `url`, `docker` or `local` |
//! | `PORTPROOF_POSTGRES_URL` | a server that runs already: `postgres://user:password@host:5432/database` |
//! | `PORTPROOF_POSTGRES_IMAGE` | the Docker image; the default is the official `postgres:17`. It must have `sh`, `psql` and the official image's `docker-entrypoint.sh` |
//! | `PORTPROOF_POSTGRES_BIN` | the directory that holds `postgres`, `initdb` and `psql` |
//! | `PORTPROOF_STATE` | the directory through which processes find each other, and which holds the data of local servers; the default is `portproof-<uid>` in the temporary directory |
//!
//! # How it is shared, and how it ends
//!
//! The first process starts the server under a file lock and leaves a note; every other one under
//! the same settings finds the note. Each holds a *lease*: a connection with a shared advisory lock.
//! The kernel closes it when the process ends, so a killed process lets go like any other.
//! A small shell script that runs beside the server stops it, and removes all its files, once nobody
//! has been connected for ten seconds (sixteen while nobody has been yet). The next test binary of a
//! run therefore finds it warm.
//! Only the lock and the note stay: two small files in the state directory.
//! A test that ends every connection of the server ends the lease as well; the server then stays for
//! as long as anybody is connected to it.
//!
//! The server trades durability for speed, sorts text by a linguistic collation where it can, and
//! listens on 127.0.0.1 with a random password that only this user can read.

mod available;
mod binaries;
mod docker;
mod error;
mod find;
mod lease;
mod leftovers;
mod local;
mod server;
mod settings;
mod state;
mod supervisor;
mod url;

pub use available::{Available, available};
pub use error::DatabaseError;
pub use find::postgres;
pub use server::{Server, Source};
