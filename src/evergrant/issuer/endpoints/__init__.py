"""What machines ask, one file per endpoint.

What lives here: the phases of an endpoint (parse, authenticate, do, answer). What must not: pages, SQL, rules about
families, reading a clock other than the one given.
"""
