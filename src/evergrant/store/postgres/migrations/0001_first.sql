-- kind: expand
-- works with: 0001

-- One row per family for ever, updated in place at every refresh. Room is left in each page (fillfactor) and no index
-- holds a column that a refresh changes, so that the new version of a row lies beside the old one (HOT), and neither
-- table nor indexes grow with the number of rotations.
CREATE TABLE evergrant.family (
  id bytea PRIMARY KEY,
  client_id text NOT NULL, account_id text NOT NULL, grant_id text NOT NULL, session_id text NOT NULL,
  online boolean NOT NULL, scope text NOT NULL, resources text NOT NULL, binding text NOT NULL,
  auth_time bigint NOT NULL, acr text NOT NULL, amr text NOT NULL, claims text NOT NULL, label text NOT NULL,
  started_at bigint NOT NULL, absolute_end bigint NOT NULL,
  generation bigint NOT NULL, digest bytea NOT NULL, predecessor bytea, spent_at bigint NOT NULL,
  overlap_end bigint NOT NULL, sealed bytea, repeats bigint NOT NULL, idle_end bigint NOT NULL,
  used_at bigint NOT NULL, network text NOT NULL, agent text NOT NULL, epoch bigint NOT NULL,
  ended_at bigint, reason text
) WITH (
  fillfactor = 75,
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.05
);
CREATE INDEX family_account ON evergrant.family (account_id);
CREATE INDEX family_client ON evergrant.family (client_id);
CREATE INDEX family_session ON evergrant.family (session_id) WHERE session_id <> '';
CREATE INDEX family_grant ON evergrant.family (grant_id);

-- The audit trail, one partition per day, dropped whole when its day is past its retention. `family` is the family's
-- own id, so that on a distributed engine its events lie beside it. What belongs to no day that was made ahead (a clock
-- far off, a trail moved in) goes to event_other.
CREATE SEQUENCE evergrant.event_number;
CREATE TABLE evergrant.event (
  number bigint NOT NULL,
  family bytea NOT NULL,
  at bigint NOT NULL, what text NOT NULL, client_id text NOT NULL, account_id text NOT NULL,
  session_id text NOT NULL, reason text NOT NULL, generation bigint NOT NULL, network text NOT NULL,
  agent text NOT NULL, detail text NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX event_by_number ON evergrant.event (number);
CREATE INDEX event_family ON evergrant.event (family)
  WHERE family <> ''::bytea AND what NOT IN ('family.rotated', 'family.refreshed');
CREATE TABLE evergrant.event_other PARTITION OF evergrant.event DEFAULT;

CREATE TABLE evergrant.client (id text COLLATE "C" PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL);
CREATE TABLE evergrant.account (
  id text COLLATE "C" PRIMARY KEY, username text NOT NULL UNIQUE, ends bigint NOT NULL, document bytea NOT NULL
);
CREATE TABLE evergrant.session (
  id text COLLATE "C" PRIMARY KEY, digest bytea NOT NULL UNIQUE, account_id text NOT NULL, previous bytea,
  ends bigint NOT NULL, document bytea NOT NULL
);
CREATE INDEX session_account ON evergrant.session (account_id);
CREATE INDEX session_previous ON evergrant.session (previous) WHERE previous IS NOT NULL;
CREATE INDEX session_ends ON evergrant.session (ends);
CREATE TABLE evergrant.grant_ (
  id text COLLATE "C" PRIMARY KEY, account_id text NOT NULL, client_id text NOT NULL, ends bigint NOT NULL,
  document bytea NOT NULL
);
CREATE INDEX grant_account ON evergrant.grant_ (account_id, client_id);
CREATE INDEX grant_client ON evergrant.grant_ (client_id);
CREATE TABLE evergrant.code (
  digest bytea PRIMARY KEY, account_id text NOT NULL, client_id text NOT NULL, ends bigint NOT NULL,
  document bytea NOT NULL
);
CREATE INDEX code_ends ON evergrant.code (ends);
CREATE TABLE evergrant.flow (digest bytea PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL);
CREATE INDEX flow_ends ON evergrant.flow (ends);
CREATE TABLE evergrant.notice (
  family_id text COLLATE "C" PRIMARY KEY, account_id text NOT NULL, ends bigint NOT NULL, document bytea NOT NULL
);
CREATE INDEX notice_account ON evergrant.notice (account_id);
CREATE TABLE evergrant.key_ (id text COLLATE "C" PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL);
CREATE TABLE evergrant.barred (jti text COLLATE "C" PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL);
CREATE INDEX barred_ends ON evergrant.barred (ends);
CREATE TABLE evergrant.bucket (key text COLLATE "C" PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL)
  WITH (fillfactor = 75);
CREATE INDEX bucket_ends ON evergrant.bucket (ends);

CREATE TABLE evergrant.lease (name text COLLATE "C" PRIMARY KEY, ends bigint NOT NULL, document bytea NOT NULL)
  WITH (fillfactor = 75);

-- What ended, for those who must hear of it at once; written with the end itself, kept for the life of an access token.
CREATE SEQUENCE evergrant.ending_number;
CREATE TABLE evergrant.ending (number bigint PRIMARY KEY, at bigint NOT NULL, document bytea NOT NULL);

CREATE TABLE evergrant.meta (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL);
INSERT INTO evergrant.meta VALUES ('revision', 0), ('epoch', 0), ('restored', 0);
-- The newest end that was swept: the number given last is remembered though its row is gone.
CREATE TABLE evergrant.ending_swept (number bigint NOT NULL);
INSERT INTO evergrant.ending_swept VALUES (0);

-- Whoever writes anything but a refresh holds this table's weakest lock; a write that has lost several times against
-- its neighbours takes the strong one and is then alone. It has no rows.
CREATE TABLE evergrant.write_gate (nothing boolean);
