"""Requests and answers as values, and the thin ASGI application around them.

What lives here: limits before parsing, hosts, cookies, CORS, error answers, routing, for every side that answers; how
pages look is `look`.
What must not: what any request means (the sides). No framework object is on the token path: a frozen ask in, a tuple
out.
"""
