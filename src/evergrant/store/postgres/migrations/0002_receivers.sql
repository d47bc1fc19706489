-- kind: expand
-- works with: 0001

-- Receivers of security events, and what is on its way to them and to clients' back channels.
CREATE TABLE evergrant.stream (id text COLLATE "C" PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL);
CREATE TABLE evergrant.delivery (
  id text COLLATE "C" PRIMARY KEY, client_id text NOT NULL, ends bigint NOT NULL, document bytea NOT NULL
);
CREATE INDEX delivery_client ON evergrant.delivery (client_id);
CREATE INDEX delivery_ends ON evergrant.delivery (ends);
