"""A reply on its way from the wire to the vault: sealed together with everything it is going to be judged by."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from evergrant.keeper.connection import Intent
from evergrant.keeper.exchange import Answer
from evergrant.keeper.sealing import Sealer
from evergrant.keeper.service import requested as authorization
from evergrant.keeper.service.requested import Requested
from evergrant.keeper.service.sealed import reply_place


@dataclass(frozen=True, slots=True)
class Journalled:
    """What was asked, what the callback said beyond the RFC, and the answer exactly as received."""

    given: Requested
    kept: Mapping[str, str]
    answer: Answer


def sealed(kept: Journalled, intent: Intent, sealer: Sealer) -> bytes:
    """The envelope to journal with *intent*."""
    answer = kept.answer
    text = json.dumps(
        {
            "given": asdict(kept.given),
            "kept": dict(kept.kept),
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": b64encode(answer.body).decode("ascii"),
            "sent_at": answer.sent_at,
            "date": answer.date,
        }
    )
    return sealer.seal(text.encode(), reply_place(kept.given.tenant, intent))


def opened(intent: Intent, tenant: str, sealer: Sealer) -> Journalled:
    """What was journalled. Raises `Unreadable`."""
    read = json.loads(sealer.unseal(intent.reply, reply_place(tenant, intent)))
    answer = Answer(read["status"], read["headers"], b64decode(read["body"]), read["sent_at"], read["date"])
    return Journalled(authorization.read(read["given"]), read["kept"], answer)
