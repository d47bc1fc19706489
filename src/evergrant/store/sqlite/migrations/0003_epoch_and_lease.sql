-- An old release leaves the epoch of a family as it finds it, which is what a process that knows of no loss would write.
ALTER TABLE family ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
INSERT INTO meta VALUES ('epoch', 0), ('restored', 0);
CREATE TABLE lease (name TEXT PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
