-- The one row that says how far the schema is. Each migration moves it.
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version (version) VALUES (1);

CREATE TABLE products (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    stock       INTEGER NOT NULL CHECK (stock >= 0)
);

INSERT INTO products (id, name, price_cents, stock) VALUES
    (1, 'manila rope, 10 m', 1490, 40),
    (2, 'bowline hook', 650, 120),
    (3, 'brass pulley', 2275, 15);
