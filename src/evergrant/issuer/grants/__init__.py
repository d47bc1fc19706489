"""Grant types at the token endpoint, one file each.

What lives here: which parameters a grant reads and which service it calls. What must not: client authentication and
error answers, which the endpoint owns so that no grant can forget them; rules about families.
"""
