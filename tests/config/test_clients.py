"""The keeper's clients in the configuration: tables, their environment twins, and mistakes with their lines."""

from pathlib import Path
from typing import Final

import pytest

from evergrant.config import ConfigError, load, load_with_origins
from evergrant.config.show import show

TEXT: Final = """\
[keeper]
vault = "keeper.db"

[keeper.client.hubspot]
client_id = "6e2f"
secret_file = "hubspot.secret"
scopes = ["contacts"]

[keeper.client.hubspot.overrides]
grace = 60

[keeper.client.own]
issuer = "https://id.example.com"
client_id = "web"
"""


@pytest.fixture
def file(tmp_path) -> Path:
    written = tmp_path / "evergrant.toml"
    written.write_text(TEXT)
    return written


def problems(file: Path, text: str, environment: dict[str, str] | None = None) -> tuple[str, ...]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environment or {})
    return caught.value.problems


def test_clients_are_read_by_their_names_and_paths_are_beside_the_file(file):
    config = load(file, {})
    assert list(config.clients) == ["hubspot", "own"]
    hubspot = config.clients["hubspot"]
    assert (hubspot.client_id, hubspot.scopes, hubspot.overrides) == ("6e2f", ("contacts",), {"grace": 60})
    assert hubspot.secret_file == file.parent / "hubspot.secret"
    assert config.clients["own"].issuer == "https://id.example.com"
    assert config.keeper.vault == file.parent / "keeper.db"


def test_a_variable_sets_one_key_of_one_client_and_wins_over_the_file(file):
    said = {
        "EVERGRANT_KEEPER_CLIENT_HUBSPOT_CLIENT_ID": "other",
        "EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID": "Iv1",
        "EVERGRANT_KEEPER_CLIENT_GITHUB_APP_SECRET_FILE": "github.secret",
        "EVERGRANT_KEEPER_CLIENT_GITHUB_APP_SCOPES": "a, b",
        "EVERGRANT_KEEPER_CLIENT_GITHUB_APP_OVERRIDES": '{"grace": 5}',
    }
    config = load(file, said)
    assert config.clients["hubspot"].client_id == "other"
    assert config.clients["hubspot"].scopes == ("contacts",)
    github = config.clients["github_app"]
    assert (github.client_id, github.secret, github.secret_file) == ("Iv1", "", Path("github.secret"))
    assert (github.scopes, github.overrides) == (("a", "b"), {"grace": 5})


def test_all_clients_can_be_one_variable():
    config = load(None, {"EVERGRANT_KEEPER_CLIENT": '{"okta": {"client_id": "x"}, "box": {"client_id": "y"}}'})
    assert {name: one.client_id for name, one in config.clients.items()} == {"box": "y", "okta": "x"}


def test_secrets_are_never_shown(file):
    loaded = load_with_origins(
        file, {"EVERGRANT_KEEPER_CLIENT_OWN_SECRET": "hidden!", "EVERGRANT_KEEPER_KEYS": "hidden!"}
    )
    shown = {row.path: row for row in show(loaded)}
    assert shown["keeper.client.own.secret"].value == '"(secret)"'
    assert shown["keeper.client.own.secret"].origin == "environment EVERGRANT_KEEPER_CLIENT_OWN_SECRET"
    assert shown["keeper.client.hubspot.scopes"].origin == f"{file}, line 7"
    assert "hidden!" not in repr(loaded.config) + str(list(show(loaded)))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[keeper.client.a]\nclient = "x"\n', 2, 'a.client is not a key that exists; did you mean "client_id"?'),
        ("[keeper.client.a]\n", 1, "keeper.client.a has no client_id, and needs one"),
        ('[keeper.client.a]\nprovider = "box"\n', 2, "keeper.client.a has no client_id, and needs one"),
        ('[keeper.client."A-B"]\nclient_id = "x"\n', 1, "keeper.client.A-B must be named with lower-case letters"),
        ('[keeper]\nclient = "x"\n', 2, "keeper.client holds one table for each client"),
        ('[keeper.client.a]\nclient_id = "x"\nscopes = "s"\n', 3, "keeper.client.a.scopes must be a list"),
        ('[keeper.client.a]\nclient_id = "x"\nsecret = "s"\nsecret_file = "f"\n', 4, "are both set"),
        ('[keeper.client.a]\nclient_id = "x"\nprovider = "box"\nissuer = "https://i.example"\n', 4, "a provider and"),
        ('[keeper]\nkeys = "x"\nkeyring = "y"\n', 2, "the vault's keys come from one place"),
        ("[keeper]\nclaim = 30\n", 2, "keeper.claim must be at least"),
        ('[keeper]\nwebhook = "https://a.example"\n', 2, "go together"),
        ('[keeper]\nreturn_to = ["https://a.example/x"]\n', 2, "must be an origin, without a path"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(file, text, line, says):
    [told] = problems(file, text)
    assert told.startswith(f"{file}, line {line}: ")
    assert says in told


def test_two_clients_with_one_redirect_uri_are_refused(file):
    both = "".join(
        f'[keeper.client.{name}]\nclient_id = "x"\nredirect_uri = "https://a.example/back"\n' for name in ("a", "b")
    )
    assert len(problems(file, both)) == 2


@pytest.mark.parametrize(
    "variable", ["EVERGRANT_KEEPER_CLIENT_X", "EVERGRANT_KEEPER_CLIENT_X_IDENTITY", "EVERGRANT_KEEPER_X"]
)
def test_a_variable_that_is_none_of_ours_is_refused(variable):
    with pytest.raises(ConfigError, match="is not a variable that exists"):
        load(None, {variable: "x"})
