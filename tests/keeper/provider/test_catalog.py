"""The catalogue: what is shipped, what a deployment adds, what it says of a provider that there is not."""

import pytest

from evergrant.keeper.errors import UnknownProvider
from evergrant.keeper.provider.catalog import Catalog


def test_an_unknown_id_is_told_what_is_near() -> None:
    with pytest.raises(UnknownProvider, match='did you mean "hubspot"') as caught:
        Catalog.shipped().get("hubspt")
    assert caught.value.near == ("hubspot",)
