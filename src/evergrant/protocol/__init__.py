"""The wire without a wire: what requests and answers mean, one file per specification, shared by all three sides.

What lives here: parsing into frozen values, building answers' members, and the tables from reasons to error codes.
What must not: a socket, a framework, a store, a clock. Neighbours: decisions are `evergrant.domain`; sockets and
headers are `evergrant.web`.
"""
