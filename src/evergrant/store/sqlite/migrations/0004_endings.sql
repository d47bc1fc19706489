-- What ended, for those who must hear of it at once; written with the end itself, kept for the life of an access token.
CREATE TABLE ending (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, document BLOB NOT NULL);
