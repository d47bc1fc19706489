-- Receivers of security events, and what is on its way to them and to clients' back channels.
CREATE TABLE stream (id TEXT PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE delivery (
  id TEXT PRIMARY KEY, client_id TEXT NOT NULL, ends INTEGER NOT NULL, document BLOB NOT NULL
);
CREATE INDEX delivery_client ON delivery (client_id);
CREATE INDEX delivery_ends ON delivery (ends);
