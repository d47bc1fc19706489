"""Requests and answers as values, and the thin ASGI application around them.

What lives here: limits before parsing, hosts, cookies, CORS, error answers, routing. What must not: what any request
means (`issuer.endpoints`, `issuer.pages`). There is no framework object on the token path: a frozen ask in, a tuple out.
"""
