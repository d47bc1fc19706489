"""/revocations: the feed of ended tokens, for resource servers (the protocol is `evergrant.protocol.ending`).

Who may read it: confidential clients of type `service`, by HTTP Basic. What it reveals is identifiers, times, and
nothing about people; still it tells when somebody's access ended, so it is not for everybody.
"""

from typing import Final

from evergrant.clock import Clock
from evergrant.domain.client import Client, ClientType
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated
from evergrant.issuer.endpoints.token import refuse_secrets_in_query
from evergrant.issuer.service.feed import Feed
from evergrant.protocol.ending import MEDIA_TYPE, Unreadable, entity_tag, write_page
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import EMPTY
from evergrant.web.answer import JSON, NO_SNIFF, Answer, Header, Stream
from evergrant.web.ask import Ask

# A proxy that gathers what it passes on would hold back what is urgent; this is the name that stops the common ones.
_UNHELD: Final[Header] = (b"x-accel-buffering", b"no")
_EVENTS: Final[tuple[Header, ...]] = (
    (b"content-type", MEDIA_TYPE.encode("ascii")), (b"cache-control", b"no-store"), NO_SNIFF, _UNHELD,
)  # fmt: skip
# A page may be kept to be asked about again, by whoever authenticated and by nobody else.
_PAGES: Final[tuple[Header, ...]] = (JSON, (b"cache-control", b"private, no-cache"), NO_SNIFF)


class RevocationsEndpoint:
    """The feed's endpoint."""

    def __init__(self, catalog: Catalog, feed: Feed, clock: Clock) -> None:
        self._catalog, self._feed, self._clock = catalog, feed, clock

    async def __call__(self, ask: Ask) -> Answer | Stream:
        refuse_secrets_in_query(ask)
        client = await self._reader(ask)
        after = ask.header(b"last-event-id") or ask.parameters().get("after") or ""
        try:
            if ask.header(b"accept") == MEDIA_TYPE:
                return await self._stream(client, after)
            return await self._page(ask, after)
        except Unreadable as error:
            raise Refused(Code.INVALID_REQUEST, "That is no cursor of this feed.") from error

    async def _reader(self, ask: Ask) -> Client:
        try:
            client = await authenticated(self._catalog, ask, EMPTY, self._clock.now())
        except Refused as error:
            raise Refused(error.code, error.description, error.detail) from error
        if not may_follow(client):
            raise Refused(Code.ACCESS_DENIED, "The feed is for confidential clients of type service.", status=403)
        return client

    async def _stream(self, client: Client, after: str) -> Stream:
        if self._feed.full:
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, "Too many follow here; try again.")

        def welcome() -> bool:
            """Deleted, or given nothing but new secrets, a client is let go: it has to authenticate again."""
            held = self._catalog.client(client.id)
            return held is not None and may_follow(held) and bool({one.digest for one in held.secrets} & secrets)

        secrets = {one.digest for one in client.secrets}
        return Stream(200, _EVENTS, await self._feed.follow(after, welcome))

    async def _page(self, ask: Ask, after: str) -> Answer:
        known = ask.header(b"if-none-match").removeprefix("W/")
        page = await self._feed.page(after or known.strip('"'))
        tag = (b"etag", entity_tag(page.cursor).encode("ascii"))
        if known == entity_tag(page.cursor) and not page.more and not page.reset:
            return Answer(304, (*_PAGES[1:], tag), b"")
        return Answer(200, (*_PAGES, tag), write_page(page))


def may_follow(client: Client) -> bool:
    """Whether a client may be told of everybody's ends."""
    return client.confidential and client.type is ClientType.SERVICE
