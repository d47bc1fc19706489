"""The pages: everything a person sees at the issuer.

What lives here: one file per page that answers a browser (sign_in, consent, account, …), the contexts of the pages
(`view`), where each page's forms may lead (`csp`), and `templates/`. How pages look is shared: `evergrant.web.look`.
What must not: a decision about a session, a grant or a family (`issuer.service` decides, a page asks it), an answer for
a machine (`issuer.endpoints`), JavaScript that a page needs in order to work, anything loaded from another origin.
"""
