"""Why a sale is closed, as sentences: one table for the page's banner, the gate's refusal and the trail's reader."""

from __future__ import annotations

from typing import Final

from commerce.wire import Sale

OPEN: Final = ("Orders are being taken; this session is recorded.", "正在录制，可以下单。")

# {reason: (English, Chinese)}; the recording's reasons come from recording/coverage.py.
SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "session_not_started": ("Orders open when the session goes live.", "开播后即可下单。"),
    "session_ended": ("This session is over; orders are closed.", "本场次已结束，下单已关闭。"),
    "recording_not_started": (
        "Orders open as soon as the recording has begun.",
        "录制开始后即可下单。",
    ),
    "recording_stale": (
        "Orders are paused: the recording is not keeping up at this moment.",
        "录制暂时滞后，下单已暂停。",
    ),
    "recording_failed": (
        "Orders are paused: the recording can't be written at this moment.",
        "录制出现故障，下单已暂停。",
    ),
    "publisher_lost": (
        "Orders are paused: the connection to the picture was lost.",
        "直播画面连接中断，下单已暂停。",
    ),
}
_UNKNOWN: Final = ("Orders are paused at this moment.", "下单已暂停。")


def sentences(reason: str | None) -> tuple[str, str]:
    """English and Chinese for a reason; for None the sentence of an open sale."""
    return OPEN if reason is None else SENTENCES.get(reason, _UNKNOWN)


def sale_view(reason: str | None) -> Sale:
    """The sale as pages see it; open when there is no reason against it."""
    en, zh = sentences(reason)
    return Sale(open=reason is None, reason=reason, sentence_en=en, sentence_zh=zh)
