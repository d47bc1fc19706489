"""What the keeper decides, as pure functions: when to refresh, what an answer means, how doubts end, how health moves.

What lives here: values in, decisions out, one table per mapping. What must not: a clock, a socket, a vault, a secret
that is not already in its arguments, a provider's name (what differs between providers is data, in `providers`).
Neighbours: `wire` asks the provider, `vault` remembers, `service` carries out.
"""
