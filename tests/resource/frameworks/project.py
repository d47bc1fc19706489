"""A Django project in this process, with the verifier that a test wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings

from evergrant.resource.frameworks.django import _made
from tests.resource.stand import API, Stand

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"], INSTALLED_APPS=["rest_framework"], LOGGING_CONFIG=None,
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    )  # fmt: skip
    django.setup()


@contextmanager
def settled(stand: Stand, **more: Any) -> Iterator[None]:
    """The setting of the product, for as long as the block runs."""
    settings.EVERGRANT = {"issuer": stand.issuer, "audience": API, "clock": stand.clock, **more}
    _made.cache_clear()
    try:
        yield
    finally:
        _made().close()
        _made.cache_clear()
