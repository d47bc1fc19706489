"""What people see of the keeper: choose, connect, done or refused, what is connected, disconnect.

What lives here: one file per errand of a visitor, the contexts of the pages (`view`), the words for what went wrong
(`trouble`), cookies and forms that cannot be forged (`desk`), `templates/`. How pages look is `evergrant.web.look`.
What must not: a token, in any form; a decision about a connection (`keeper.service` decides); JavaScript.
"""
