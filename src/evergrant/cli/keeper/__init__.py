"""`evergrant keeper …`: the keeper's verbs, one file per verb.

What lives here: options, sentences and tables of the keeper's side; what its errors mean for an exit code (`place`).
What must not: a rule of the keeper (`evergrant.keeper` decides), a way to a terminal other than `cli.output`, a way to
the vault other than `place`, a heavy import at the top of a module: `keeper token` runs inside other people's commands.
Neighbours: the tables of verbs are `group`; how the keeper is configured is declared in `evergrant.config.sections`.
"""
