"""Where connections are kept, sealed.

What lives here: the port, the in-memory reference and one room per database. What must not: a decision about a token, a
clear token, a key, a provider.
Neighbours: `keeper.sealing` seals what comes here; `keeper.decision` decides.
"""
