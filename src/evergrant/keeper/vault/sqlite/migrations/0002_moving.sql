-- Until when no new claim is given out, because the vault is about to be left for another one.
CREATE TABLE moving (id INTEGER PRIMARY KEY CHECK (id = 1), until INTEGER NOT NULL);
INSERT INTO moving VALUES (1, 0);
