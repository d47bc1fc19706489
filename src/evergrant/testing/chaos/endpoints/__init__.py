"""What the chaos provider answers, one file per endpoint.

What lives here: reading one request, asking the book, shaping the answer. What must not: faults (`site` puts them
before and after whatever is answered here), rules of spending (`spending`), a socket.
Neighbours: `site` chooses the endpoint; `state` is everything that an endpoint may look at.
"""
