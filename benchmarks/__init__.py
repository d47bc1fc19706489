"""The refresh benchmark: what one refresh grant costs here, beside two peers and beside the bare floor.

What lives here: the load driver (`load`), how each server is started and given its families (`floor`, `node_peer`,
`django_peer`, `evergrant_server`), the rounds (`rounds`), and what is printed, stored and drawn (`report`, `plot`).
What must not: anything of the product; it is measured from outside, through its command line and HTTP, like the peers.
Neighbours: `tests/` says whether an answer is right; `docs/` quotes `results/latest.json`, never a remembered figure.
"""
