"""/ and /static: what one sees at the issuer's address, and the files pages load."""

from evergrant.issuer.pages.desk import Desk
from evergrant.issuer.pages.view import IndexPage
from evergrant.protocol.error import Code, Refused
from evergrant.web.answer import Answer, plain
from evergrant.web.ask import Ask
from evergrant.web.look.assets import static_file
from evergrant.web.look.csp import static_headers


class IndexHandler:
    """The front door, static files, and what is not there."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._static = desk, desk.path("/static/")

    async def get(self, ask: Ask) -> Answer:
        visit = await self._desk.visit(ask)
        page = IndexPage(account_label=visit.found.account.username if visit.found else None)
        return self._desk.show(page, visit)

    async def other(self, ask: Ask) -> Answer:
        """Every path that has no route of its own."""
        if ask.path.startswith(self._static) and ask.method in {"GET", "HEAD"}:
            file = static_file(ask.path[len(self._static) :])
            if file is not None:
                kind = (b"content-type", file.content_type.encode())
                return Answer(200, (kind, *static_headers(file.etag)), file.body)
        if b"text/html" in ask.headers.get(b"accept", b""):
            raise Refused(Code.INVALID_REQUEST, "This address has no page.", status=404)
        return plain(404, "There is nothing at this address.")
