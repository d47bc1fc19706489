"""Connections are taken elsewhere sealed, and come back as they were; in clear only under a name that says so."""

import json

from evergrant.keeper.keyring import Keyring
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keys.local import LocalKek
from tests.keeper.connect.scene import Health, Scene, stage

KEY, OTHER = Keyring([LocalKek(b"e" * 32)]), Keyring([LocalKek(b"x" * 32)])


async def exported(here: Scene, key: Keyring = KEY, tenant: str = "") -> list[str]:
    return [line async for line in here.services.exporting.sealed(key, tenant=tenant)]


async def test_what_was_exported_sealed_is_imported_elsewhere_as_it_was():
    async with stage() as here:
        first = (await here.connect(tags={"team": "blue"})).connection
        tokens = await here.tokens(first)
        lines = await exported(here)
        for secret in (*tokens, "ada", "blue"):
            assert secret not in " ".join(lines)
        async with stage() as there:
            report = await there.services.importing.lines(lines, key=KEY)
            assert report.counts == {"imported": 1}
            found = await there.services.finding.named("plain", "ada")
            assert await there.tokens(found.connection) == tokens
            for name in ("user", "subject", "label", "tags", "granted_scope", "fields"):
                assert getattr(found.connection, name) == getattr(first, name)
            assert found.connection.health is Health.ACTIVE
            assert there.chaos.ledger.refreshes == []


async def test_both_pairs_of_a_connection_are_taken_along():
    async with stage(provider=Catalog.shipped().get("slack")) as here:
        first = (await here.connect(client="slack")).connection
        lines = await exported(here)
        assert len(lines) == 2
        async with stage(provider=Catalog.shipped().get("slack")) as there:
            assert (await there.services.importing.lines(lines, key=KEY)).counts == {"imported": 2}
            found = await there.services.finding.named("slack", "ada")
            for name in ("bot", "user"):
                assert await there.tokens(found.connection, name) == await here.tokens(first, name)


async def test_a_sealed_line_needs_its_own_key_and_says_so():
    async with stage() as here:
        await here.connect()
        lines = await exported(here)
        changed = json.dumps({**json.loads(lines[0]), "sealed": json.loads(lines[0])["sealed"][:-8] + "AAAAAAA="})
        async with stage() as there:
            importing = there.services.importing
            for text, key in [(lines, None), (lines, OTHER), ([changed], KEY), (['{"sealed": 1}'], KEY)]:
                (line,) = (await importing.lines(text, key=key)).lines
                assert line.outcome == "refused"
                assert "key" in line.problem


async def test_k_24_an_export_holds_one_tenant_alone():
    async with stage() as here:
        await here.connect("anna", tenant="red")
        await here.connect("eve", tenant="blue")
        async with stage() as there:
            report = await there.services.importing.lines(await exported(here, tenant="red"), key=KEY)
            assert [line.account for line in report.lines] == ["anna"]
        assert await exported(here) == []


async def test_an_export_in_clear_has_a_name_that_nobody_writes_by_accident():
    async with stage() as here:
        tokens = await here.tokens((await here.connect()).connection)
        lines = [json.loads(one) async for one in here.services.exporting.in_clear_for_whoever_reads_it()]
        assert [(one["access_token"], one["refresh_token"]) for one in lines] == [tokens]


async def test_what_does_not_open_is_in_the_export_as_a_problem():
    async with stage() as here:
        connection = (await here.connect()).connection
        record = (await here.found(connection)).records["main"]
        here.vault._records[connection.id, "main"] = type(record)(connection.id, access_token=b"broken")
        (line,) = map(json.loads, await exported(here))
        assert (line["account"], "problem" in line) == ("ada", True)


async def test_the_keepers_own_notes_are_neither_exported_nor_imported():
    async with stage() as here:
        connection = (await here.connect()).connection
        await here.change(connection, fields={"~note": "x", "realm": "7"})
        (line,) = [json.loads(one) async for one in here.services.exporting.in_clear_for_whoever_reads_it()]
        assert line["fields"] == {"realm": "7"}
        async with stage() as there:
            bad = json.dumps({**line, "fields": {"~note": "x"}})
            assert (await there.services.importing.lines([bad])).counts == {"refused": 1}
