"""The text a customer agrees to before a call is recorded. A changed text needs a new version; old ones stay for the record."""

from __future__ import annotations

from dataclasses import dataclass

from core.canonical import canonical, sha256_hex


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One version of the text, in both languages; `sha256` of the canonical JSON of both goes on the trail."""

    version: str
    en: str
    zh: str

    @property
    def sha256(self) -> str:
        return sha256_hex(canonical({"en": self.en, "version": self.version, "zh": self.zh}))


TEXTS: tuple[ConsentText, ...] = (
    ConsentText(
        "1",
        en=(
            "This conversation is recorded in picture and sound from the moment you agree until it ends, together with what is "
            "shown and ordered in it. The recording proves what was said, protects both sides, and is kept as long as the law "
            "asks: at least five years. Only the bank's reviewers and those the law names may see it. You may ask for a copy. "
            "Without recording we can't advise you by video or take an order here; you are free to leave at any time."
        ),
        zh=(
            "自您同意之时起至通话结束，本次通话的音视频以及其间展示和下单的内容将被全程记录。录音录像用于如实还原沟通过程、"
            "保护双方权益，并按法律法规要求保存，至少五年；仅限本行审核人员及依法有权的机构查阅，您可以申请获取副本。"
            "如您不同意录音录像，我们将无法通过视频为您提供咨询或受理交易；您可以随时结束通话。"
        ),
    ),
)

CURRENT = TEXTS[-1]


def by_version(version: str) -> ConsentText | None:
    """The text of that version; None when there never was one."""
    return next((text for text in TEXTS if text.version == version), None)
