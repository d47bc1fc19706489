"""The tests: src's rooms mirrored, plus journeys, property, faults, interop, browser and meta.

What lives here: the gates of a run (`conftest`, `tools`, `secrecy`, `secret_grep`, `secret_watch`). What must not:
what a user of the package needs for tests of their own; that is shipped, in `evergrant.testing`.
"""
