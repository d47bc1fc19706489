"""The pages: everything a person sees at the issuer.

What lives here: one file per page that answers a browser (sign_in, consent, account, …), the contexts of the pages and
the one door to Jinja2 (`view`), the words for times and strangers' names (`wording`), the headers every page carries
(`csp`), the files a page loads (`assets`), `templates/` and `static/`.
What must not: a decision about a session, a grant or a family (`issuer.service` decides, a page asks it), an answer for
a machine (`issuer.endpoints`), JavaScript that a page needs in order to work, anything loaded from another origin.
"""
