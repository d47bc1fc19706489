"""The contract's assertions are rewritten, so that a failure shows its values."""

import pytest

pytest.register_assert_rewrite("evergrant.testing")
