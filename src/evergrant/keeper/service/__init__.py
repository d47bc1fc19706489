"""What a keeper does: one file per thing one can ask of it.

What lives here: leasing, refreshing, recovering, watching, connecting, disconnecting; the order in which the wire, the
vault and the decisions are used. What must not: a decision of its own, SQL, a provider's name, a route or a page.
Neighbours: `decision` says what shall happen, `wire` asks, `vault` remembers, `opening` puts all of it together.
"""
