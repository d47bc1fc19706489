CREATE TABLE family (
  id BLOB PRIMARY KEY,
  client_id TEXT NOT NULL, account_id TEXT NOT NULL, grant_id TEXT NOT NULL, session_id TEXT NOT NULL,
  online INTEGER NOT NULL, scope TEXT NOT NULL, resources TEXT NOT NULL, binding TEXT NOT NULL,
  auth_time INTEGER NOT NULL, acr TEXT NOT NULL, amr TEXT NOT NULL, claims TEXT NOT NULL, label TEXT NOT NULL,
  started_at INTEGER NOT NULL, absolute_end INTEGER NOT NULL,
  generation INTEGER NOT NULL, digest BLOB NOT NULL, predecessor BLOB, spent_at INTEGER NOT NULL,
  overlap_end INTEGER NOT NULL, sealed BLOB, repeats INTEGER NOT NULL, idle_end INTEGER NOT NULL,
  used_at INTEGER NOT NULL, network TEXT NOT NULL, agent TEXT NOT NULL,
  ended_at INTEGER, reason TEXT
) WITHOUT ROWID;
CREATE INDEX family_account ON family (account_id);
CREATE INDEX family_client ON family (client_id);
CREATE INDEX family_session ON family (session_id) WHERE session_id <> '';
CREATE INDEX family_grant ON family (grant_id);

CREATE TABLE event (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL, what TEXT NOT NULL, client_id TEXT NOT NULL, account_id TEXT NOT NULL, family_id TEXT NOT NULL,
  session_id TEXT NOT NULL, reason TEXT NOT NULL, generation INTEGER NOT NULL, network TEXT NOT NULL,
  agent TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX event_family ON event (family_id) WHERE family_id <> '';

CREATE TABLE client (id TEXT PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE account (id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE session (
  id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, account_id TEXT NOT NULL, previous BLOB,
  ends INTEGER NOT NULL, document BLOB NOT NULL
);
CREATE INDEX session_account ON session (account_id);
CREATE INDEX session_previous ON session (previous) WHERE previous IS NOT NULL;
CREATE INDEX session_ends ON session (ends);
CREATE TABLE grant_ (
  id TEXT PRIMARY KEY, account_id TEXT NOT NULL, client_id TEXT NOT NULL, ends INTEGER NOT NULL, document BLOB NOT NULL
);
CREATE INDEX grant_account ON grant_ (account_id, client_id);
CREATE INDEX grant_client ON grant_ (client_id);
CREATE TABLE code (
  digest BLOB PRIMARY KEY, account_id TEXT NOT NULL, client_id TEXT NOT NULL, ends INTEGER NOT NULL,
  document BLOB NOT NULL
);
CREATE INDEX code_ends ON code (ends);
CREATE TABLE flow (digest BLOB PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE INDEX flow_ends ON flow (ends);
CREATE TABLE notice (family_id TEXT PRIMARY KEY, account_id TEXT NOT NULL, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE INDEX notice_account ON notice (account_id);
CREATE TABLE key_ (id TEXT PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE barred (jti TEXT PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE INDEX barred_ends ON barred (ends);
CREATE TABLE bucket (key TEXT PRIMARY KEY, ends INTEGER NOT NULL, document BLOB NOT NULL);
CREATE INDEX bucket_ends ON bucket (ends);

CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO meta VALUES ('revision', 0);
