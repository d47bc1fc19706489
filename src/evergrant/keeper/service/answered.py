"""An answer to a refresh as it is journalled: whatever of it a later reading may need, sealed to its intent."""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Final

from evergrant.keeper.connection import Intent
from evergrant.keeper.exchange import Answer
from evergrant.keeper.sealing import Sealer, Unreadable
from evergrant.keeper.service.sealed import reply_place

KEPT: Final = ("content-type", "retry-after", "www-authenticate")
"""The headers that a verdict may depend on."""


def seal(sealer: Sealer, tenant: str, intent: Intent, answer: Answer) -> bytes:
    """The whole answer, sealed."""
    said = {
        "status": answer.status,
        "headers": {name: answer.headers[name] for name in KEPT if name in answer.headers},
        "body": b64encode(answer.body).decode("ascii"),
        "sent_at": answer.sent_at,
        "date": answer.date,
    }
    return sealer.seal(json.dumps(said).encode(), reply_place(tenant, intent))


def unsealed(sealer: Sealer, tenant: str, intent: Intent) -> list[Answer]:
    """The answers journalled for *intent*, the latest first; those that do not open are left out."""
    replies = [intent.reply, *reversed(intent.earlier)]
    found = (_unsealed(sealer, tenant, intent, reply) for reply in replies if reply)
    return [answer for answer in found if answer is not None]


def _unsealed(sealer: Sealer, tenant: str, intent: Intent, reply: bytes) -> Answer | None:
    try:
        said = json.loads(sealer.unseal(reply, reply_place(tenant, intent)))
        return Answer(said["status"], said["headers"], b64decode(said["body"]), said["sent_at"], said["date"])
    except (Unreadable, ValueError, KeyError, NotBase64):
        return None
