"""Why something about deliveries and receivers can't be done."""

from __future__ import annotations

from core.errors import Problem

NOT_DEAD = Problem(
    "delivery_not_dead", 409,
    "This delivery is {state}: only one that was given up can be sent again.",
    "该推送当前状态为 {state}，只有已停止的推送可以重新发送。",
    "Look at the list for how it stands.", "请在列表中查看最新状态。",
)  # fmt: skip
URL_UNFIT = Problem(
    "receiver_url_unfit", 422,
    "Nothing can be sent to this address: it must be https, a public host, and without user name or fragment.",
    "无法向该地址推送：须为公网可达的 https 地址，且不含用户名和片段。",
    "Ask the partner for the address of their receiver.", "请向合作方确认接收地址。", "retry",
)  # fmt: skip
RECEIVERS_FULL = Problem(
    "receivers_full", 409,
    "There are {most} receivers already, as many as there can be.", "接收方已达上限（{most} 个）。",
    "Give one that is no longer used to the new partner.", "请将不再使用的接收方改为新的合作方。",
)  # fmt: skip

PROBLEMS = (NOT_DEAD, URL_UNFIT, RECEIVERS_FULL)
