"""Keys: where they are kept, how they turn, what they sign and seal.

What lives here: the key-encryption key, sealed private keys, the ring of keys in use, JWS signing and verification, the
sealing of successors. What must not: what a token says (`issuer.service`), how a key looks at rest (`domain.key`).
joserfc and cryptography enter the house here and nowhere else.
"""
