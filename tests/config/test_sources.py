"""Where configuration comes from, who wins, and what a mistake is told."""

import base64
from pathlib import Path

import pytest

from evergrant.config import Config, ConfigError, load, load_with_origins


def written(folder: Path, text: str) -> Path:
    file = folder / "evergrant.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(file: Path | None = None, environment=None, overrides=None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(file, environment or {}, overrides)
    return caught.value.problems


def test_nothing_at_all_gives_the_defaults():
    assert load(None, {}) == Config()


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load(written(tmp_path, "# nothing yet\n"), {}) == Config()


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(tmp_path):
    file = written(tmp_path, "[server]\nworkers = 2\nmax_fields = 20\nmax_body = 2048\nmax_field = 1024\n")
    variables = {"EVERGRANT_SERVER_WORKERS": "3", "EVERGRANT_SERVER_MAX_FIELDS": "30"}
    loaded = load_with_origins(file, variables, {"server.workers": "4", "server.listen": None})

    server = loaded.config.server
    assert (server.workers, server.max_fields, server.max_body, server.listen) == (4, 30, 2048, "127.0.0.1:8000")
    assert loaded.origin("server.workers") == "command line"
    assert loaded.origin("server.max_fields") == "environment EVERGRANT_SERVER_MAX_FIELDS"
    assert loaded.origin("server.max_body") == f"{file}, line 4"
    assert loaded.origin("server.listen") == "default"


def test_the_environment_may_name_the_file(tmp_path):
    file = written(tmp_path, "[server]\nworkers = 2\n")

    assert load(None, {"EVERGRANT_CONFIG": str(file)}).server.workers == 2


def test_a_file_on_the_command_line_beats_the_one_in_the_environment(tmp_path):
    file = written(tmp_path, "[server]\nworkers = 2\n")

    assert load(file, {"EVERGRANT_CONFIG": "/nowhere"}).server.workers == 2


def test_paths_in_a_file_are_relative_to_the_file(tmp_path):
    file = written(tmp_path, '[store]\ndata = "here"\n[keys]\nkey_encryption_key_file = "/run/secrets/key"\n')
    config = load(file, {})

    assert config.store.data == tmp_path / "here"
    assert config.keys.key_encryption_key_file == Path("/run/secrets/key")


def test_paths_elsewhere_are_relative_to_the_working_directory():
    assert load(None, {"EVERGRANT_STORE_DATA": "there"}).store.data == Path("there")
    assert load(None, {}, {"store.data": "there"}).store.data == Path("there")


def test_an_unknown_key_names_its_line_and_the_nearest_known_key(tmp_path):
    file = written(tmp_path, '[server]\n# where\nlisen = "127.0.0.1:1"\n')

    assert problems(file) == (f'{file}, line 3: server.lisen is not a key that exists; did you mean "listen"?',)


def test_a_key_in_the_wrong_section_is_told_its_right_one(tmp_path):
    file = written(tmp_path, '[server]\naccess_lifetime = "5m"\n')

    assert problems(file) == (
        f'{file}, line 2: server.access_lifetime is not a key that exists; did you mean "tokens.access_lifetime"?',
    )


def test_a_key_above_all_sections_is_told_its_section(tmp_path):
    file = written(tmp_path, 'issuer = "https://id.example.com"\n')

    assert problems(file) == (f'{file}, line 1: issuer is not a section that exists; did you mean "server.issuer"?',)


def test_an_unknown_section_is_refused(tmp_path):
    file = written(tmp_path, "\n\n[toknes]\naccess_lifetime = 60\n")

    assert problems(file) == (f'{file}, line 3: toknes is not a section that exists; did you mean "tokens"?',)


def test_a_section_that_is_no_table_is_told_how_to_write_one(tmp_path):
    file = written(tmp_path, "server = 8000\n")

    assert problems(file) == (f"{file}, line 1: server is a section: write [server] on a line above its keys",)


def test_a_wrong_type_names_what_was_expected_and_what_was_given(tmp_path):
    file = written(tmp_path, '[server]\nworkers = "2"\nlisten = 8000\n[policy]\nobserve_only = "false"\n')

    assert problems(file) == (
        f'{file}, line 2: server.workers must be a whole number from 1 to 64, not a string ("2")',
        f'{file}, line 3: server.listen must be HOST:PORT such as "127.0.0.1:8000", not a whole number (8000)',
        f'{file}, line 5: policy.observe_only must be true or false, not a string ("false")',
    )


def test_all_problems_of_all_sources_are_told_at_once(tmp_path):
    file = written(tmp_path, '[server]\nworkers = 0\n[tokens]\nidle_lifetime = "2d"\nabsolute_lifetime = "1d"\n')
    told = problems(file, {"EVERGRANT_LOG_LEVEL": "loud"}, {"server.listen": "8000"})

    assert len(told) == 4
    assert str(ConfigError(told)) == "\n".join(told)


def test_a_key_that_cannot_be_read_is_not_accused_of_a_conflict_as_well(tmp_path):
    file = written(tmp_path, '[server]\nlisten = "0.0.0.0:80"\nissuer = "http://id.example.com"\n')

    assert len(problems(file)) == 1


def test_broken_toml_names_the_line(tmp_path):
    file = written(tmp_path, '[server]\nlisten = "127.0.0.1:8000\n')

    assert problems(file)[0].startswith(f"{file}, line 2: is not TOML: ")


def test_a_file_that_is_missing_or_not_text_is_one_sentence(tmp_path):
    assert problems(tmp_path / "none.toml") == (f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory",)
    assert problems(tmp_path) == (f"{tmp_path}: cannot be read: Is a directory",)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    assert problems(tmp_path / "latin.toml") == (f"{tmp_path / 'latin.toml'}: is not UTF-8 text (byte 5)",)


def test_lines_are_right_below_values_of_several_lines(tmp_path):
    text = (
        '[server]\ntrusted_proxies = [\n  "10.0.0.0/8", # ]\n  "::1",\n]\n\n[branding]\nname = """\nwrites = "x"\n"""\n'
        "[log]\nsampel = 1\n"
    )
    told = problems(written(tmp_path, text))

    assert [sentence.partition(": ")[0].rpartition(" ")[2] for sentence in told] == ["8", "12"]


def test_lines_are_right_for_dotted_keys_inline_tables_and_windows_ends(tmp_path):
    text = "server.workers = 0\r\n\r\nlog = { sample = -1 }\r\n[tokens]\r\noverlap = 'x'\r\n"
    told = problems(written(tmp_path, text))

    assert [sentence.partition(": ")[0].rpartition(" ")[2] for sentence in told] == ["1", "3", "5"]


def test_an_unknown_variable_is_refused_with_the_nearest_known_one():
    assert problems(environment={"EVERGRANT_SERVER_ISUER": "https://id.example.com"}) == (
        'environment EVERGRANT_SERVER_ISUER: is not a variable that exists; did you mean "EVERGRANT_SERVER_ISSUER"?',
    )


def test_variables_that_others_set_are_left_alone():
    variables = {
        "PATH": "/bin",
        "EVERGRANT_CONFIG": "",
        "EVERGRANT_TEST_CLOCK": "/tmp/offset",
        "EVERGRANT_WORKER_SETTINGS": "{}",
        "EVERGRANT_SERVICE_HOST": "10.0.0.1",
        "EVERGRANT_SERVICE_PORT_HTTP": "8000",
        "EVERGRANT_PORT": "tcp://10.0.0.1:8000",
        "EVERGRANT_PORT_8000_TCP_ADDR": "10.0.0.1",
    }

    assert load(None, variables) == Config()


def test_variables_spell_lists_with_commas_and_tables_in_json():
    variables = {
        "EVERGRANT_SERVER_EXTRA_HOSTS": "id.internal, localhost:8000",
        "EVERGRANT_SERVER_TRUSTED_PROXIES": "",
        "EVERGRANT_POLICY_OBSERVE_ONLY": "true",
        "EVERGRANT_SCOPES": '{"orders:read": "See your orders"}',
        "EVERGRANT_RESOURCE": '[{"identifier": "https://api.example.com", "scopes": ["orders:read"]}]',
    }
    config = load(None, variables)

    assert config.server.extra_hosts == ("id.internal", "localhost:8000")
    assert config.server.trusted_proxies == ()
    assert config.policy.observe_only is True
    assert config.scopes["orders:read"] == "See your orders"
    resource = config.resource("https://api.example.com")
    assert resource is not None
    assert resource.scopes == ("orders:read",)


def test_a_variable_that_holds_no_json_where_json_belongs_is_refused():
    assert problems(environment={"EVERGRANT_SCOPES": "openid"})[0].startswith(
        "environment EVERGRANT_SCOPES: must be JSON: "
    )


def test_resources_of_a_stronger_source_replace_those_of_a_weaker_one(tmp_path):
    file = written(
        tmp_path,
        '[[resource]]\nidentifier = "urn:a"\naccess_token = "opaque"\n[[resource]]\nidentifier = "urn:b"\n',
    )
    config = load(file, {"EVERGRANT_RESOURCE": '[{"identifier": "urn:c"}]'})

    assert [(one.identifier, one.access_token) for one in config.resources] == [("urn:c", "jwt")]


def test_resources_keep_the_order_of_the_file(tmp_path):
    text = "".join(f'[[resource]]\nidentifier = "urn:{n}"\n' for n in range(12))
    config = load(written(tmp_path, text), {})

    assert [one.identifier for one in config.resources] == [f"urn:{n}" for n in range(12)]


def test_a_resource_without_a_name_or_with_an_unknown_key_names_its_line(tmp_path):
    text = '[[resource]]\nidentifier = "urn:a"\n[[resource]]\nscope = ["openid"]\n'
    file = written(tmp_path, text)

    assert problems(file) == (
        f"{file}, line 3: resource.1 has no identifier, and needs one",
        f'{file}, line 4: resource.1.scope is not a key that exists; did you mean "scopes"?',
    )


def test_a_single_resource_table_is_told_how_to_write_a_list(tmp_path):
    file = written(tmp_path, '[resource]\nidentifier = "urn:a"\n')

    assert problems(file) == (f"{file}, line 1: resource may be repeated: write [[resource]] on a line above its keys",)


def test_scopes_are_added_described_anew_and_withdrawn(tmp_path):
    file = written(tmp_path, '[scopes]\n"https://x.example/a.b" = "Do x"\nprofile = "See who you are"\nphone = ""\n')
    scopes = load(file, {}).scopes

    assert scopes["https://x.example/a.b"] == "Do x"
    assert scopes["profile"] == "See who you are"
    assert "phone" not in scopes
    assert "openid" in scopes


def test_a_key_given_in_the_environment_is_decoded_and_never_repeated():
    key = bytes(range(32))
    encoded = base64.b64encode(key).decode()
    assert load(None, {"EVERGRANT_KEYS_KEY_ENCRYPTION_KEY": encoded}).keys.key_encryption_key == key

    for wrong in (encoded[:-6], "!" + encoded, encoded + encoded, "ключ"):
        (told,) = problems(environment={"EVERGRANT_KEYS_KEY_ENCRYPTION_KEY": wrong})
        assert wrong not in told
        assert "32 bytes in base64" in told


def test_the_databases_address_may_lie_in_a_file_of_its_own(tmp_path):
    (tmp_path / "database").write_text("mysql://evergrant:geheim@db.example/evergrant\n", encoding="utf-8")
    file = written(tmp_path, '[store]\nurl_file = "database"\n')

    (refused,) = problems(file)
    assert refused.startswith(f"{file}, line 2: store.url ")
    assert "geheim" not in refused
    told = problems(file, {"EVERGRANT_STORE_URL": "postgresql://db.example/other"})[0]
    assert told == f"{file}, line 2: store.url_file and store.url are both set: leave one of them out"


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read: No such file or directory"), (b"\n", "is empty"), (b"\xff", "is not UTF-8 text (byte 0)")],
)
def test_a_file_without_an_address_in_it_is_told_where_it_was_named(tmp_path, content, told):
    if content is not None:
        (tmp_path / "database").write_bytes(content)
    file = written(tmp_path, '[store]\nurl_file = "database"\n')

    (said,) = problems(file)
    assert said.startswith(f"{file}, line 2: store.url_file, {tmp_path / 'database'}")
    assert said.endswith(told)
