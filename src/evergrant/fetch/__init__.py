"""Asking at addresses that somebody else chose: documents of issuers, key sets, webhooks.

What lives here: which address may be asked, and one request with a budget of time and bytes. What must not: what a
document means, retries, caches; they belong to the side that asks. Neighbour: `keeper.wire` talks to token endpoints.
"""
