DROP TABLE products;
DROP TABLE schema_version;
