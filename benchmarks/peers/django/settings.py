"""django-oauth-toolkit with what a refresh needs and nothing else.

Rotation is on (its default). It signs ID tokens with RS256 or HS256 only, and HS256 is refused for public clients: so
RS256 with a 2048-bit key, its documented choice. Its access tokens are opaque, so it signs once per refresh where the
others sign twice. SQLite is set as kindly as durability allows: WAL, synchronous=FULL, one connection kept open. On
PostgreSQL it keeps its one connection too, and asks for no check of it between requests.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_profile = json.loads(os.environ["BENCH_PROFILE"])
_home = Path(_profile["workdir"])

SECRET_KEY = "only for the benchmark"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
LOGGING_CONFIG = None

_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": _home / "django.sqlite3",
    "CONN_MAX_AGE": None,
    "OPTIONS": {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    },
}
_POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_MAX_AGE": None,
    "CONN_HEALTH_CHECKS": False,
    **_profile.get("postgres", {}),
}
DATABASES = {"default": _POSTGRES if "postgres" in _profile else _SQLITE}

OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{_profile['port']}/o",
    "OIDC_RSA_PRIVATE_KEY": (_home / "django-rsa.pem").read_text(),
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_EXPIRE_SECONDS": _profile["refresh_token_seconds"],
    "ACCESS_TOKEN_EXPIRE_SECONDS": _profile["access_token_seconds"],
    "ID_TOKEN_EXPIRE_SECONDS": _profile["access_token_seconds"],
    "SCOPES": {scope: scope for scope in _profile["scope"].split()},
}
