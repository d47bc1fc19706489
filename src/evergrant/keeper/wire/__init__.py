"""The wire to other people's servers: one request out, one answer in.

What lives here: the transport with its total deadline, the form of a token request, the fetcher for addresses that
others chose. What must not: retries, redirects, a decision about what an answer means (`keeper.decision`), the vault.
Neighbour: the HTTP client library has this one door on the asking side, and `keeper.auth` for users' own clients.
"""
