"""The client side: connects users' accounts at other people's authorization servers and keeps their tokens fresh.

What lives here: connections, the vault that keeps them sealed, providers as data, refreshing that survives every crash,
leases for callers. What must not: anything of the issuer; a provider's name in code; a clear token outside a `Secret`.
Neighbours: the wire's grammar is `evergrant.protocol`, keys are `evergrant.keys`, everything is put together in
`keeper.opening`.
"""
