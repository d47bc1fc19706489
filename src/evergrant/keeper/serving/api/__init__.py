"""What programs ask: one table of operations, their bodies as types, and the way from a request to an operation.

What lives here: `bodies` and `answers` (the types on the wire), `table` (every operation with its path, scope and
example), `gate` (who asks, what it says, what comes of it), `problems` (one table from errors to answers), and one file
per group of operations. What must not: a rule (those are the keeper's), a page (`serving.pages`).
"""
