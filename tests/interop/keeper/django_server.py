"""django-oauth-toolkit in a process of its own, as its tutorial sets it up: OpenID Connect, rotation, a login page.

Its models and views ask `django.utils.timezone.now` for the time, so that is simulated too. Passwords are hashed
cheaply, since nobody here guesses any.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from tests.interop.keeper.serving import Told, serve, told

GRACE = 120
LOGIN = '<form method="post">{% csrf_token %}{{ form }}<input type="submit" value="Sign in"></form>'
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
APPS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider")


def configured(what: Told) -> None:
    """Settings, tables, one person and one client."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings.configure(
        SECRET_KEY="of one test run", ALLOWED_HOSTS=["127.0.0.1"], USE_TZ=True, ROOT_URLCONF=__name__,
        LOGIN_URL="/login/", STATIC_URL="/static/", LOGGING_CONFIG=None, INSTALLED_APPS=APPS, MIDDLEWARE=MIDDLEWARE,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", DATABASES={"default": _database(Path(what.folder))},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"], TEMPLATES=[_templates()],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True, "OIDC_ISS_ENDPOINT": what.issuer, "OIDC_RSA_PRIVATE_KEY": pem.decode(),
            "ROTATE_REFRESH_TOKEN": True, "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 86_400,
            "ACCESS_TOKEN_EXPIRE_SECONDS": 3_600, "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": GRACE,
            "SCOPES": {"openid": "Know who you are"},
        },
    )  # fmt: skip
    django.setup()
    from django.contrib.auth import get_user_model
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user(what.name, password=what.password)
    Application.objects.create(
        name="The keeper", client_id=what.client_id, client_secret=what.client_secret,
        client_type=Application.CLIENT_CONFIDENTIAL, redirect_uris=what.redirect_uri,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE, algorithm=Application.RS256_ALGORITHM,
    )  # fmt: skip


def _database(folder: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "django.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    }


def _templates() -> dict[str, Any]:
    loaders = ["django.template.loaders.app_directories.Loader"]
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"login.html": LOGIN}), *loaders],
            "context_processors": ["django.template.context_processors.request"],
        },
    }


if __name__ == "__main__":
    what = told()
    timezone.now = lambda: datetime.fromtimestamp(time.time(), UTC)
    configured(what)
    from django.contrib.auth.views import LoginView
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path
    from oauth2_provider import urls

    urlpatterns = [
        path("login/", LoginView.as_view(template_name="login.html")),
        path("o/", include(urls, namespace="oauth2_provider")),
        path("", include((urls.metadata_urlpatterns, "at_the_root"))),
    ]
    serve(get_wsgi_application())
