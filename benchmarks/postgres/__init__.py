"""What refreshes cost on PostgreSQL, at what size, and with how many nodes: `python -m benchmarks.postgres`.

What lives here: the database as it is measured (`cluster`, `counters`), one module per question (`refreshing`, `sizes`
with `filling` and `ends`, `rotations`, `replaying`, `nodes`), what is stored and said (`told`), and drawn (`picture`).
What must not: an import of the product, but for `ending`, which times what no request asks for.
Neighbours: the servers and the load of `benchmarks`.
"""
