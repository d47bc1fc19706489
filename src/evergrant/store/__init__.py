"""What remembers, and never decides.

What lives here: the port every store fulfils, and one folder or file per store. What must not: a rule about tokens;
stores load, call the decision they were given, and persist its outcome in one transaction.
Neighbours: decisions come from `evergrant.domain`; the contract suite every store passes ships in `evergrant.testing`.
"""
