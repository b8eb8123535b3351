//! The `database` room against real databases. Servers are started by `scripts/databases start DIR`; MariaDB stands for
//! MySQL, which Debian does not have.

mod database {
    mod common;
    mod lifetime;
    mod mariadb;
    mod mariadb_read;
    mod opening;
    mod postgresql;
    mod postgresql_read;
    mod sqlite;
}
