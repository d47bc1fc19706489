"""Static files: found by the name that holds their hash, and by no other."""

from hashlib import sha256

import pytest

from evergrant.web.look.assets import static_file, static_path


@pytest.mark.parametrize(
    ("name", "kind"), [("evergrant.css", "text/css; charset=utf-8"), ("mark.svg", "image/svg+xml")]
)
def test_a_file_is_served_under_the_hash_of_its_content(name: str, kind: str) -> None:
    path = static_path(name)
    file = static_file(path.removeprefix("/static/"))
    assert file is not None
    body, content_type, etag = file
    digest = sha256(body).hexdigest()[:8]
    stem, ending = name.split(".")
    assert (path, content_type, etag) == (f"/static/{stem}.{digest}.{ending}", kind, f'"{digest}"')


@pytest.mark.parametrize(
    "name", ["evergrant.css", "", ".", "..", "../view.py", "..%2fview.py", "/etc/passwd", "mark.svg\0", "templates"]
)
def test_s_16_no_other_name_finds_a_file(name: str) -> None:
    assert static_file(name) is None


def test_the_mark_holds_no_script_and_loads_nothing() -> None:
    mark = static_file(static_path("mark.svg").removeprefix("/static/"))
    assert mark is not None
    for word in (b"script", b"href", b"style", b"onload", b"url("):
        assert word not in mark.body
