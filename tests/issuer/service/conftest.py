"""What the tests here begin with: an issuer with Ada."""

import pytest

pytest.register_assert_rewrite("tests.issuing")

from tests.issuing_fixtures import apis, both, issuer  # noqa: E402

__all__ = ["apis", "both", "issuer"]
