"""Whose account it is: the ID token judged and its signature checked, the reply's members, the userinfo endpoint."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest

from evergrant.keeper.errors import CallbackRefused
from evergrant.keeper.exchange import Answer, Asked, Lost
from evergrant.keeper.service.connecting import Connecting
from tests.keeper.connect.scene import Scene, stage

SILENT = {"jwks_url": "", "discovery_url": "", "issuer": "", "iss_in_callback": False}


class Between:
    """A transport that changes answers on their way."""

    def __init__(self, here: Scene, change) -> None:
        self._real, self._change = here.ground.transport, change
        self.asked: list[str] = []

    async def send(self, asked: Asked, deadline: float) -> Answer:
        self.asked.append(asked.url)
        return self._change(asked, await self._real.send(asked, deadline))

    async def close(self) -> None:
        return


def coded(members: dict) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def decoded(part: str) -> dict:
    return json.loads(urlsafe_b64decode(part + "=="))


def with_claims(**more):
    """Change claims of the ID token; what is None is taken out. The signature stays that of what it was."""

    def change(asked: Asked, answer: Answer) -> Answer:
        if not asked.url.endswith("/token"):
            return answer
        members = json.loads(answer.body)
        head, claims, signature = members["id_token"].split(".")
        said = {name: value for name, value in {**decoded(claims), **more}.items() if value is not None}
        members["id_token"] = f"{head}.{coded(said)}.{signature}"
        return replace(answer, body=json.dumps(members).encode())

    return change


async def connected(here: Scene, change) -> str:
    """The subject of a connection whose answers were changed on their way."""
    between = Between(here, change)
    services = Connecting(replace(here.ground, transport=between))
    link = await services.connect.begin("plain", "ada")
    done = await services.connect.finish(await here.browser(link.url), "ada")
    return done.connection.subject


def same(_: Asked, answer: Answer) -> Answer:
    return answer


async def test_the_id_token_says_who_it_is():
    async with stage() as here:
        assert await connected(here, same) == "ada"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"iss": "https://evil.example"}, "iss"), ({"iss": None}, "iss"),
        ({"aud": "somebody-else"}, "aud"), ({"aud": ["somebody-else"]}, "aud"), ({"aud": None}, "aud"),
        ({"azp": "somebody-else"}, "azp"),
        ({"nonce": "of another"}, "nonce"), ({"nonce": None}, "nonce"),
        ({"exp": 1_000_000}, "exp"), ({"exp": None}, "exp"), ({"exp": "soon"}, "exp"),
        ({"sub": None}, "sub"), ({"sub": ""}, "sub"), ({"sub": 7}, "sub"),
        ({"sub": "mallory"}, "signature"),
    ],
)  # fmt: skip
async def test_an_id_token_that_cannot_be_believed_ends_the_connecting_and_nothing_is_kept(more, problem):
    async with stage() as here:
        with pytest.raises(CallbackRefused, match=rf"\({problem}\)") as trouble:
            await connected(here, with_claims(**more))
        assert trouble.value.code == "exchange_failed"
        found = await here.vault.look_up("", "plain", "ada")
        assert (found.records, found.intents) == ({}, {})


async def test_a_token_without_signature_is_not_believed():
    def unsigned(asked: Asked, answer: Answer) -> Answer:
        if not asked.url.endswith("/token"):
            return answer
        members = json.loads(answer.body)
        members["id_token"] = f"{coded({'alg': 'none'})}.{members['id_token'].split('.')[1]}."
        return replace(answer, body=json.dumps(members).encode())

    async with stage() as here:
        with pytest.raises(CallbackRefused, match="signature"):
            await connected(here, unsigned)


async def test_keys_are_read_once_for_many_and_again_for_a_key_that_is_new():
    async with stage() as here:
        between = Between(here, same)
        services = Connecting(replace(here.ground, transport=between))
        for account in ("ada", "eve"):
            link = await services.connect.begin("plain", account)
            await services.connect.finish(await here.browser(link.url), account)
        assert sum(url.endswith("/jwks") for url in between.asked) == 1


async def test_keys_that_are_not_the_right_ones_are_looked_up_again_before_anybody_is_refused():
    async with stage() as here:
        looks = []

        def late(asked: Asked, answer: Answer) -> Answer:
            if not asked.url.endswith("/jwks"):
                return answer
            looks.append(1)
            here.clock.advance(61)
            return answer if len(looks) > 1 else replace(answer, body=b'{"keys": []}')

        assert await connected(here, late) == "ada"
        assert len(looks) == 2


async def test_keys_that_cannot_be_fetched_are_no_reason_to_lose_a_grant():
    """The token came over TLS from the token endpoint itself (OpenID Connect Core 3.1.3.7, point 6)."""

    def broken(asked: Asked, answer: Answer) -> Answer:
        if asked.url.endswith("/jwks"):
            raise Lost("no")
        return answer

    async with stage() as here:
        assert await connected(here, broken) == "ada"
        with pytest.raises(CallbackRefused, match="aud"):
            await connected(here, lambda asked, answer: with_claims(aud="x")(asked, broken(asked, answer)))


async def test_without_an_id_token_the_userinfo_endpoint_is_asked():
    async with stage(facts={**SILENT, "userinfo_url": "https://plain.invalid/userinfo"}) as here:
        asked: list[str] = []

        def note(one: Asked, answer: Answer) -> Answer:
            asked.append(one.url)
            return answer

        assert await connected(here, note) == "ada"
        assert asked[-1].endswith("/userinfo")


@pytest.mark.parametrize(
    "said", [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b'{"sub": {"a": 1}}'), (401, b'{"sub": "eve"}'), None]
)
async def test_a_userinfo_endpoint_in_trouble_leaves_the_account_unnamed_and_loses_no_grant(said):
    def broken(asked: Asked, answer: Answer) -> Answer:
        if not asked.url.endswith("/userinfo"):
            return answer
        if said is None:
            raise Lost("no")
        return replace(answer, status=said[0], body=said[1])

    async with stage(facts={**SILENT, "userinfo_url": "https://plain.invalid/userinfo"}) as here:
        assert await connected(here, broken) == ""
