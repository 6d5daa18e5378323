"""The page for receivers' developers says what is so: its example is run, its figures are compared."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commerce import outbox_rows, signing
from commerce.outbox_courier import OutboxLimits
from commerce.webhook_receivers import KINDS, OVERLAP, Secrets
from recording.register import Seal

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "webhooks.md").read_text()
BODY = b'{"event":"obx_1"}'


def _verify() -> Callable[[str, dict[str, str], bytes], str | None]:
    [example] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    names: dict[str, Any] = {}
    exec(compile(example, "docs/webhooks.md", "exec"), names)  # noqa: S102 - our own page
    verify: Callable[[str, dict[str, str], bytes], str | None] = names["verify"]
    return verify


def test_the_example_takes_what_we_sign_and_nothing_else() -> None:
    verify, now = _verify(), int(time.time())
    old, new = (Secrets(b"root").of("rcv_1", version) for version in (1, 2))
    headers = signing.sign(new.encode(), "obx_1", now, BODY)
    assert verify(new, headers, BODY) == "obx_1"
    assert verify(old, headers, BODY) is None
    assert verify(new, headers, BODY + b" ") is None
    assert verify(new, headers | {signing.EVENT: "obx_2"}, BODY) is None
    assert verify(new, headers | {signing.TIME: str(now + 1)}, BODY) is None
    assert verify(new, {}, BODY) is None
    assert verify(new, signing.sign(new.encode(), "obx_1", now - 301, BODY), BODY) is None
    both = signing.sign(new.encode(), "obx_1", now, BODY, old.encode())
    assert verify(old, both, BODY) == verify(new, both, BODY) == "obx_1"


def test_the_fields_and_figures_are_the_codes() -> None:
    for kind in KINDS:
        assert f"| `{kind}` |" in DOCUMENT
    order, seal = (json.loads(sample) for sample in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))
    core = dict.fromkeys((*order, "customer", "price"), 0)
    assert set(order) == {"event", "kind", "at", *outbox_rows.partner_payload(core)}
    entered = Seal(1, "ses_1", datetime.now(UTC), 1, 0, "r", "k", "c", "p", "h")
    assert set(seal) == {"event", "kind", "at", *outbox_rows.seal_facts(entered)}
    limits = OutboxLimits()
    assert f"no answer within {limits.timeout_s:.0f} seconds" in DOCUMENT
    assert f"After {limits.attempts} attempts" in DOCUMENT
    assert f"at\n  most {limits.longest_wait_s / 60:.0f} minutes apart" in DOCUMENT
    assert f"both sign for {OVERLAP.total_seconds() / 3600:.0f} hours" in DOCUMENT
