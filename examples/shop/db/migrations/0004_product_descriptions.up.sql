ALTER TABLE products ADD COLUMN description TEXT NOT NULL DEFAULT '';

UPDATE products SET description = 'Smells of tar; holds in salt water.' WHERE id = 1;
UPDATE products SET description = 'Forged, with a latch.' WHERE id = 2;
UPDATE products SET description = 'Turns without a sound.' WHERE id = 3;

UPDATE schema_version SET version = 4;
