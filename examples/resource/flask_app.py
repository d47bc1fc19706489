"""flask --app flask_app run"""

from flask import Flask, g
from verifiers import AUDIENCE, ISSUER, sync_verifier

from evergrant.resource.frameworks.document import described
from evergrant.resource.frameworks.flask import Guard, describe

description = described(AUDIENCE, ISSUER, ["orders:read"])
guard = Guard(sync_verifier(description.url))

app = Flask(__name__)
describe(app, description)


@app.get("/open")
def everybody() -> dict[str, str]:
    return {"for": "everybody"}


@app.get("/orders")
@guard.requires("orders:read")
def orders() -> dict[str, str]:
    return {"for": g.access.subject}
