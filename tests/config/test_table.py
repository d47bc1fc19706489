"""The one table: complete, documented, argued, shown without secrets, and the page made from it up to date."""

import dataclasses
import pickle
import runpy
from pathlib import Path

import pytest

from evergrant.config import RESOURCE_TABLE, TABLE, Config, load, load_with_origins
from evergrant.config.model import SECTIONS
from evergrant.config.show import show

GENERATOR = Path(__file__).parents[2] / "docs" / "generate" / "configuration.py"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"


@pytest.mark.parametrize("row", TABLE + RESOURCE_TABLE, ids=lambda row: row.path)
def test_every_key_is_documented_and_its_default_argued(row):
    for sentence in (row.doc, row.why):
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence[0].isdigit()
    assert row.kind.expects


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.path)
def test_every_default_would_be_accepted_from_the_environment(row):
    if row.secret:
        assert not row.default
        return
    written = row.kind.write(row.default)
    text = written.strip('"[]').replace('"', "")
    config = load(None, {row.variable: text})

    assert getattr(getattr(config, row.section), row.name) == row.default


def test_every_field_of_every_section_is_in_the_table():
    declared = {(section, field.name) for section, shape in SECTIONS.items() for field in dataclasses.fields(shape)}

    assert {(row.section, row.name) for row in TABLE} == declared


def test_no_two_keys_share_a_variable():
    assert len({row.variable for row in TABLE}) == len(TABLE)


def test_the_reference_page_is_up_to_date():
    generator = runpy.run_path(str(GENERATOR))

    assert generator["PAGE"].read_text(encoding="utf-8") == generator["render"](), f"run: python {GENERATOR}"


def test_every_key_is_shown_with_its_value_and_origin():
    loaded = load_with_origins(None, {"EVERGRANT_TOKENS_OVERLAP": "90"}, {})
    shown = {line.path: line for line in show(loaded)}

    assert {row.path for row in TABLE} <= set(shown)
    assert shown["tokens.overlap"].value == '"90s"'
    assert shown["tokens.overlap"].origin == "environment EVERGRANT_TOKENS_OVERLAP"
    assert shown["tokens.access_lifetime"].origin == "default"
    assert shown["scopes.openid"].value == '"Know who you are"'


def test_a_secret_is_neither_shown_nor_in_the_repr():
    loaded = load_with_origins(None, {"EVERGRANT_KEYS_KEY_ENCRYPTION_KEY": SECRET}, {})
    key = loaded.config.keys.key_encryption_key
    shown = {line.path: line for line in show(loaded)}

    assert shown["keys.key_encryption_key"].value == '"(secret)"'
    everything = repr(loaded) + repr(list(shown.values()))
    assert SECRET not in everything
    assert repr(key)[2:-1] not in everything


def test_resources_are_shown_key_by_key():
    loaded = load_with_origins(None, {"EVERGRANT_RESOURCE": '[{"identifier": "urn:a"}]'}, {})
    shown = {line.path: line for line in show(loaded)}

    assert shown["resource.0.identifier"].value == '"urn:a"'
    assert shown["resource.0.lifetime"].origin == "default"


def test_keys_are_replaced_section_by_section():
    config = Config().replace(tokens__access_lifetime=60, tokens__overlap=5, scopes={"openid": "x"})

    assert (config.tokens.access_lifetime, config.tokens.overlap) == (60, 5)
    assert config.tokens.code_lifetime == Config().tokens.code_lifetime
    assert config.scopes == {"openid": "x"}
    with pytest.raises(TypeError):
        Config().replace(tokens__acess_lifetime=60)


def test_a_configuration_travels_to_worker_processes_unchanged():
    config = Config().replace(keys__key_encryption_key=bytes(32))

    assert pickle.loads(pickle.dumps(config)) == config


def test_names_that_follow_from_several_keys_are_derived_once():
    local, remote = Config(), Config().replace(server__issuer="https://id.example.com")

    assert (local.cookie_name, remote.cookie_name) == ("evergrant", "__Host-evergrant")
    assert (local.is_secure, remote.is_secure) == (False, True)
    assert remote.default_resource == "https://id.example.com/resource"
    assert remote.replace(tokens__default_resource="urn:api").default_resource == "urn:api"
    assert remote.resource("urn:none") is None
