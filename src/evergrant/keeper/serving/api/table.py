"""Every operation there is. Routing, scopes, the OpenAPI document and half of the tests are made from this table."""

from typing import Final

from evergrant.keeper.serving.api import answers, bodies, connecting, connections, leases, looking
from evergrant.keeper.serving.api.operation import Operation
from evergrant.keeper.serving.api_keys import Scope

_ONE: Final = "/v1/connections/{connection_id}"
_LOOK: Final = (400, 401, 403, 503)
_NAMED: Final = (400, 401, 403, 404, 503)
_TOKEN: Final = (400, 401, 403, 404, 409, 413, 415, 503)
_WRITE: Final = _TOKEN
_WHO: Final = {"client": "hubspot", "account": "user-42"}

OPERATIONS: Final = (
    Operation(
        "lease", "POST", "/v1/leases", Scope.LEASES, "An access token of an account that works now",
        leases.by_name, answers.Lease, bodies.LeaseNamed, example=_WHO, problems=_TOKEN,
    ),
    Operation(
        "lease_by_id", "POST", f"{_ONE}/lease", Scope.LEASES, "An access token of a connection that works now",
        leases.by_id, answers.Lease, bodies.LeaseWanted, example={}, problems=_TOKEN,
    ),
    Operation(
        "unauthorized", "POST", f"{_ONE}/unauthorized", Scope.LEASES,
        "Report that an API answered 401 to a token, and take a newer one",
        leases.unauthorized, answers.Lease, bodies.Unauthorized, example={"version": 7}, problems=_TOKEN,
    ),
    Operation(
        "connections", "GET", "/v1/connections", Scope.READ, "Connections, narrowed and page by page",
        connections.listed, answers.Connections, query=bodies.Listing, problems=_LOOK,
    ),
    Operation(
        "connection", "GET", _ONE, Scope.READ, "One connection", connections.shown, answers.Connection, problems=_NAMED,
    ),
    Operation(
        "change", "PATCH", _ONE, Scope.WRITE, "Change its label and tags",
        connections.changed, answers.Connection, bodies.Changes,
        example={"label": "Sales portal", "tags": {"team": "blue", "old": None}}, problems=_WRITE,
    ),
    Operation(
        "disconnect", "DELETE", _ONE, Scope.WRITE, "End it here at once, and at the provider as soon as it can be told",
        connections.disconnected, answers.Connection, query=bodies.Farewell, problems=_WRITE,
    ),
    Operation(
        "what_ends", "GET", f"{_ONE}/what-ends", Scope.READ, "What disconnecting would end",
        connections.what_ends, answers.Ends, problems=_NAMED,
    ),
    Operation(
        "refresh", "POST", f"{_ONE}/refresh", Scope.WRITE, "Refresh now, whatever the age of the token",
        connections.refreshed, answers.Connection, bodies.LeaseWanted, example={}, problems=_WRITE,
    ),
    Operation(
        "reconnect_link", "POST", f"{_ONE}/reconnect-link", Scope.WRITE,
        "A link on which its user, signed in to the application now, allows it again",
        connecting.reconnecting, answers.Link, bodies.Missing, status=201,
        example={"scopes": ["crm.objects.contacts.write"]}, problems=_WRITE,
    ),
    Operation(
        "quarantine", "POST", f"{_ONE}/quarantine", Scope.ADMIN, "Hand out no token of it until it is released",
        connections.quarantined, answers.Connection, bodies.Detail, example={"detail": "ticket 512"}, problems=_WRITE,
    ),
    Operation(
        "release", "POST", f"{_ONE}/release", Scope.ADMIN, "End its quarantine",
        connections.released, answers.Connection, bodies.Detail, example={"detail": "looked at"}, problems=_WRITE,
    ),
    Operation(
        "connect_link", "POST", "/v1/connect-links", Scope.WRITE,
        "A link to the hosted pages for a user who is signed in to the application now",
        connecting.invited, answers.Link, bodies.ConnectLink, status=201,
        example={"user": "user-42", "label": "Ada", "clients": ["hubspot"]}, problems=_WRITE,
    ),
    Operation(
        "begin", "POST", "/v1/authorizations", Scope.WRITE,
        "Where to send a browser, for applications with a callback of their own",
        connecting.begun, answers.Link, bodies.Begin, status=201, example={**_WHO, "return_to": "/settings"},
        problems=_WRITE,
    ),
    Operation(
        "finish", "POST", "/v1/authorizations/finish", Scope.WRITE,
        "Finish it with the address that the browser came back to",
        connecting.finished, answers.Connected, bodies.Finish,
        example={"callback_url": "https://app.example/callback/hubspot?code=…&state=…", "user": "user-42"},
        problems=_WRITE,
    ),
    Operation(
        "device", "POST", "/v1/devices", Scope.WRITE, "Connect with a code that the user types on another device",
        connecting.device_begun, answers.Device, bodies.Device, status=201, example=_WHO, problems=_WRITE,
    ),
    Operation(
        "device_state", "GET", "/v1/devices/{device}", Scope.WRITE, "How connecting that device stands",
        connecting.device_shown, answers.Device, problems=_NAMED,
    ),
    Operation(
        "import", "POST", "/v1/imports", Scope.WRITE, "Take over existing tokens without spending them",
        connecting.imported, answers.Connection, bodies.Import, status=201,
        example={**_WHO, "refresh_token": "…", "scopes": ["crm.objects.contacts.read"]}, problems=_WRITE,
    ),
    Operation(
        "providers", "GET", "/v1/providers", Scope.READ, "What can be connected here",
        looking.providers, answers.Providers, problems=_LOOK,
    ),
    Operation(
        "events", "GET", "/v1/events", Scope.EVENTS, "The audit trail of the tenant, oldest first",
        looking.events, answers.Events, query=bodies.Trail, problems=_LOOK,
    ),
    Operation(
        "webhooks", "GET", "/v1/webhooks", Scope.ADMIN, "Webhooks that have not arrived, parked ones too",
        looking.letters, answers.Letters, problems=_LOOK,
    ),
    Operation(
        "webhook_again", "POST", "/v1/webhooks/{letter_id}/send", Scope.ADMIN, "Try a parked webhook again",
        looking.letter_sent_again, answers.Letter, bodies.Nothing, problems=_NAMED,
    ),
    Operation(
        "keys", "GET", "/v1/api-keys", Scope.ADMIN, "The API keys of the tenant, without their texts",
        looking.keys, answers.Keys, problems=_LOOK,
    ),
    Operation(
        "key_made", "POST", "/v1/api-keys", Scope.ADMIN, "Make an API key; its text is in this answer and nowhere else",
        looking.key_made, answers.MadeKey, bodies.NewKey, status=201,
        example={"name": "billing", "scopes": ["leases", "connections:read"]}, problems=_WRITE,
    ),
    Operation(
        "key_ended", "DELETE", "/v1/api-keys/{key_id}", Scope.ADMIN, "Revoke an API key",
        looking.key_ended, answers.Key, problems=_NAMED,
    ),
)  # fmt: skip
