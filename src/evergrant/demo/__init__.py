"""The demo: a throw-away issuer and a sample application in which a newcomer watches one token family live and die.

What lives here: the place on disk and its clock (`place`), the account and clients it starts with (`furnish`), a real
OpenID Connect client that speaks HTTP to the issuer (`oidc`), what one browser holds (`visitor`), what one can do with
it (`acts`, `theft`), the operator's view (`ledger`, `picture`, `drawing`), its pages (`view`, `site`, `templates/`,
`static/`), and running it all (`running`).
What must not: a rule about families, a way into the store other than the house that `evergrant.assembly` opened,
anything a real application could not do (the ledger is the one exception, and its pages say so).
Neighbours: the look of the pages is `evergrant.web.look`, the issuer's own are `evergrant.issuer.pages`; the command is
`evergrant.cli.demo`.
"""
