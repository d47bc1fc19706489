"""What a user of Evergrant needs to test what they build on it; shipped, and used by our own tests.

What lives here: the contract every store must pass (`store_contract`), made-up records (`specimens`), a presenter that
refreshes against a bare store (`presenting`), an issuer in this process (`in_process`), one on loopback that mints
tokens of any shape for the tests of an API (`token_issuer`, with `plugin` for pytest), an authorization server that
misbehaves on request (`chaos`). What must not: anything the product itself needs to run, or a fixture that only our own
tests want; those are in `tests/`.
The contracts need pytest and pytest-asyncio in mode `auto`, which the package itself does not install; `chaos` needs
neither.
"""
