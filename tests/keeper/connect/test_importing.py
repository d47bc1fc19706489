"""Existing tokens are taken over without spending them, one by one or line by line."""

import json

import pytest

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import MAIN, Origin, Reason
from evergrant.keeper.errors import AlreadyConnected, BadRequest, UnknownProvider
from evergrant.keeper.event import What
from evergrant.keeper.provider.model import Rotates
from evergrant.keeper.service.importing import Existing, HeldElsewhere
from tests.keeper.connect.scene import AT, Health, Scene, stage


def existing(here: Scene, account: str = "ada", **more) -> Existing:
    given = here.chaos.grant(account, "read write")
    said = {
        "access_token": Secret(given.access_token), "refresh_token": Secret(given.refresh_token),
        "expires_at": AT + 600, "scope": ("read", "write"), "subject": account,
    }  # fmt: skip
    return Existing(client="plain", account=account, **{**said, **more})


async def test_tokens_are_taken_over_sealed_and_no_provider_is_asked():
    async with stage() as here:
        given = existing(here, tags={"from": "old"}, label="Ada")
        connection = await here.services.importing.take(given)
        found = await here.found(connection)
        assert (connection.health, connection.subject, connection.tags) == (Health.ACTIVE, "ada", {"from": "old"})
        assert await here.tokens(connection) == (given.access_token.reveal(), given.refresh_token.reveal())
        assert (found.records[MAIN].expires_at, found.records[MAIN].origin) == (AT + 600, Origin.PROVIDER)
        assert given.refresh_token.reveal() not in repr(vars(here.vault))
        assert here.chaos.ledger.refreshes == []
        assert await here.told() == [What.IMPORTED]


async def test_an_imported_account_can_be_connected_again_like_any_other():
    async with stage() as here:
        connection = await here.services.importing.take(existing(here))
        assert (await here.connect()).connection.id == connection.id


@pytest.mark.parametrize(
    ("more", "end", "origin", "reason"),
    [
        ({"expires_at": 0}, AT, Origin.UNKNOWN, Reason.NONE),
        ({"expires_at": 0, "refresh_token": None}, AT + 3_600, Origin.UNKNOWN, Reason.NO_REFRESH_TOKEN),
        ({"access_token": None, "expires_at": 0}, AT, Origin.UNKNOWN, Reason.NONE),
    ],
)
async def test_an_end_that_nobody_knows_is_never_taken_for_for_ever(more, end, origin, reason):
    async with stage() as here:
        connection = await here.services.importing.take(existing(here, **more))
        record = (await here.found(connection)).records[MAIN]
        assert (record.expires_at, record.origin, connection.reason) == (end, origin, reason)


async def test_a_token_without_an_end_at_a_provider_that_has_none_lasts():
    async with stage(facts={"access_lifetime": 0}) as here:
        connection = await here.services.importing.take(existing(here, expires_at=0, refresh_token=None))
        record = (await here.found(connection)).records[MAIN]
        assert (record.expires_at, record.origin) == (0, Origin.NEVER)


async def test_a_refresh_token_that_another_connection_holds_is_refused_by_its_fingerprint():
    async with stage() as here:
        given = existing(here)
        held = await here.services.importing.take(given)
        twice = existing(here, "eve", refresh_token=given.refresh_token, shared=True)
        with pytest.raises(HeldElsewhere, match=held.id) as trouble:
            await here.services.importing.take(twice)
        assert "end each other's grant" in str(trouble.value)
        assert given.refresh_token.reveal() not in str(trouble.value)


async def test_k_24_a_token_that_another_tenant_holds_is_refused_without_saying_whose_it_is():
    async with stage() as here:
        given = existing(here)
        held = await here.services.importing.take(given, tenant="red")
        with pytest.raises(HeldElsewhere, match="somebody else holds") as trouble:
            await here.services.importing.take(existing(here, "eve", refresh_token=given.refresh_token), tenant="blue")
        for word in (held.id, "red", "plain/ada"):
            assert word not in str(trouble.value)


async def test_accounts_of_a_provider_that_never_rotates_may_share_a_token_when_it_is_meant():
    async with stage(facts={"rotates": Rotates.NEVER}) as here:
        given = existing(here)
        await here.services.importing.take(given)
        with pytest.raises(HeldElsewhere):
            await here.services.importing.take(existing(here, "eve", refresh_token=given.refresh_token))
        second = await here.services.importing.take(
            existing(here, "eve", refresh_token=given.refresh_token, shared=True)
        )
        assert second.health is Health.ACTIVE


async def test_a_connected_account_is_not_overwritten():
    async with stage() as here:
        connection = (await here.connect()).connection
        tokens = await here.tokens(connection)
        with pytest.raises(AlreadyConnected, match="disconnect it first"):
            await here.services.importing.take(existing(here))
        assert await here.tokens(connection) == tokens


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"access_token": None, "refresh_token": None}, "neither"),
        ({"access_token": Secret("two words")}, "access_token is no token"),
        ({"refresh_token": Secret("")}, "refresh_token is no token"),
        ({"refresh_token": Secret("line\nend")}, "refresh_token is no token"),
        ({"refresh_token": Secret("x" * 20_000)}, "refresh_token is no token"),
        ({"expires_at": AT * 1_000}, "in seconds"),
        ({"expires_at": -1}, "in seconds"),
        ({"record": "bot"}, "no tokens named bot; it has main"),
        ({"account": "x" * 300}, "account"),
        ({"account": ""}, "account"),
    ],
)
async def test_what_cannot_be_taken_is_named_and_nothing_is_kept(more, said):
    async with stage() as here:
        with pytest.raises(BadRequest, match=said):
            await here.services.importing.take(Existing(**{
                "client": "plain", "account": "ada", "refresh_token": Secret("chr_" + "r" * 30), **more,
            }))  # fmt: skip
        assert await here.services.finding.find() == []


async def test_a_file_is_imported_line_by_line_and_one_bad_line_stops_no_other():
    async with stage() as here:
        one, two = here.chaos.grant("ada", "read"), here.chaos.grant("eve", "read")
        good = {"client": "plain", "account": "ada", "refresh_token": one.refresh_token, "scope": "read", "label": None}
        lines = [
            json.dumps(good),
            "",
            json.dumps(good),
            json.dumps({**good, "account": "bob"}),
            "{",
            "[1]",
            json.dumps({**good, "acount": "x"}),
            json.dumps({**good, "client": "hubspot"}),
            json.dumps({**good, "expires_at": "soon"}),
            json.dumps({**good, "tags": {"a": 1}}),
            json.dumps({"client": "plain", "refresh_token": "x"}),
            json.dumps(
                {"client": "plain", "account": "eve", "refresh_token": two.refresh_token, "scope": ["read"]}
            ).encode(),
        ]
        report = await here.services.importing.lines(lines)
        told = [(line.number, line.outcome) for line in report.lines]
        assert told == [
            (1, "imported"), (3, "exists"), (4, "duplicate"), (5, "refused"), (6, "refused"), (7, "refused"),
            (8, "refused"), (9, "refused"), (10, "refused"), (11, "refused"), (12, "imported"),
        ]  # fmt: skip
        assert report.counts == {"imported": 2, "exists": 1, "duplicate": 1, "refused": 7}
        problems = " ".join(line.problem for line in report.lines)
        assert "unknown member 'acount'" in problems
        for secret in (one.refresh_token, two.refresh_token):
            assert secret not in repr(report)


async def test_an_unknown_client_is_no_reason_to_keep_anything():
    async with stage() as here:
        with pytest.raises(UnknownProvider):
            await here.services.importing.take(Existing("hubspot", "ada", refresh_token=Secret("r" * 30)))
        assert here.vault.stamp() == 0
