CREATE TABLE orders (
    id         INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    placed_at  TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP
);

UPDATE schema_version SET version = 2;
