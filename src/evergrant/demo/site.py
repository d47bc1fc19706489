"""The sample application's side of HTTP: which address does what, whose browser it is, and kind words for trouble."""

from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from evergrant.assembly import House
from evergrant.demo import acts, theft
from evergrant.demo.assets import static_file
from evergrant.demo.furnish import Furnished
from evergrant.demo.ledger import Sight, look
from evergrant.demo.oidc import IssuerSilent, OidcClient, SignInFailed, Tokens
from evergrant.demo.outcome import Outcome
from evergrant.demo.place import DemoClock
from evergrant.demo.plain_words import hms, left
from evergrant.demo.shown import family_shown, held
from evergrant.demo.steps import AFTERMATH, BY_PATH, LOOK, RACE, REFRESH, REPEAT, SIGN_IN, STEPS, THEFT, Step, after
from evergrant.demo.view import Check, ClockShown, SamplePages, State, StepPage, Stop, TroublePage
from evergrant.demo.visitor import Purse, Visitor, Visitors
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.answer import HTML, Answer, Header, redirect
from evergrant.web.app import Handler, Route
from evergrant.web.ask import Ask
from evergrant.web.look.csp import ALWAYS, form_targets_of, static_headers

# An overlap of a minute includes its last second; a minute that lets it pass has one second more.
MOVES: Final = frozenset({"61", "600", "2678400"})
DENIED: Final = "access_denied"


class Parts(NamedTuple):
    """What the sample application is made of. *thief* connects from another address where there is one."""

    house: House
    clock: DemoClock
    furnished: Furnished
    client: OidcClient
    thief: OidcClient
    thief_address: str
    address: str


Act = Callable[[Purse, OidcClient, str], Awaitable[Outcome]]


class Site:
    """Handlers of the sample application."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._visitors = Visitors(parts.house.entropy)
        self._pages = SamplePages()
        self._cookie: Final = f"evergrant-sample-{urlsplit(parts.address).port}"
        # Signing out is a form, and leads to the issuer by redirect.
        targets = " ".join(form_targets_of(parts.client.registration.issuer))
        self._policy: Final = (
            f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {targets}; "
            "frame-ancestors 'none'; base-uri 'none'"
        ).encode("ascii")

    def routes(self) -> Mapping[str, Route]:
        """Which address does what."""
        doers: dict[Step, Handler] = {
            REFRESH: self._acting(REFRESH, acts.refresh),
            REPEAT: self._acting(REPEAT, acts.repeat),
            RACE: self._acting(RACE, acts.race),
            THEFT: self._steal,
        }
        return {
            **{step.path: self._route(step.key, self._showing(step), doers.get(step)) for step in STEPS},
            "/sign-in": self._route("sign_in", self._sign_in),
            "/callback": self._route("callback", self._callback),
            "/time": self._route("time", None, self._let_pass),
            "/sign-out": self._route("sign_out", None, self._sign_out),
        }

    @property
    def fallback(self) -> Route:
        """What answers every other address."""
        return self._route("other", self._other, self._other)

    def _methods(self, get: Handler | None, post: Handler | None) -> dict[str, Handler]:
        return {method: self._kind(handler) for method, handler in (("GET", get), ("POST", post)) if handler}

    def _route(self, name: str, get: Handler | None = None, post: Handler | None = None) -> Route:
        return Route(name, self._methods(get, post), tell=self._told)

    def _told(self, error: Refused, error_id: str) -> Answer:
        """A refusal of the HTTP room as a page."""
        return self._trouble(
            error.status, "This did not work", error.description, "Go back to the tour and try again.", SIGN_IN.path,
            "To the tour", error_id,
        )  # fmt: skip

    def _kind(self, handler: Handler) -> Handler:
        """*handler*, with what goes wrong told as a page."""

        async def page(ask: Ask) -> Answer:
            try:
                return await handler(ask)
            except IssuerSilent as error:
                return self._trouble(
                    502, "The issuer does not answer",
                    f"This application asked and got nothing it could use ({error}). Nothing was changed.",
                    "If the demo was stopped, start it again. Otherwise try again in a moment.",
                    ask.path if ask.path in BY_PATH else SIGN_IN.path,
                )  # fmt: skip
            except SignInFailed as error:
                return self._not_signed_in(error)

        return page

    # -------------------------------------------------------------------------------------------------- signing in

    async def _sign_in(self, ask: Ask) -> Answer:
        begun = await self._parts.client.begin(self._parts.furnished.username)
        visitor = self._visitors.find(ask.cookie(self._cookie))
        if visitor is not None:
            visitor.remember(begun)
            return redirect(begun.url)
        cookie, visitor = self._visitors.welcome()
        visitor.remember(begun)
        return redirect(begun.url, self._named(cookie))

    async def _callback(self, ask: Ask) -> Answer:
        answer, visitor = ask.parameters(), self._visitors.find(ask.cookie(self._cookie))
        begun = None if visitor is None else visitor.pending.pop(answer.get("state") or "", None)
        reply = await self._parts.client.finish(answer.values, begun, ask.agent)
        if reply.tokens is None or visitor is None:
            raise SignInFailed(reply.description or "The issuer gave no tokens for the code.", reply.error)
        async with visitor.busy:
            await self._give_back(visitor, ask.agent)
            visitor.toured = visitor.toured or AFTERMATH.key in visitor.done
            visitor.forget()
            visitor.purse = _purse(reply.tokens)
            visitor.purse.name = str((await self._parts.client.person(reply.tokens)).get("name", ""))
            visitor.done.add(SIGN_IN.key)
        return redirect(LOOK.path, self._named(self._visitors.rename(visitor)))

    async def _give_back(self, visitor: Visitor, agent: str) -> None:
        """An application that signs in anew, or out, revokes what it held; the issuer may know of its end already."""
        if visitor.purse is not None:
            await self._parts.client.revoke(visitor.purse.head, agent)

    async def _sign_out(self, ask: Ask) -> Answer:
        visitor, _ = self._posted(ask)
        async with visitor.busy:
            await self._give_back(visitor, ask.agent)
            visitor.forget()
        return redirect(await self._parts.client.sign_out_url(f"{self._parts.address}/"))

    def _not_signed_in(self, error: SignInFailed) -> Answer:
        if error.code == DENIED:
            return self._trouble(
                200, "You said no, and that is fine",
                "The issuer told this application that you did not allow it. It got no token and knows nothing of you.",
                "Nothing else happens. You can change your mind.", "/sign-in", "Ask me again", error.code,
            )  # fmt: skip
        return self._trouble(
            400, "You are not signed in", str(error),
            "Nothing was kept of it. Start again; an answer that nobody asked for is best ignored.",
            "/sign-in", "Start again", error.code,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------- the steps

    def _acting(self, step: Step, act: Act) -> Handler:
        async def handler(ask: Ask) -> Answer:
            visitor, _ = self._posted(ask)
            async with visitor.busy:
                if visitor.purse is None:
                    return redirect(SIGN_IN.path)
                visitor.said[step.key] = await act(visitor.purse, self._parts.client, ask.agent)
                visitor.done.add(step.key)
            return redirect(f"{step.path}#outcome")

        return handler

    async def _steal(self, ask: Ask) -> Answer:
        visitor, form = self._posted(ask)
        async with visitor.busy:
            if visitor.purse is None:
                return redirect(SIGN_IN.path)
            sight = await self._sight(visitor.purse)
            place = form.get("token") or ""
            said = await theft.present(
                visitor.purse, self._parts.thief, int(place) if place.isdecimal() and len(place) < 9 else -1,  # noqa: PLR2004
                dead=sight is not None and sight.family.ended is not None,
            )  # fmt: skip
            if said is not None:
                visitor.said[THEFT.key] = said
                visitor.done.add(THEFT.key)
        return redirect(f"{THEFT.path}#outcome")

    async def _let_pass(self, ask: Ask) -> Answer:
        _, form = self._posted(ask)
        seconds, back = form.get("seconds") or "", form.get("back") or ""
        if seconds in MOVES:
            self._parts.clock.let_pass(int(seconds))
        return redirect(back if back in BY_PATH else LOOK.path)

    def _showing(self, step: Step) -> Handler:
        async def handler(ask: Ask) -> Answer:
            visitor = self._visitors.find(ask.cookie(self._cookie))
            if visitor is None or visitor.purse is None:
                return self._show(self._page(step, visitor)) if step is SIGN_IN else redirect(SIGN_IN.path)
            return self._show(await self._signed_in(step, visitor, visitor.purse))

        return handler

    async def _signed_in(self, step: Step, visitor: Visitor, purse: Purse) -> StepPage:
        sight, check = await self._sight(purse), await self._check(purse)
        seen = None if sight is None else family_shown(sight, purse)
        if step is LOOK or (step is AFTERMATH and seen is not None and seen.ended):
            visitor.done.add(step.key)
        return self._page(
            step, visitor, held=held(purse, self._parts.clock.now()), family=seen, check=check,
            outcome=visitor.said.get(step.key), refused=purse.refused, toured=visitor.toured,
            choices=theft.choices(purse, sight.family, sight.now) if sight and step is THEFT else (),
        )  # fmt: skip

    def _page(self, step: Step, visitor: Visitor | None, **more: object) -> StepPage:
        parts, done = self._parts, visitor.done if visitor else set()
        signed_in = visitor is not None and visitor.purse is not None
        row = tuple(Stop(one, _state(one, step, done, signed_in=signed_in)) for one in STEPS)
        return StepPage(
            csrf=visitor.csrf if visitor else "", step=step, row=row, onward=after(step),
            issuer=parts.client.registration.issuer, username=parts.furnished.username,
            clock=ClockShown(hms(parts.clock.now()), left(parts.clock.ahead) if parts.clock.ahead else ""),
            thief=parts.thief_address, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    async def _sight(self, purse: Purse) -> Sight | None:
        return await look(self._parts.house, purse.family_id, purse.account_id)

    async def _check(self, purse: Purse) -> Check:
        """Ask the issuer about the access token as two who must know: the application itself, and an API."""
        parts, access = self._parts, purse.tokens.access
        try:
            status, _ = await parts.client.userinfo(access)
            active = await parts.client.introspect(access, parts.furnished.api.id, parts.furnished.api_secret)
        except IssuerSilent:
            return Check(silent=True)
        return Check(status, active)

    # ------------------------------------------------------------------------------------------- browsers and pages

    def _posted(self, ask: Ask) -> tuple[Visitor, Form]:
        """A form of ours that was sent from a page of ours. Raises `Refused`."""
        visitor, form = self._visitors.find(ask.cookie(self._cookie)), ask.form()
        if visitor is None or not compare_digest(visitor.csrf.encode(), (form.get("csrf") or "").encode()):
            raise Refused(Code.INVALID_REQUEST, "This page is too old, or it was not this application that sent it.")
        return visitor, form

    def _named(self, cookie: str) -> Header:
        return (b"set-cookie", f"{self._cookie}={cookie}; Path=/; HttpOnly; SameSite=Lax".encode("ascii"))

    def _show(self, page: StepPage | TroublePage, status: int = 200) -> Answer:
        headers = (HTML, (b"content-security-policy", self._policy), *ALWAYS)
        return Answer(status, headers, self._pages.render(page).encode())

    def _trouble(
        self, status: int, title: str, what: str, todo: str, again: str, words: str = "Try again", code: str = ""
    ) -> Answer:
        page = TroublePage(
            title=title, what_happened=what, what_to_do=todo, again=again, again_words=words, code=code
        )  # fmt: skip
        return self._show(page, status)

    async def _other(self, ask: Ask) -> Answer:
        """Every other address: a file that pages load, or nothing."""
        found = static_file(ask.path.removeprefix("/static/")) if ask.path.startswith("/static/") else None
        if found is None or ask.method == "POST":
            return self._trouble(404, "There is nothing here", "This address leads nowhere.", "", "/", "To the tour")
        return Answer(200, ((b"content-type", found.content_type.encode()), *static_headers(found.etag)), found.body)


def _purse(tokens: Tokens) -> Purse:
    return Purse(tokens, str(tokens.inside.get("fam", "")), str(tokens.claims["sub"]), {0: tokens.refresh})


def _state(one: Step, here: Step, done: set[str], *, signed_in: bool) -> State:
    if one is here:
        return "here"
    if one.key in done:
        return "done"
    return "open" if signed_in or one is SIGN_IN else "closed"
