"""The keeper over HTTP: a REST API for programs, pages for people, webhooks, metrics; one ASGI application.

What lives here: who may ask (`api_keys`), what can be asked (`api`, one table of operations from which the OpenAPI
document is made), the connect pages (`pages`), the outbox of webhooks (`outbox`), what the operator sees (`metrics`).
What must not: a rule about tokens or connections (`keeper.service` and `keeper.decision`), SQL, a provider's name.
Neighbours: requests and answers as values are `evergrant.web`; the verify function for receivers of webhooks is
`evergrant.keeper.webhooks`.
"""

from evergrant.keeper.serving.application import application
from evergrant.keeper.serving.settings import Endpoint, ServingSettings

__all__ = ["Endpoint", "ServingSettings", "application"]
