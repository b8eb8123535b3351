DROP TABLE orders;

UPDATE schema_version SET version = 1;
