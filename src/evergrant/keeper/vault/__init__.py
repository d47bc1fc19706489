"""Where connections are kept, sealed.

What lives here: the port, the in-memory reference, one room per database, and above those what they have in common:
rows, questions over many connections, verbs, the order of a sweep. What must not: a decision about a token, a
clear token, a key, a provider.
Neighbours: `keeper.sealing` seals what comes here; `keeper.decision` decides.
"""
