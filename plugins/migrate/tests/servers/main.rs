//! The whole step against PostgreSQL and MariaDB (or MySQL), over the client library that the host uses.
//!
//! Run with `--features servers` and two URLs of throwaway servers on loopback, whose user may create databases:
//! `WINDLASS_TEST_POSTGRES_URL` and `WINDLASS_TEST_MARIADB_URL`. Each test makes a database of its own.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod mariadb;
mod postgresql;
mod server;
