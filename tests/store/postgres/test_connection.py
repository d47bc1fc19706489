"""Opening a connection: each trouble is one clear sentence, and none shows the password."""

import subprocess

import psycopg
import pytest

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import address, connect, is_address
from tests.cluster import Cluster, as_server, free_port

PASSWORD = "word/with@odd:signs"
SPELLED = "word%2Fwith%40odd%3Asigns"


def _told(url):
    with pytest.raises(StoreUnusable) as caught:
        connect(address(url)).close()
    told = str(caught.value)
    assert "\n" not in told
    for spelling in (PASSWORD, SPELLED):
        assert spelling not in told
        assert spelling not in repr(address(url))
    return told


def test_a_file_is_not_an_address():
    assert is_address("postgresql://h/d")
    assert is_address("postgres://h/d")
    for text in ("", "./evergrant-data", "sqlite:///x", "mysql://h/d"):
        assert not is_address(text)
        with pytest.raises(StoreUnusable, match="named by a URL"):
            address(text)


@pytest.mark.parametrize(
    "url", [f"postgresql://u:{PASSWORD}@h/d", f"postgresql://u:{SPELLED}@h/d?no=such", f"postgresql://u:{SPELLED}@[h/d"]
)
def test_a_url_that_cannot_be_read_is_not_quoted(url):
    with pytest.raises(StoreUnusable, match="cannot be read") as caught:
        address(url)
    trouble = caught.value
    while trouble is not None:
        assert PASSWORD not in str(trouble)
        assert SPELLED not in str(trouble)
        trouble = trouble.__cause__


@pytest.mark.parametrize("word", ["12/sec@ret", "sec@ret", "/secret", "12/secret", "se@@cret"])
def test_a_password_whose_signs_are_not_spelled_out_is_not_taken_for_a_host_or_a_database(word):
    for rest in ("", ":5432"):
        with pytest.raises(StoreUnusable, match="written as %40") as caught:
            address(f"postgresql://ada:{word}@host{rest}/house")
        assert "cret" not in str(caught.value)
    for url in ("postgresql://host/house?user=ada", "postgresql:///house", "postgresql://:secret@host/house"):
        assert address(url).parameters["dbname"] == "house"


def test_what_is_shown_of_an_address_leaves_the_password_out():
    place = address(f"postgresql://ada:{SPELLED}@db1,db2:5433/house?sslmode=verify-full")
    assert place.shown.startswith("postgresql://ada@db1")
    assert place.shown.endswith("db2:5433/house")
    assert place.parameters["password"] == PASSWORD
    assert place.parameters["target_session_attrs"] == "read-write"
    assert place.parameters["sslmode"] == "verify-full"


def test_an_address_of_version_six_is_shown_as_it_is_written():
    assert address("postgresql://ada@[2001:db8::7]:5433/house").shown == "postgresql://ada@[2001:db8::7]:5433/house"


def test_nobody_listening_is_told():
    told = _told(f"postgresql://u:{SPELLED}@127.0.0.1:{free_port()}/d")
    assert "the server cannot be reached" in told
    assert "127.0.0.1" in told


def test_a_name_that_nobody_has_is_told():
    assert "no server has that name" in _told(f"postgresql://u:{SPELLED}@no-such-host.invalid/d")


@pytest.mark.needs("postgres")
def test_a_missing_database_is_told(postgres):
    assert "there is no such database" in _told(postgres.url_of("never_made"))


@pytest.mark.needs("postgres")
def test_a_database_of_another_encoding_is_told(postgres):
    postgres.execute("CREATE DATABASE odd ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    url = postgres.url_of("odd")
    assert "encoded as LATIN1" in _told(url)
    postgres.drop(url)


@pytest.mark.needs("postgres")
def test_a_read_only_database_is_told(postgres):
    database = postgres.database()
    name = database.rpartition("/")[2]
    postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert "the database is read-only" in _told(database)
    connect(address(database), read_only=True).close()


@pytest.mark.long
@pytest.mark.needs("postgres")
def test_full_house_and_wrong_password_and_no_tls_are_told(monkeypatch):
    cluster = Cluster.start(settings={"max_connections": "5", "superuser_reserved_connections": "1"})
    try:
        cluster.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'")
        rules = cluster.folder / "data" / "pg_hba.conf"
        rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        cluster.execute("SELECT pg_reload_conf()")
        guarded = cluster.url.replace("evergrant@", f"guarded:{SPELLED}@")
        connect(address(guarded)).close()
        assert "refused this user and password" in _told(cluster.url.replace("evergrant@", "guarded:wrong@"))
        assert "refused this user and password" in _told(cluster.url.replace("evergrant@", "nobody@"))
        assert "no TLS connection" in _told(guarded + "?sslmode=require")
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        connect(address(cluster.url.replace("evergrant@", "guarded@"))).close()
        monkeypatch.delenv("PGPASSWORD")
        held = [psycopg.connect(guarded) for _ in range(4)]
        assert "out of connections" in _told(guarded)
        for one in held:
            one.close()
    finally:
        cluster.stop()


@pytest.mark.long
@pytest.mark.needs("postgres")
def test_a_certificate_that_does_not_verify_is_told(tmp_path):
    cluster = Cluster.start()
    try:
        data = cluster.folder / "data"
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=elsewhere",
                "-keyout", str(data / "server.key"), "-out", str(data / "server.crt")]  # fmt: skip
        subprocess.run(as_server(make), check=True, capture_output=True, timeout=60)
        cluster.stop_process()
        cluster.settings["ssl"] = "on"
        cluster.run()
        (tmp_path / "other.pem").write_text((data / "server.crt").read_text())
        with connect(address(f"{cluster.url}?sslmode=require")) as connection:
            assert connection.pgconn.ssl_in_use
        told = _told(f"{cluster.url}?sslmode=verify-full&sslrootcert={tmp_path / 'other.pem'}")
        assert "its certificate does not verify" in told
        told = _told(f"{cluster.url}?sslmode=verify-full&sslrootcert={tmp_path / 'missing.pem'}")
        assert "its certificate does not verify" in told
    finally:
        cluster.stop()
