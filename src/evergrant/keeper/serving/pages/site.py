"""Which address is which page, and what goes wrong on the way told as one."""

from typing import Final

from evergrant.keeper.errors import KeeperError
from evergrant.keeper.serving.house import House
from evergrant.keeper.serving.pages.callback import CallbackHandler
from evergrant.keeper.serving.pages.connect import ConnectHandler
from evergrant.keeper.serving.pages.connections import ConnectionsHandler
from evergrant.keeper.serving.pages.desk import Desk, NotVisiting
from evergrant.keeper.serving.pages.trouble import page_about
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.protocol.error import Code, Refused
from evergrant.web.answer import Answer
from evergrant.web.app import Handler, Route
from evergrant.web.ask import Ask
from evergrant.web.look.assets import static_file
from evergrant.web.look.csp import static_headers

NAMES: Final = (
    "page_connect", "page_choose", "page_ready", "page_reconnect", "page_callback", "page_done", "page_connections",
    "page_disconnect", "static",
)  # fmt: skip


def page_routes(house: House) -> dict[str, Route]:
    """Every page."""
    desk = Desk(house)
    connect, callback, connections = ConnectHandler(desk), CallbackHandler(desk), ConnectionsHandler(desk)
    rows: dict[str, tuple[str, Handler, Handler | None]] = {
        "/connect": ("page_connect", connect.arrive, connect.enter),
        "/choose": ("page_choose", connect.choose, None),
        "/connect/{client}": ("page_ready", connect.ready, connect.go),
        "/reconnect": ("page_reconnect", connect.again, connect.again_go),
        "/callback/{client}": ("page_callback", callback.back, None),
        "/done/{connection_id}": ("page_done", callback.done, None),
        "/connections": ("page_connections", connections.all, None),
        "/connections/{connection_id}/disconnect": ("page_disconnect", connections.ask_to_end, connections.end),
    }
    routes = {}
    for path, (name, get, post) in rows.items():
        methods = {"GET": _guarded(desk, get), **({"POST": _guarded(desk, post)} if post is not None else {})}
        routes[path] = Route(name, methods, tell=desk.tell)
    return {**routes, "/static/{name}": Route("static", {"GET": _static})}


def _guarded(desk: Desk, handler: Handler) -> Handler:
    async def page(ask: Ask) -> Answer:
        try:
            return await handler(ask)
        except NotVisiting:
            return desk.not_visiting()
        except KeeperError as error:
            told, status = page_about(error)
            return desk.show(told, status=status)
        except VaultUnavailable as error:
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, "Try again; nothing was changed.", str(error)) from error

    return page


async def _static(ask: Ask) -> Answer:
    file = static_file(ask.path.rsplit("/", 1)[-1])
    if file is None:
        raise Refused(Code.INVALID_REQUEST, "There is nothing at this address.", status=404)
    return Answer(200, ((b"content-type", file.content_type.encode()), *static_headers(file.etag)), file.body)
