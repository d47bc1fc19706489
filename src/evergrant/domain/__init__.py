"""The rules, as values and pure functions.

What lives here: families, rotation, policy, scopes, clients, grants, sessions, accounts, reasons, events, ids, secrets.
What must not: a driver, a socket, a clock, entropy, logging, templates; anything that answers differently when asked
twice.
Neighbours: the wire's vocabulary is next door in `evergrant.protocol`; what remembers is `evergrant.store`.
"""
