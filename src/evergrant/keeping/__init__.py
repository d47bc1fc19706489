"""A keeper as the configuration describes it, for whoever opens one: the command line, and an issuer that lends.

What lives here: the configuration's words in the keeper's own, and the issuers that clients name by their address.
What must not: a decision; words for a terminal. Neighbours: the keeper is `evergrant.keeper`, its commands are
`evergrant.cli.keeper`.
"""
