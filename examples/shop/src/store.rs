//! Products and orders in SQLite.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

/// Something to buy.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What there is to say about it.
    pub description: String,
    /// Its price in cents.
    pub price_cents: i64,
    /// How many are there.
    pub stock: i64,
}

/// What somebody wants to buy.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The product's number.
    pub product: i64,
    /// How many.
    pub quantity: u32,
}

/// What somebody has bought.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// The product's number.
    pub product: i64,
    /// How many.
    pub quantity: i64,
    /// What all of it costs, in cents.
    pub total_cents: i64,
    /// When, in UTC.
    pub placed_at: String,
}

/// Why an order was not placed.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody can order none of something.
    Nothing,
    /// There is no such product.
    UnknownProduct,
    /// There are only so many.
    OutOfStock(i64),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Opens the database, which a deployment has made: a shop that made an empty one would only hide that it is missing.
pub fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// All products, by name.
pub fn products(database: &Connection) -> rusqlite::Result<Vec<Product>> {
    let mut statement =
        database.prepare("SELECT id, name, description, price_cents, stock FROM products ORDER BY name")?;
    let products = statement.query_map([], |row| {
        Ok(Product {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            price_cents: row.get(3)?,
            stock: row.get(4)?,
        })
    })?;
    products.collect()
}

/// Takes what is wished for from the stock, and writes the order down.
pub fn place(database: &mut Connection, wish: Wish) -> Result<Order, Refusal> {
    let quantity = i64::from(wish.quantity);
    if quantity == 0 {
        return Err(Refusal::Nothing);
    }
    // Nobody else may take the same piece between the look and the order.
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let product: Option<(i64, i64)> = transaction
        .query_row("SELECT price_cents, stock FROM products WHERE id = ?1", [wish.product], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (price_cents, stock) = product.ok_or(Refusal::UnknownProduct)?;
    if stock < quantity {
        return Err(Refusal::OutOfStock(stock));
    }
    transaction.execute("UPDATE products SET stock = stock - ?1 WHERE id = ?2", params![quantity, wish.product])?;
    transaction.execute(
        "INSERT INTO orders (product_id, quantity, total_cents) VALUES (?1, ?2, ?3)",
        params![wish.product, quantity, quantity * price_cents],
    )?;
    let id = transaction.last_insert_rowid();
    transaction.commit()?;
    // It was written just now.
    order(database, id)?.ok_or(Refusal::Database(rusqlite::Error::QueryReturnedNoRows))
}

/// An order by its number.
pub fn order(database: &Connection, id: i64) -> rusqlite::Result<Option<Order>> {
    let sql = "SELECT id, product_id, quantity, total_cents, placed_at FROM orders WHERE id = ?1";
    database
        .query_row(sql, [id], |row| {
            Ok(Order {
                id: row.get(0)?,
                product: row.get(1)?,
                quantity: row.get(2)?,
                total_cents: row.get(3)?,
                placed_at: row.get(4)?,
            })
        })
        .optional()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The migrations, each with its way up and its way down.
    const MIGRATIONS: [[&str; 2]; 4] = [
        [
            include_str!("../db/migrations/0001_products.up.sql"),
            include_str!("../db/migrations/0001_products.down.sql"),
        ],
        [include_str!("../db/migrations/0002_orders.up.sql"), include_str!("../db/migrations/0002_orders.down.sql")],
        [
            include_str!("../db/migrations/0003_order_price.up.sql"),
            include_str!("../db/migrations/0003_order_price.down.sql"),
        ],
        [
            include_str!("../db/migrations/0004_product_descriptions.up.sql"),
            include_str!("../db/migrations/0004_product_descriptions.down.sql"),
        ],
    ];

    /// Applies the first so many migrations to an empty database.
    pub fn migrate(database: &Connection, count: usize) {
        for [up, _] in &MIGRATIONS[..count] {
            database.execute_batch(up).unwrap();
        }
    }

    /// A database in memory with all migrations.
    pub fn migrated() -> Connection {
        let database = Connection::open_in_memory().unwrap();
        migrate(&database, MIGRATIONS.len());
        database
    }

    fn structure(database: &Connection) -> Vec<String> {
        let mut statement = database.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn every_migration_goes_down_the_way_it_went_up() {
        let database = Connection::open_in_memory().unwrap();
        let mut before = vec![];
        for [up, _] in MIGRATIONS {
            before.push(structure(&database));
            database.execute_batch(up).unwrap();
        }
        for ([_, down], before) in MIGRATIONS.iter().zip(before).rev() {
            database.execute_batch(down).unwrap();
            assert_eq!(structure(&database), before);
        }
    }

    #[test]
    fn an_order_takes_from_the_stock_and_keeps_its_price() {
        let mut database = migrated();
        let placed = place(&mut database, Wish { product: 2, quantity: 3 }).unwrap();
        assert_eq!((placed.product, placed.quantity, placed.total_cents), (2, 3, 1950));
        database.execute("UPDATE products SET price_cents = 1 WHERE id = 2", []).unwrap();
        assert_eq!(order(&database, placed.id).unwrap(), Some(placed));
        let hook = products(&database).unwrap().into_iter().find(|product| product.id == 2).unwrap();
        assert_eq!(hook.stock, 117);
    }

    #[test]
    fn an_order_that_cannot_be_served_changes_nothing() {
        let mut database = migrated();
        let before = products(&database).unwrap();
        assert!(matches!(place(&mut database, Wish { product: 3, quantity: 16 }), Err(Refusal::OutOfStock(15))));
        assert!(matches!(place(&mut database, Wish { product: 9, quantity: 1 }), Err(Refusal::UnknownProduct)));
        assert!(matches!(place(&mut database, Wish { product: 1, quantity: 0 }), Err(Refusal::Nothing)));
        assert_eq!(products(&database).unwrap(), before);
        assert_eq!(order(&database, 1).unwrap(), None);
    }
}
