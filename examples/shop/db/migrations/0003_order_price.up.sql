-- A later price must not change what an order has cost.
ALTER TABLE orders ADD COLUMN total_cents INTEGER NOT NULL DEFAULT 0;

UPDATE orders
SET total_cents = quantity * (SELECT price_cents FROM products WHERE products.id = orders.product_id);

CREATE INDEX orders_by_product ON orders (product_id);

UPDATE schema_version SET version = 3;
