"""An API that holds a person's token gets that person's token at another provider, if operator and person agreed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from evergrant.assembly import Life, application, assemble
from evergrant.clock import FixedClock
from evergrant.config import Config, KeeperClientConfig, ResourceConfig
from evergrant.domain.client import CLIENT_CREDENTIALS, TOKEN_EXCHANGE, ClientType
from evergrant.domain.event import What
from evergrant.domain.secret import Secret
from evergrant.keeper import Client, Existing, Keeper, Settings
from evergrant.keeping.lending import KeeperLender
from evergrant.observe.watch import Watch
from evergrant.protocol.exchange import ACCESS_TOKEN
from evergrant.testing.in_process import Issuer, Reply
from tests.issuing import JWT_API, Held, claims_of, events, is_oauth_error, issuing
from tests.secrecy import record_secret

PROVIDER = "github_app"
THEIRS = "ghu_the-token-at-the-other-provider"
RECONNECT = "https://keeper.example/reconnect"
AGREED = "provider:github_app"
SCOPES = {"openid": "o", "offline_access": "s", "orders:read": "r", AGREED: "Use your GitHub account"}


@asynccontextmanager
async def joined(folder: Path, clock: FixedClock) -> AsyncIterator[tuple[Issuer, Keeper]]:
    """An issuer with a keeper of the same clock."""
    record_secret(THEIRS)
    ours = Client(PROVIDER, "Iv1.x", redirect_uri="https://app.example/connected", secret=Secret("x" * 20))
    config = Config(resources=(ResourceConfig(JWT_API, ("orders:read", AGREED)),), scopes=SCOPES)
    async with (
        Keeper.open("memory:", clients=[ours], clock=clock, settings=Settings(reconnect_page=RECONNECT)) as keeper,
        issuing(folder, config=config, clock=clock) as issuer,
    ):
        watch = Watch(issuer.house.metrics, clock, issuer.house.entropy)
        lender = KeeperLender(keeper, clock, "")
        issuer.app = assemble(issuer.house, watch, Life(AsyncExitStack(), issuer.house, watch), lender)
        await issuer.person()
        yield issuer, keeper


async def signed_in(issuer: Issuer, scope: str) -> Held:
    client, _ = await issuer.client(scopes=tuple(SCOPES))
    return Held(issuer, client, "", await issuer.signed_in(client, resource=JWT_API, scope=scope))


async def asked(issuer: Issuer, held: Held, providers: tuple[str, ...] = (PROVIDER,)) -> Reply:
    name = f"Orders for {providers}"
    caller = await issuer.client(
        ClientType.SERVICE, name, resources=(JWT_API,), scopes=("orders:read",),
        grant_types=(CLIENT_CREDENTIALS, TOKEN_EXCHANGE), exchange_providers=providers,
    )  # fmt: skip
    form = {
        "grant_type": TOKEN_EXCHANGE, "subject_token": held.access, "subject_token_type": ACCESS_TOKEN,
        "audience": PROVIDER,
    }  # fmt: skip
    return await issuer.token(*caller, form)


EVERYTHING = f"openid offline_access orders:read {AGREED}"


async def test_one_call_gives_the_persons_token_at_the_provider_and_both_audits_tell(tmp_path: Path) -> None:
    clock = FixedClock()
    async with joined(tmp_path, clock) as (issuer, keeper):
        held = await signed_in(issuer, EVERYTHING)
        person = claims_of(held.access)["sub"]
        await keeper.import_tokens(
            Existing(PROVIDER, person, access_token=Secret(THEIRS), expires_at=clock.now() + 3_600)
        )
        reply = await asked(issuer, held)
        assert reply.status == 200, reply.text
        answer = reply.json()
        assert (answer["access_token"], answer["issued_token_type"]) == (THEIRS, ACCESS_TOKEN)
        assert 0 < answer["expires_in"] <= 3_600
        assert reply.header("cache-control") == "no-store"
        (told,) = await events(issuer, What.TOKEN_EXCHANGED)
        assert told.account_id == person
        assert PROVIDER in told.detail


async def test_an_account_that_must_be_connected_again_is_told_where(tmp_path: Path) -> None:
    clock = FixedClock()
    async with joined(tmp_path, clock) as (issuer, keeper):
        held = await signed_in(issuer, EVERYTHING)
        person = claims_of(held.access)["sub"]
        is_oauth_error(await asked(issuer, held), "invalid_target")
        await keeper.import_tokens(Existing(PROVIDER, person, access_token=Secret(THEIRS), expires_at=clock.now() + 9))
        clock.advance(60)
        reply = await asked(issuer, held, providers=(PROVIDER, "another"))
        assert reply.status == 400
        assert reply.json()["error"] == "interaction_required"
        assert reply.json()["error_uri"].startswith(RECONNECT)
        assert THEIRS not in reply.text
        assert len(await events(issuer, What.EXCHANGE_REFUSED)) == 2


async def test_neither_the_operators_nor_the_persons_word_can_be_left_out(tmp_path: Path) -> None:
    clock = FixedClock()
    async with joined(tmp_path, clock) as (issuer, keeper):
        held = await signed_in(issuer, "openid offline_access orders:read")
        person = claims_of(held.access)["sub"]
        await keeper.import_tokens(
            Existing(PROVIDER, person, access_token=Secret(THEIRS), expires_at=clock.now() + 3_600)
        )
        is_oauth_error(await asked(issuer, held), "invalid_scope")
        is_oauth_error(await asked(issuer, held, providers=()), "invalid_target")
        held = Held(issuer, held.client, "", await issuer.signed_in(held.client, resource=JWT_API, scope=EVERYTHING))
        assert (await asked(issuer, held, providers=(PROVIDER, "more"))).status == 200


async def test_an_issuer_without_a_keeper_lends_nothing(apis: Issuer) -> None:
    client, _ = await apis.client(scopes=("openid", "offline_access", "orders:read"))
    tokens = await apis.signed_in(client, resource=JWT_API, scope="openid offline_access orders:read")
    is_oauth_error(await asked(apis, Held(apis, client, "", tokens)), "invalid_target")


@pytest.mark.long
async def test_the_configuration_joins_the_two_sides(tmp_path: Path) -> None:
    config = Config(clients={PROVIDER: KeeperClientConfig(client_id="Iv1.x")}).replace(
        store__data=tmp_path, keeper__lend=True, password__memory_kib=64, password__iterations=1
    )
    app = await application(config)
    try:
        assert (tmp_path / "keeper.db").exists()
    finally:
        await app._life.stop()
