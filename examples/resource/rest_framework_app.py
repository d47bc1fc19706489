"""Django REST framework in one file: gunicorn rest_framework_app:app"""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path
from verifiers import AUDIENCE, ISSUER, arguments

from evergrant.resource.frameworks.document import described

description = described(AUDIENCE, ISSUER, ["orders:read"])
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    EVERGRANT={"issuer": ISSUER, "resource_metadata": description.url, **arguments()},
)
django.setup()

from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from evergrant.resource.frameworks.django import metadata  # noqa: E402
from evergrant.resource.frameworks.rest_framework import Bearer, needs  # noqa: E402


class Everybody(APIView):
    authentication_classes = ()

    def get(self, _: Request) -> Response:
        return Response({"for": "everybody"})


class Orders(APIView):
    authentication_classes = (Bearer,)
    permission_classes = (needs("orders:read"),)

    def get(self, request: Request) -> Response:
        return Response({"for": request.auth.subject})


urlpatterns = [
    path("open", Everybody.as_view()),
    path("orders", Orders.as_view()),
    path(description.path.lstrip("/"), metadata(description)),
]
app = get_wsgi_application()
