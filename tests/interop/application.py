"""An application without any OAuth library: what it sends is written down here, parameter by parameter."""

import base64
import hashlib
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import requests

from tests.interop.server import Registered, Server
from tests.secrecy import record_secrets_in

VERIFIER: Final = "a-verifier-that-forty-three-letters-are-enough-for"
SCOPE: Final = "openid profile email offline_access"


class Application:
    """One registered client at one server. *agent* is how it names itself."""

    def __init__(self, server: Server, client: Registered, agent: str = "Application/1.0") -> None:
        self.server, self.client, self.agent = server, client, agent

    def authorize_url(self, **asked: str) -> str:
        """The address a browser is sent to; a parameter that is asked for as "" is left out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        wanted = {
            "client_id": self.client.id, "redirect_uri": self.client.redirect_uri, "response_type": "code",
            "scope": SCOPE, "state": "s", "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256",
            **asked,
        }  # fmt: skip
        kept = {name: value for name, value in wanted.items() if value}
        return str(requests.Request("GET", f"{self.server.issuer}/authorize", params=kept).prepare().url)

    def token(self, **form: str) -> requests.Response:
        """One request to the token endpoint, as the client is registered."""
        auth = (self.client.id, self.client.secret) if self.client.secret else None
        named = form if auth else {"client_id": self.client.id, **form}
        url, headers = f"{self.server.issuer}/token", {"user-agent": self.agent}
        answer = requests.post(url, data=named, auth=auth, headers=headers, timeout=60)
        record_secrets_in(answer.text)
        return answer

    def redeem(self, back: str) -> Any:
        """The tokens for the code in the address that the browser came back to."""
        said = answered(back)
        assert (said["state"], said["iss"]) == ("s", self.server.issuer)
        reply = self.token(grant_type="authorization_code", code=said["code"], code_verifier=VERIFIER)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def refresh(self, text: str, **more: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=text, **more)


def answered(url: str) -> dict[str, str]:
    """The parameters of a client's address."""
    return dict(parse_qsl(urlsplit(url).query))
