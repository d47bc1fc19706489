"""Whole stores on the move: into a file and out of it, and from one store into another.

What lives here: the order of what is read and written, checksums, the file's format. What must not: SQL, a driver, a
rule about tokens, a terminal; progress is told to a callable.
Neighbours: tables as plain rows are `evergrant.store.bulk`; commands are `evergrant.cli`.
"""
