"""Providers: other people's authorization servers, described by data.

What lives here: the model of that data, the schema, the loader with its overrides, discovery, the check. What must not:
a provider's name in code: what differs between providers is a line in `keeper/providers/*.toml`.
"""
