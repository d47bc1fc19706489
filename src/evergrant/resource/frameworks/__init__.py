"""The verifier in the frameworks that people use: one thin file each.

What lives here: getting the header out of a request, the access into it, and the challenge into the answer. What must
not: a judgement about a token. Each file is the one door of its framework, and needs nothing but that framework.
"""
