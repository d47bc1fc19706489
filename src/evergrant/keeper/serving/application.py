"""The service as one ASGI application, mountable anywhere; the only file of this room that knows all others."""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from evergrant.keeper.errors import KeeperError, VaultTrouble
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.serving import openapi
from evergrant.keeper.serving.api import problems
from evergrant.keeper.serving.api.gate import handler
from evergrant.keeper.serving.api.table import OPERATIONS
from evergrant.keeper.serving.house import House, furnished
from evergrant.keeper.serving.metrics import KeeperMetrics
from evergrant.keeper.serving.operate import Operate
from evergrant.keeper.serving.pages.site import NAMES as PAGES
from evergrant.keeper.serving.pages.site import page_routes
from evergrant.keeper.serving.routing import Routes
from evergrant.keeper.serving.settings import ServingSettings
from evergrant.observe.watch import Watch
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import FormLimits
from evergrant.web.answer import Answer, public_json
from evergrant.web.app import Application, Handler, HttpLimits, Receive, Route, Scope, Send
from evergrant.web.ask import Ask

_LOG: Final = logging.getLogger("evergrant.keeper")
DOCUMENT_SECONDS: Final = 300


class Life:
    """What begins and ends with the server: the background refresher and the outbox. The keeper is its owner's."""

    def __init__(self, house: House, operate: Operate, watch: Watch) -> None:
        self._house, self._operate, self._watch = house, operate, watch
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._house.ground()
        self._tasks.append(asyncio.create_task(self._house.outbox.run(self._stop)))
        if self._house.settings.background:
            self._tasks.append(asyncio.create_task(self._refresh()))

    async def _refresh(self) -> None:
        try:
            await self._house.keeper.run()
        except VaultTrouble as error:
            _LOG.error("nothing is refreshed any more: %s", error.__cause__ or error)

    async def stop(self) -> None:
        self._operate.leaving = True
        self._stop.set()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, KeeperError):
                await task
        await self._house.devices.close()
        self._watch.look_round()


class Mounted:
    """Takes the path apart from where the application is mounted, whichever way the outer one tells it."""

    def __init__(self, app: Application, base: str, house: House) -> None:
        self._app, self._base = app, base.encode("ascii")
        self.house: Final = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection by the ASGI specification."""
        if scope["type"] == "http":
            raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
            for prefix in (scope.get("root_path", "").encode("utf-8"), self._base):
                if prefix and (raw == prefix or raw.startswith(prefix + b"/")):
                    raw = raw[len(prefix) :] or b"/"
                    break
            scope = {**scope, "raw_path": raw}
        await self._app(scope, receive, send)


def application(keeper: Keeper, settings: ServingSettings) -> Mounted:
    """Everything over *keeper*, which is opened when it is first needed and stays its owner's to close."""
    names = (*(row.name for row in OPERATIONS), *PAGES, "openapi", "healthz", "readyz", "metrics", "unknown")
    metrics = KeeperMetrics(names)
    house = furnished(keeper, settings, metrics)
    operate = Operate(house)
    watch = Watch(metrics, keeper.clock, keeper.entropy, sample=settings.log_sample)
    routes = Routes({**_machines(house), **page_routes(house), **_operating(operate)})
    app = Application(
        routes.exact, _UNKNOWN, _limits(settings), watch, Life(house, operate, watch), routes.find
    )  # fmt: skip
    return Mounted(app, settings.base, house)


def _machines(house: House) -> dict[str, Route]:
    methods: dict[str, dict[str, Handler]] = {}
    names: dict[str, str] = {}
    for row in OPERATIONS:
        methods.setdefault(row.path, {})[row.method] = handler(house, row)
        names.setdefault(row.path, row.name)
    routes = {path: Route(names[path], found, tell=problems.refusal) for path, found in methods.items()}
    said = openapi.document(house.settings.url(""))

    async def document(ask: Ask) -> Answer:  # noqa: ARG001 - a handler's shape
        return public_json(said, DOCUMENT_SECONDS)

    return {**routes, openapi.PATH: Route("openapi", {"GET": document}, cors=True)}


def _operating(operate: Operate) -> Mapping[str, Route]:
    return {
        "/healthz": Route("healthz", {"GET": operate.alive}),
        "/readyz": Route("readyz", {"GET": operate.ready}),
        "/metrics": Route("metrics", {"GET": operate.metrics}),
    }


async def _nothing(ask: Ask) -> Answer:  # noqa: ARG001 - a handler's shape
    raise Refused(Code.INVALID_REQUEST, "There is nothing at this address.", status=404)


_UNKNOWN: Final = Route(
    "unknown", dict.fromkeys(("GET", "POST", "PATCH", "PUT", "DELETE"), _nothing), tell=problems.refusal
)


def _limits(settings: ServingSettings) -> HttpLimits:
    trusted = tuple(ipaddress.ip_network(each) for each in settings.trusted_proxies)
    return HttpLimits(settings.max_body, settings.max_header, FormLimits(), trusted, settings.hosts)
