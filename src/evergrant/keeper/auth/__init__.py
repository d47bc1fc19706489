"""Leases on other people's HTTP clients: the header set, a 401 reported, the request repeated once.

What lives here: the rules of `header` and one file per HTTP library. What must not: a decision about a token, a vault,
a provider's name; nothing here ever sees a refresh token. Neighbour: `keeper.service.lease` hands the tokens out.
"""
