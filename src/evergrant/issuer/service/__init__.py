"""What one can do at the issuer, one file per thing: the same functions serve endpoints, pages and the command line.

What lives here: composing decisions, the store and keys. What must not: HTTP, HTML, printing, SQL, reading a clock.
Work handed to the store is synchronous and free of effects outside its transaction.
"""
