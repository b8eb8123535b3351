ALTER TABLE products DROP COLUMN description;

UPDATE schema_version SET version = 3;
