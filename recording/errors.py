"""What the recording refuses, each with its sentence and next step.

TrailSealed  the trail has its signed end; write to `after_trail(session_id)` instead
BrokenTrail  the stored trail contradicts itself: nothing may be sealed over it, a person has to look
"""

from __future__ import annotations

from core.errors import Problem, Refused

WRONG_STATE = Problem(
    "wrong_state", 409,
    "This can't be done now: the state is {state}, and {event} does not follow it.",
    "当前状态为 {state}，无法执行 {event}。",
    "Reload the page to see how things stand.", "请刷新页面查看最新状态。", "retry",
)  # fmt: skip
TRAIL_SEALED = Problem(
    "trail_sealed", 409,
    "The record of this session is closed and signed; nothing can be added to it.",
    "本场次的记录已封存，无法再写入。",
    "Start from the lobby; what you see here can only be watched.", "请从首页重新开始，此处内容仅供回看。", "lobby",
)  # fmt: skip
RECORDING_NOT_READY = Problem(
    "recording_not_ready", 409,
    "The recording of this session is still being prepared.", "本场次的录像仍在处理中。",
    "Try again in a minute.", "请稍后再试。", "retry",
)  # fmt: skip

PROBLEMS = (WRONG_STATE, TRAIL_SEALED, RECORDING_NOT_READY)


class TrailSealed(Refused):
    """Something was to be appended to a sealed trail; nothing was changed."""

    def __init__(self, session_id: str) -> None:
        super().__init__(TRAIL_SEALED, session=session_id)
        self.session_id = session_id


class BrokenTrail(Exception):  # noqa: N818 - it names the finding
    """What the database holds is not one contiguous chain; `finding` says where it breaks."""

    def __init__(self, session_id: str, finding: str) -> None:
        super().__init__(f"{session_id}: {finding}")
        self.session_id = session_id
        self.finding = finding
