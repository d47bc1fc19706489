"""Make the database, the client, a user and one refresh token per connection; print the tokens as JSON.

Minted through the library's own models, so that what follows over HTTP is exactly what follows a code exchange.
"""

from __future__ import annotations

import json
import os
import secrets
import uuid
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402


def mint(profile: dict[str, object]) -> list[str]:
    call_command("migrate", verbosity=0)
    client = Application.objects.create(
        name="bench",
        client_id=profile["client_id"],
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=profile["redirect_uri"],
        algorithm=Application.RS256_ALGORITHM,
    )
    user = get_user_model().objects.create(username="bench", last_login=timezone.now())
    tokens = []
    with transaction.atomic():
        for _ in range(int(str(profile["families"]))):
            access = AccessToken.objects.create(
                user=user,
                application=client,
                token=secrets.token_urlsafe(32),
                expires=timezone.now() + timedelta(seconds=int(str(profile["access_token_seconds"]))),
                scope=profile["scope"],
            )
            refresh = RefreshToken.objects.create(
                user=user,
                application=client,
                token=secrets.token_urlsafe(32),
                access_token=access,
                token_family=uuid.uuid4(),
            )
            tokens.append(refresh.token)
    return tokens


if __name__ == "__main__":
    print(json.dumps(mint(json.loads(os.environ["BENCH_PROFILE"]))))
