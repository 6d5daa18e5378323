"""What everybody in a session is told when something happens to it, in both languages."""

from __future__ import annotations

from typing import Final

# {kind of notice: (English, Chinese)}
NOTICES: Final[dict[str, tuple[str, str]]] = {
    "publisher_lost": (
        "The picture was lost for a moment; it comes back by itself. What you entered is kept.",
        "画面暂时中断，将自动恢复，您填写的内容会保留。",
    ),
    "publisher_back": ("The picture is back.", "画面已恢复。"),
    "recording_failed": (
        "The recording can't be written at this moment, so orders are paused. You can go on watching.",
        "录制出现故障，下单已暂停，您可以继续观看。",
    ),
    "recording_recovered": ("The recording works again.", "录制已恢复。"),
    "media_restarted": (
        "The video service was restarted; the picture reconnects by itself.",
        "视频服务已重启，画面将自动重新连接。",
    ),
    "disclosure_confirmed": ("The customer has read and confirmed the disclosure.", "客户已阅读并确认风险揭示。"),
    "adviser_away": (
        "Your adviser's page lost its connection; please stay, the call goes on.",
        "顾问的页面连接中断，请稍候，通话仍在继续。",
    ),
    "adviser_back": ("Your adviser is back.", "顾问已恢复连接。"),
}
