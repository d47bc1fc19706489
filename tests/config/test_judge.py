"""Values that contradict each other, and issuers that nobody could trust."""

import pytest

from evergrant.config import ConfigError, load


def sentences(**overrides: object) -> list[str]:
    """Load with keys given as on the command line and return what is wrong, without the place."""
    options = {name.replace("__", "."): value for name, value in overrides.items()}
    try:
        load(None, {}, options)
    except ConfigError as error:
        return [problem.removeprefix("command line: ") for problem in error.problems]
    return []


def test_r8414_2_a_an_issuer_that_others_can_reach_has_to_be_named():
    (told,) = sentences(server__listen="0.0.0.0:8000")

    assert told.startswith("server.issuer is needed, because server.listen (0.0.0.0:8000) is open to other machines")
    assert sentences(server__listen="0.0.0.0:8000", server__issuer="https://id.example.com") == []


@pytest.mark.parametrize("listen", ["127.0.0.1:8000", "127.9.9.9:0", "localhost:8000", "[::1]:8000"])
def test_on_loopback_the_issuer_is_the_address(listen):
    assert load(None, {}, {"server.listen": listen}).issuer == f"http://{listen}"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example.com",
        "https://id.example.com:8443",
        "https://example.com/tenant",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://app.localhost:3000",
        "http://[::1]:8000",
    ],
)
def test_an_issuer_that_clients_can_compare_is_accepted(issuer):
    assert sentences(server__issuer=issuer) == []


@pytest.mark.parametrize(
    ("issuer", "because"),
    [
        ("http://id.example.com", "must begin with https://"),
        ("http://10.0.0.1", "must begin with https://"),
        ("http://localhost.example.com", "must begin with https://"),
        ("https://id.example.com/", 'must not end with a slash: write "https://id.example.com"'),
        ("https://id.example.com?x=1", "no query"),
        ("https://id.example.com?", "no query"),
        ("https://id.example.com#", "no fragment"),
        ("https://ID.example.com", "lower case"),
        ("https://münchen.example", "ASCII"),
        ("https://id.example.com/a b", "ASCII"),
        ("https://user@id.example.com", "without a user name"),
        ("https://", "must be an https:// address"),
        ("https://id.example.com:99999", "must be an https:// address"),
        ("https://[::1", "must be an https:// address"),
        ("id.example.com", "must be an https:// address"),
        ("ftp://id.example.com", "must be an https:// address"),
        ("https://id.example.com/..", "dot segments"),
    ],
)
def test_r8414_2_a_an_issuer_that_clients_cannot_compare_is_refused(issuer, because):
    (told,) = sentences(server__issuer=issuer)

    assert because in told


@pytest.mark.parametrize(
    "listen", ["8000", ":8000", "host:", "host:http", "127.0.0.1:65536", "::1:8000", "[::1]", "", "a:-1"]
)
def test_an_address_that_is_not_host_and_port_is_refused(listen):
    (told,) = sentences(server__listen=listen)

    assert "HOST:PORT" in told


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({"tokens__idle_lifetime": "60d"}, {"tokens__absolute_lifetime": "50d"}),
        ({"tokens__max_idle_lifetime": "20d"}, {}),
        ({"tokens__absolute_lifetime": "366d"}, {}),
        ({"tokens__overlap": "1h"}, {"tokens__until_used_max": "59m"}),
        ({"session__idle_lifetime": "91d"}, {}),
        ({"throttle__max_delay": "2h"}, {}),
        ({"throttle__base_delay": "16m"}, {}),
        ({"keys__publish_before": "2d"}, {"keys__rotate_every": "1d"}),
        ({"server__max_field": "128KiB"}, {}),
        ({"keys__retire_after": "5m"}, {"tokens__id_token_lifetime": "60"}),
    ],
)
def test_limits_that_contradict_each_other_are_refused(smaller, larger):
    told = sentences(**smaller, **larger)

    assert len(told) == 1
    assert "must not be larger than" in told[0]


def test_a_key_and_a_key_file_together_are_refused():
    told = sentences(keys__key_encryption_key="AA" * 21 + "A", keys__key_encryption_key_file="/run/secrets/key")

    assert told == ["keys.key_encryption_key_file and keys.key_encryption_key are both set: leave one of them out"]


def test_a_database_that_is_not_served_is_one_sentence_without_its_password():
    (told,) = sentences(store__url="mysql://u:hunter2@h/d")

    assert "must begin with postgresql://" in told
    assert "hunter2" not in told
    assert sentences(store__url="postgresql://u:hunter2@h/d") == []


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ({"vault_url": "mysql://u:hunter2@h/d", "keys_file": "k"}, "must be an address as in postgresql://"),
        ({"vault_url": "postgresql://u:hunter2@h/d"}, "needs keeper.keys_file, keeper.keys or keeper.keyring"),
        ({"vault_url": "postgresql://u:hunter2@h/d", "keys_file": "k", "vault": "v.db"}, "are both set"),
        ({"vault": "postgresql://u:hunter2@h/d"}, "a database's address is keeper.vault_url"),
    ],
)
def test_a_vault_that_is_two_things_or_none_is_one_sentence_without_its_password(given, because):
    (told,) = sentences(**{f"keeper__{name}": value for name, value in given.items()})

    assert because in told
    assert "hunter2" not in told
    assert sentences(keeper__vault_url="postgresql://u:hunter2@h/d", keeper__keys_file="k") == []


def test_a_scope_that_nobody_could_read_on_the_consent_page_is_refused():
    with pytest.raises(ConfigError) as caught:
        load(None, {"EVERGRANT_RESOURCE": '[{"identifier": "urn:a", "scopes": ["orders:read"]}]'})

    assert caught.value.problems == (
        (
            'environment EVERGRANT_RESOURCE: scope "orders:read" has no description for the consent page: '
            'add "orders:read" = "…" to [scopes]'
        ),
    )


def test_a_resource_declared_twice_is_refused():
    with pytest.raises(ConfigError, match='"urn:a" is declared more than once'):
        load(None, {"EVERGRANT_RESOURCE": '[{"identifier": "urn:a"}, {"identifier": "urn:a"}]'})


def test_openid_cannot_be_withdrawn():
    with pytest.raises(ConfigError, match="cannot be withdrawn"):
        load(None, {"EVERGRANT_SCOPES": '{"openid": ""}'})


def test_a_cookie_name_that_the_browser_would_drop_is_refused():
    assert len(sentences(session__cookie_name="__Host-mine")) == 1
    assert sentences(session__cookie_name="__Host-mine", server__issuer="https://id.example.com") == []
