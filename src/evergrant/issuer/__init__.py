"""The authorization server: issues, rotates and revokes tokens, signs people in, and says what happened.

What lives here: `http` (sockets' side of requests and answers), `endpoints` (what machines ask), `grants` (one file per
grant type), `service` (one file per thing one can do), `pages` (what people ask).
What must not: SQL, key material at rest, a rule about families (`evergrant.domain.rotation`).
"""
