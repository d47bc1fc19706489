"""A Django project in one file: gunicorn django_app:app"""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from verifiers import AUDIENCE, ISSUER, arguments

from evergrant.resource.frameworks.document import described

description = described(AUDIENCE, ISSUER, ["orders:read"])
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    EVERGRANT={"issuer": ISSUER, "resource_metadata": description.url, **arguments()},
)
django.setup()

from evergrant.resource.frameworks.django import metadata, protected  # noqa: E402


def everybody(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"for": "everybody"})


@protected("orders:read")
def orders(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"for": request.access.subject})


@protected("orders:read")
async def awaited(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"for": request.access.subject})


urlpatterns = [
    path("open", everybody),
    path("orders", orders),
    path("orders/awaited", awaited),
    path(description.path.lstrip("/"), metadata(description)),
]
app = get_wsgi_application()
