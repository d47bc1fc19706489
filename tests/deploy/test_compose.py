"""The compose file: what the specification allows, what a linter asks for, and settings that exist."""

import re
import subprocess
import sys
from pathlib import Path

import compose_spec
import pytest

from tests.deploy.reading import DEPLOY, documents, settings

FILE = DEPLOY / "compose" / "compose.yaml"
(COMPOSE,) = documents(FILE)
SERVICES = COMPOSE["services"]
ISSUERS = [name for name in SERVICES if name.startswith("issuer-")]


def test_the_specification_allows_all_of_it():
    compose_spec.PyOptions(apply_merge=True).from_yaml(FILE.read_text(encoding="utf-8")).validate()


def test_the_specification_would_have_refused_a_misspelt_key():
    wrong = FILE.read_text(encoding="utf-8").replace("start_period", "start_perod")
    with pytest.raises(ValueError, match="start_perod"):
        compose_spec.PyOptions(apply_merge=True).from_yaml(wrong)


def test_the_linter_finds_nothing_grave():
    command = [Path(sys.executable).with_name("compose-lint"), "--fail-on", "high", FILE]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stdout


def test_every_file_that_it_mounts_is_there_or_is_told_how_to_make():
    told = (FILE.parent / "README.md").read_text(encoding="utf-8")
    assert all((FILE.parent / each["file"]).is_file() for each in COMPOSE["configs"].values())
    for each in COMPOSE["secrets"].values():
        assert each["file"].removeprefix("./") in told
        assert not (FILE.parent / each["file"]).exists(), "a secret lies in the repository"


@pytest.mark.parametrize("name", ISSUERS)
def test_the_issuers_settings_exist_and_name_the_secrets_that_are_mounted(tmp_path, name):
    config = settings(tmp_path, FILE.parent / "evergrant.toml", {}, "/run/secrets")
    assert {config.store.url_file.name, config.keys.key_encryption_key_file.name} == set(SERVICES[name]["secrets"])
    assert config.store.url.startswith("postgresql://")
    proxied = COMPOSE["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert [str(network) for network in config.server.trusted_proxies] == [proxied]


def test_the_proxy_knows_every_issuer_by_its_port_and_passes_the_host_on():
    proxy = (FILE.parent / "nginx.conf").read_text(encoding="utf-8")
    assert sorted(re.findall(r"server (\S+):8000", proxy)) == ISSUERS
    assert "proxy_set_header Host $host;" in proxy


def test_it_is_killed_only_after_it_could_have_stopped(tmp_path):
    grace = settings(tmp_path, FILE.parent / "evergrant.toml", {}, "/run/secrets").server.shutdown_grace
    assert all(int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > grace for name in ISSUERS)
