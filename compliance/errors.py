"""What reviewers may be refused, and why. `wrong_state` and `recording_not_ready` are the recording's own."""

from __future__ import annotations

from core.errors import Problem

CASE_TAKEN = Problem(
    "case_taken", 409,
    "This case is with {holder}.", "该案件正由 {holder} 处理。",
    "Ask them to release it, or take another case.", "请联系对方释放案件，或处理其他案件。",
)  # fmt: skip
SECOND_PERSON_NEEDED = Problem(
    "second_person_needed", 409,
    "This needs a second person: the verdict is your own.", "需要第二人复核：该结论由您本人作出。",
    "Ask another reviewer to confirm it.", "请由另一位审核人员确认。",
)  # fmt: skip
EVIDENCE_NOT_READY = Problem(
    "evidence_not_ready", 503,
    "The evidence is being put together ({state}).", "证据包正在生成（{state}）。",
    "Ask again in a moment.", "请稍后再试。", "retry",
)  # fmt: skip
EVIDENCE_FAILED = Problem(
    "evidence_failed", 409,
    "The evidence could not be put together: {detail}.", "证据包生成失败：{detail}。",
    "Verify the recording, then ask for the evidence again.", "请先校验录制内容，再重新申请导出。", "retry",
)  # fmt: skip
VERIFICATION_BUSY = Problem(
    "verification_busy", 503,
    "Verifying took too long; other recordings may be in turn.", "校验超时，可能有其他录制正在校验。",
    "Try again in a while, or export the evidence and verify it offline.", "请稍后重试，或导出证据包后离线校验。", "retry",
)  # fmt: skip

PROBLEMS = (CASE_TAKEN, SECOND_PERSON_NEEDED, EVIDENCE_NOT_READY, EVIDENCE_FAILED, VERIFICATION_BUSY)
