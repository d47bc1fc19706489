"""The keeper's commands as processes, against a provider that is real as far as HTTP goes and misbehaves on request."""

import json
import re
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
import requests

from tests.cli.keeper.calls import CALLS
from tests.cli.keeper.scene import TOKEN, Desk, Provider, provided
from tests.secrecy import belongs_to_client, record_secret

pytestmark = pytest.mark.long
NAME: Final = "github_app"


@pytest.fixture(params=["file", pytest.param("database", marks=pytest.mark.needs("postgres"))])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """The vault is a file in the data directory, or a database with its key there."""
    if request.param == "file":
        return Desk(tmp_path)
    url, key = request.getfixturevalue("database"), str(tmp_path / "data" / "keeper.db.key")
    return Desk(tmp_path, more={"EVERGRANT_KEEPER_VAULT_URL": url, "EVERGRANT_KEEPER_KEYS_FILE": key})


@pytest.fixture
def provider(desk):
    with provided(desk) as found:
        yield found


def token_of(desk: Desk, *words: str) -> str:
    return desk.good("token", NAME, *words).out.rstrip("\n")


def test_an_account_is_connected_and_its_token_stands_alone_on_standard_output(desk, provider):
    connected = desk.good("connect", NAME, "--json")
    assert connected.json["health"] == "active"
    assert connected.json["label"] == "Account of ada"
    said = desk.good("token", NAME)
    assert TOKEN.fullmatch(said.out.rstrip("\n"))
    assert said.err == ""
    assert provider.accepts(said.out.strip())
    assert desk.good("token", NAME, "--header").out.strip() == f"Authorization: Bearer {said.out.strip()}"


def test_no_command_but_token_shows_a_token_and_the_vault_shows_none(desk, provider):
    desk.good("connect", NAME)
    record_secret(token_of(desk))
    shown = [
        desk.good(*words.split(), *more).out + desk.good(*words.split(), *more, "--json").out
        for words, *more in (("list",), ("show", NAME), ("refresh", NAME), ("export",), ("event list",), ("key list",))
    ]
    assert not TOKEN.search("".join(shown))
    for file in (desk.folder / "data").iterdir():
        assert not TOKEN.search(file.read_bytes().decode("latin-1")), file.name


def test_a_token_that_the_api_refuses_is_renewed_once_for_everybody_who_asks(desk, provider):
    desk.good("connect", NAME)
    before = token_of(desk)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: token_of(desk, "--rejected"), range(4)))
    assert before not in found
    ledger = provider.ledger
    assert ledger["second_spends"] == 0
    assert ledger["killed"] == 0
    assert provider.accepts(token_of(desk))


def test_a_grant_that_the_user_withdrew_needs_the_user_and_the_reconnected_one_keeps_its_id(desk, provider):
    first = desk.good("connect", NAME, "--json").json
    provider.ask("POST", "/withdraw", json={"user": "ada"})
    refused = desk.types("token", NAME, "--rejected")
    assert refused.code == 7
    assert refused.out == ""
    assert "evergrant keeper connect" in refused.err
    assert desk.good("list", "--json").json[0]["health"] == "needs_reauth"
    again = desk.good("connect", NAME, "--json").json
    assert (again["id"], again["health"], again["reconnected"]) == (first["id"], "active", True)
    assert provider.accepts(token_of(desk))


def test_a_provider_in_trouble_is_told_apart_from_a_grant_that_is_dead(desk, provider):
    desk.good("connect", NAME)
    provider.modes("too_many_requests:seconds=30,times=3")
    refused = desk.types("refresh", NAME)
    assert refused.code == 8, refused.err
    assert "try again in" in refused.err
    assert desk.good("show", NAME, "--json").json["health"] in {"active", "degraded"}
    assert TOKEN.fullmatch(token_of(desk))


def test_several_accounts_are_listed_where_one_has_to_be_named(desk, provider):
    for account in ("ada", "bob"):
        desk.good("connect", NAME, "--account", account, "--tag", f"team={account}")
    refused = desk.types("token", NAME)
    assert refused.code == 2
    assert "ada" in refused.err
    assert "bob" in refused.err
    assert token_of(desk, "--account", "ada") != token_of(desk, "--account", "bob")
    assert [one["account"] for one in desk.good("list", "--tag", "team=bob", "--json").json] == ["bob"]


def test_one_tenant_never_sees_the_other(desk, provider):
    desk.good("connect", NAME, "--tenant", "blue")
    assert desk.good("list", "--json").json == []
    assert desk.types("token", NAME).code == 3
    assert desk.types("token", NAME, "--tenant", "red").code == 3
    assert provider.accepts(token_of(desk, "--tenant", "blue"))


def test_a_device_shows_a_code_and_is_connected_when_it_was_entered(desk, provider):
    said = desk.good("connect", NAME, "--device", "--json")
    assert re.search(r"on any device, open http://127\.0\.0\.1:\d+/", said.err)
    assert re.search(r"enter the code \S+, within ", said.err)
    assert said.json["health"] == "active"
    assert provider.accepts(token_of(desk))


def test_disconnecting_tells_the_provider_and_shreds_the_tokens(desk, provider):
    desk.good("connect", NAME)
    token = token_of(desk)
    asked = desk.types("disconnect", NAME)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert desk.good("disconnect", NAME, "--yes", "--json").json["health"] == "revoked"
    assert not provider.accepts(token)
    refused = desk.types("token", NAME)
    assert refused.code == 4
    assert "evergrant keeper connect" in refused.err
    assert desk.good("show", NAME, "--json").json["records"][0]["has_refresh_token"] is False


def test_a_vault_is_moved_by_export_and_import_without_spending_anything(desk, provider, tmp_path):
    desk.good("connect", NAME)
    file = desk.folder / "tokens.jsonl"
    belongs_to_client(file)
    asked = desk.types("export", "--with-tokens", str(file))
    assert asked.code == 2
    desk.good("export", "--with-tokens", str(file), "--yes")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # The other vault is a file: one that was in a database moves out of it.
    other = {"EVERGRANT_KEEPER_VAULT": str(desk.folder / "other.db"), "EVERGRANT_KEEPER_VAULT_URL": ""}
    other |= {"EVERGRANT_KEEPER_KEYS_FILE": ""}
    assert desk.types("export", "--with-tokens", str(file), "--yes").code == 4
    moved = desk.good("import", str(file), "--json", **other).json
    assert [line["outcome"] for line in moved] == ["imported"]
    assert desk.types("import", str(file), "--json", **other).code == 4
    assert desk.good("token", NAME, **other).out == desk.good("token", NAME).out
    assert provider.ledger["refreshes"] == 0
    desk.good("refresh", NAME, **other)
    assert provider.ledger["second_spends"] == 0


def test_the_key_turns_while_the_background_refresher_runs(desk, provider):
    desk.good("connect", NAME)
    with desk.keeps("keeper", "run") as (process, ready):
        assert ready["clients"] == [NAME]
        old = desk.good("key", "list", "--json").json[0]["id"]
        turned = desk.good("key", "rotate", "--json").json
        assert (turned["before"], turned["unreadable"]) == (old, 0)
        assert provider.accepts(token_of(desk))
        desk.good("refresh", NAME)
        assert provider.accepts(token_of(desk))
        assert {one["id"]: one["values"] for one in desk.good("key", "list", "--json").json}[old] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert desk.types("key", "retire", turned["key"], "--yes").code == 5
    desk.good("key", "retire", old, "--yes")
    assert provider.accepts(token_of(desk))


def test_a_vault_whose_key_is_gone_gets_no_new_one(desk, provider):
    desk.good("connect", NAME)
    key = desk.folder / "data" / "keeper.db.key"
    kept = key.read_text()
    key.unlink()
    refused = desk.types("token", NAME)
    assert refused.code == 5
    assert "put it back" in refused.err
    assert not key.exists()
    key.write_text(kept)
    key.chmod(0o600)
    assert provider.accepts(token_of(desk))


def test_one_round_of_the_background_is_done_for_whoever_has_a_timer(desk, provider):
    desk.good("connect", NAME)
    assert desk.good("run", "--once", "--json").json == {"recovered": 0, "refreshed": 0, "failed": 0, "swept": 0}


def test_an_issuer_is_found_by_its_address_alone_and_not_asked_again_for_a_day(tmp_path):
    desk = Desk(tmp_path, "keeper.toml")
    with desk.keeps("chaos", "--approve", "ada") as (_, said):
        provider = Provider(said)
        refused = desk.types("connect", "try", "--issuer", said["issuer"], EVERGRANT_CONFIG="")
        assert "--config" in refused.err
        words = ("connect", "try", "--issuer", said["issuer"], "--client-id", said["client_id"], "--secret-stdin")
        connected = desk.good(
            *words,
            stdin=said["client_secret"] + "\n",
        )
        assert "wrote [keeper.client.try]" in connected.err
        assert said["client_secret"] not in (tmp_path / "keeper.toml").read_text()
        assert stat.S_IMODE((tmp_path / "try.secret").stat().st_mode) == 0o600
        assert provider.accepts(desk.good("token", "try").out.strip())
        assert desk.good("show", "try", "--json").json["subject"] == "ada"
        other = desk.types("connect", "try", "--issuer", "https://elsewhere.example")
        assert other.code == 4
    assert TOKEN.fullmatch(desk.good("token", "try").out.strip())  # the issuer is gone, and nobody had to ask it


def test_an_issuer_on_this_machine_is_refused_unless_it_is_allowed(tmp_path):
    desk = Desk(tmp_path, "keeper.toml")
    with desk.keeps("chaos", "--approve", "ada") as (_, said):
        (tmp_path / "keeper.toml").write_text(
            f'[keeper]\nloopback = false\n\n[keeper.client.try]\nissuer = "{said["issuer"]}"\nclient_id = "x"\n'
        )
        refused = desk.types("connect", "try")
    assert refused.code == 3
    assert "client try: " in refused.err
    assert "may not be asked" in refused.err


def test_the_keeper_is_served_with_keys_made_on_the_command_line(desk, provider):
    desk.good("connect", NAME)
    key = desk.good("api-key", "add", "billing", "--scope", "leases", "--scope", "connections:read", "--json").json
    record_secret(key["secret"])
    with desk.keeps("keeper", "serve", "--listen", "127.0.0.1:0") as (process, ready), requests.Session() as http:
        http.trust_env = False
        http.headers["Authorization"] = f"Bearer {key['secret']}"
        found = http.get(f"{ready['url']}/v1/connections", timeout=30).json()
        assert [one["account"] for one in found["connections"]] == ["me"]
        assert token_of(desk)
        desk.good("api-key", "revoke", key["id"], "--yes")
        deadline = time.monotonic() + 30
        while http.get(f"{ready['url']}/v1/connections", timeout=30).status_code != 401:
            assert time.monotonic() < deadline, "a revoked key is still good"
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_every_command_prints_one_json_document(desk, provider):
    (desk.folder / "tokens.jsonl").write_text(
        json.dumps({"client": NAME, "account": "other", "access_token": "x" * 20, "expires_at": 4_102_444_800}) + "\n"
    )
    filled = {f"{{folder}}/{name}": str(desk.folder / name) for name in ("tokens.jsonl", "backup", "other.db")}
    filled["{vault}"] = desk.more.get("EVERGRANT_KEEPER_VAULT_URL", str(desk.folder / "data" / "keeper.db"))
    for verb, *rest in CALLS:
        one_of_two = ["--account", "me"] if rest[:1] == [NAME] and verb in {"keeper token", "keeper show"} else []
        said = desk.types(*verb.split()[1:], *(filled.get(word, word) for word in rest), *one_of_two, "--json")
        # The database of the tests is not fit for production, for the sake of speed, and doctor says so.
        assert said.code == 0 or (verb, said.code) == ("keeper doctor", 6), said.err
        if verb == "keeper export":
            assert all(isinstance(json.loads(line), dict) for line in said.out.splitlines())
            continue
        found = said.json
        assert isinstance(found, dict | list), verb
        if verb == "keeper key rotate":
            filled["{old key}"] = found["before"]
        if verb == "keeper api-key add":
            record_secret(found["secret"])
            filled["{api key}"] = found["id"]
