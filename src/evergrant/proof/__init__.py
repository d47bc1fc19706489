"""What a request proves besides its token: that whoever sends it holds a key (RFC 9449) or a certificate (RFC 8705).

What lives here: a proof judged whole and in order, the nonces that say how old it is, and the memory that it was used.
Issuer and resource ask the same `Proofs`. What must not: what a proof is bound to (`domain`), how it is spelled
(`protocol.dpop`, `protocol.certificate`), who signed it (`keys.possession`), headers and answers (`web`).
"""
