DROP INDEX orders_by_product;

ALTER TABLE orders DROP COLUMN total_cents;

UPDATE schema_version SET version = 2;
