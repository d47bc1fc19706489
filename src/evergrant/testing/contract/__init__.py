"""The parts of the store contract, by subject. `evergrant.testing.store_contract` puts them together.

What lives here: promises every store keeps, as abstract pytest classes. What must not: a promise about one store's
files, SQL or library; those are tested where that store's own tests are.
"""
