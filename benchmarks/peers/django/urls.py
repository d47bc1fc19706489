"""The token endpoint, the keys, and discovery (which the benchmark asks to know that the server is up)."""

from __future__ import annotations

from django.urls import include, path
from oauth2_provider import urls as oauth2_urls

urlpatterns = [path("o/", include(oauth2_urls))]
