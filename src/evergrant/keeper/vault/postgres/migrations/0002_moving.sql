-- kind: expand
-- works with: 0001

-- Until when no new claim is given out, because the vault is about to be left for another one.
CREATE TABLE evergrant_keeper.moving (id int PRIMARY KEY CHECK (id = 1), until bigint NOT NULL);
INSERT INTO evergrant_keeper.moving VALUES (1, 0);
