"""How our pages look, for every side that shows some: one stylesheet, one layout, one way to draw and to guard a page.

What lives here: the only door to Jinja2 (`template`), the words for times and strangers' names (`wording`), the headers
every page carries (`csp`), the files every page loads (`assets`), `_layout.html` and `_parts.html`.
What must not: a page. Those are in `issuer.pages` and `keeper.serving.pages`, which do not know each other.
"""
