CREATE TABLE connection (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL, client TEXT NOT NULL, provider TEXT NOT NULL, account TEXT NOT NULL, user_ TEXT NOT NULL,
  health TEXT NOT NULL, version INTEGER NOT NULL, retry_at INTEGER NOT NULL, tags TEXT NOT NULL, document BLOB NOT NULL
);
CREATE UNIQUE INDEX connection_place ON connection (tenant, client, account);
CREATE INDEX connection_tenant ON connection (tenant, id);
CREATE INDEX connection_health ON connection (health, retry_at);

CREATE TABLE tag (
  connection_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (connection_id, name)
) WITHOUT ROWID;
CREATE INDEX tag_value ON tag (name, value, connection_id);

CREATE TABLE record (
  connection_id TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  due_at INTEGER NOT NULL, asleep INTEGER NOT NULL, used_at INTEGER NOT NULL, previous_until INTEGER NOT NULL, fingerprint TEXT NOT NULL,
  access_token BLOB NOT NULL, refresh_token BLOB NOT NULL, previous BLOB NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (connection_id, name)
);
CREATE INDEX record_due ON record (due_at, connection_id, name) WHERE due_at > 0 AND asleep = 0;
CREATE INDEX record_fingerprint ON record (fingerprint) WHERE fingerprint <> '';
CREATE INDEX record_previous ON record (previous_until) WHERE previous_until > 0;

CREATE TABLE claim (
  connection_id TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL,
  fence INTEGER NOT NULL, until INTEGER NOT NULL, length INTEGER NOT NULL,
  PRIMARY KEY (connection_id, name)
) WITHOUT ROWID;

CREATE TABLE intent (
  id TEXT PRIMARY KEY, connection_id TEXT NOT NULL, name TEXT NOT NULL, step TEXT NOT NULL, deadline INTEGER NOT NULL,
  noted_by INTEGER NOT NULL, reply BLOB NOT NULL, document BLOB NOT NULL
);
CREATE UNIQUE INDEX intent_open ON intent (connection_id, name) WHERE step <> 'closed';
CREATE INDEX intent_connection ON intent (connection_id);
CREATE INDEX intent_closed ON intent (deadline) WHERE step = 'closed';

CREATE TABLE pending (
  state_digest BLOB PRIMARY KEY, connection_id TEXT NOT NULL, until INTEGER NOT NULL, sealed BLOB NOT NULL,
  document BLOB NOT NULL
);
CREATE INDEX pending_connection ON pending (connection_id);
CREATE INDEX pending_until ON pending (until);

CREATE TABLE kept (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE event (
  number INTEGER PRIMARY KEY, at INTEGER NOT NULL, tenant TEXT NOT NULL, connection_id TEXT NOT NULL,
  chain BLOB NOT NULL, document BLOB NOT NULL
);
CREATE INDEX event_tenant ON event (tenant, number) WHERE tenant <> '';
CREATE INDEX event_connection ON event (connection_id, number) WHERE connection_id <> '';

CREATE TABLE trail (
  id INTEGER PRIMARY KEY CHECK (id = 1), swept INTEGER NOT NULL, swept_chain BLOB NOT NULL, last INTEGER NOT NULL,
  last_chain BLOB NOT NULL
);
INSERT INTO trail VALUES (1, 0, x'', 0, x'');

CREATE TABLE letter (id TEXT PRIMARY KEY, due INTEGER NOT NULL, document BLOB NOT NULL);
CREATE INDEX letter_due ON letter (due);

CREATE TABLE api_key (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, document BLOB NOT NULL);

CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('fence', 0);
