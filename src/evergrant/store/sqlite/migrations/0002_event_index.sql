-- A rotation is told by one row of the audit trail, and looked for by its family almost never. Leaving such rows out of
-- the index saves a page of the log at every refresh (docs/decisions).
DROP INDEX event_family;
CREATE INDEX event_family ON event (family_id)
  WHERE family_id <> '' AND what NOT IN ('family.rotated', 'family.refreshed');
