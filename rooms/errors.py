"""What rooms refuse, each with its sentence and next step. Sessions' own refusals are in `recording/errors.py`."""

from __future__ import annotations

from core.errors import Problem

COMMENT_TOO_LONG = Problem(
    "comment_too_long", 400,
    "A comment has 1 to {max} characters; this one has {length}.", "评论长度须为 1 至 {max} 个字符，当前为 {length} 个。",
    "Shorten it and send it again.", "请修改后重新发送。", "retry",
)  # fmt: skip
COMMENT_BLOCKED = Problem(
    "comment_blocked", 422,
    "This comment can't be shown:“{term}” promises what no product here may promise ({source}).",
    "评论未能发布：“{term}”属于不得使用的承诺性用语（{source}）。",
    "Word it differently; what you typed is kept.", "请换一种说法，您输入的内容已保留。", "retry",
)  # fmt: skip
COMMENT_TOO_FAST = Problem(
    "comment_too_fast", 429,
    "You are sending comments faster than others can read them; wait {wait_s} s.", "您发送评论过快，请等待 {wait_s} 秒。",
    "Send it again in a moment; what you typed is kept.", "请稍后再发送，您输入的内容已保留。", "retry",
)  # fmt: skip
COMMENT_SLOW = Problem(
    "comment_slow", 429,
    "This show takes one comment every {slow_s} s from each of us; wait {wait_s} s.",
    "本场直播每人每 {slow_s} 秒可发一条评论，请等待 {wait_s} 秒。",
    "Send it again in a moment; what you typed is kept.", "请稍后再发送，您输入的内容已保留。", "retry",
)  # fmt: skip
COMMENT_MUTED = Problem(
    "comment_muted", 403,
    "A moderator has muted you in this show.", "管理员已对您禁言。",
    "You can go on watching and buying; to be heard, talk to an adviser.", "您仍可观看和购买；如需沟通，请联系顾问。", "call",
)  # fmt: skip
BANNED = Problem(
    "banned", 403,
    "A moderator has asked you to leave this show.", "管理员已将您移出本场直播。",
    "See the lobby for other shows, or talk to an adviser.", "请到首页查看其他直播，或联系顾问。", "lobby",
)  # fmt: skip
ACT_OVERTAKEN = Problem(
    "act_overtaken", 409,
    "Somebody has decided this already.", "该操作已被处理。",
    "Look at how it stands now.", "请查看当前状态。", "retry",
)  # fmt: skip
HOST_STAYS = Problem(
    "host_stays", 409,
    "The host can't be muted, banned or hidden in the own show.", "不能对主播本人禁言、移出或隐藏。",
    "Take the comment down instead.", "可以撤下这条评论。",
)  # fmt: skip
# The same code as commerce's, for those who only watch or talk.
NOT_LIVE = Problem(
    "session_not_live", 409,
    "This session is not live now.", "本场次当前未在直播。",
    "Stay here if it is about to begin, or see the lobby for what is live.",
    "即将开始的场次请稍候，或到首页查看正在进行的直播。", "lobby",
)  # fmt: skip
CALL_NOT_YOURS = Problem(
    "call_not_yours", 403,
    "You are not a party to this call.", "您不是本次通话的参与者。",
    "Go back to your own calls.", "请返回您自己的通话。", "lobby",
)  # fmt: skip
CALL_GONE = Problem(
    "call_gone", 409,
    "This call is no longer waiting: someone else has taken it, or the customer has left.",
    "该通话已不在等候：已由他人接听，或客户已离开。",
    "Take the next one in the line.", "请接听下一位客户。", "lobby",
)  # fmt: skip
CALL_OPEN = Problem(
    "call_already_open", 409,
    "You already have a call open.", "您已有一个进行中的通话。",
    "Go on with it, or hang up first.", "请继续当前通话，或先挂断。", "call",
)  # fmt: skip
ADVISER_BUSY = Problem(
    "adviser_busy", 409,
    "You are in a call already.", "您正在通话中。",
    "Finish it or hand it over before you take another.", "请先结束或转接当前通话。", "call",
)  # fmt: skip
CONSENT_MISSING = Problem(
    "consent_missing", 409,
    "The customer has not yet agreed to the recording, and without it nothing may be sent.",
    "客户尚未同意录音录像，暂时无法开始。",
    "Agree to the text shown, or end the call.", "请阅读并同意所示文本，或结束通话。", "call",
)  # fmt: skip
CONSENT_OUTDATED = Problem(
    "consent_outdated", 409,
    "The text you agreed to has been replaced by version {current}.", "您同意的文本已更新为 {current} 版。",
    "Read the new text and agree to it.", "请阅读并同意新的文本。", "call",
)  # fmt: skip
PROPOSAL_GONE = Problem(
    "proposal_gone", 409,
    "This proposal no longer stands.", "该方案已失效。",
    "Ask your adviser for a new one.", "请让顾问重新提供方案。", "call",
)  # fmt: skip
PROPOSAL_DIFFERS = Problem(
    "proposal_differs", 409,
    "The amount you confirmed is not the one proposed.", "您确认的金额与方案金额不一致。",
    "Look at the proposal again and confirm its amount, or ask your adviser for a new one.",
    "请核对方案金额后重新确认，或让顾问重新提供方案。", "call",
)  # fmt: skip
NO_REPLAY = Problem(
    "no_replay", 404,
    "This show can't be seen again.", "本场直播暂无回放。",
    "See the lobby for other shows; one that has just ended is ready within minutes.",
    "请到首页查看其他场次；刚结束的直播需等待几分钟。", "lobby",
)  # fmt: skip
STARTS_IN_PAST = Problem(
    "starts_in_past", 400,
    "A show can't start in the past.", "直播开始时间不能早于当前时间。",
    "Choose a later time.", "请选择之后的时间。", "retry",
)  # fmt: skip
TOO_MANY_HERE = Problem(
    "too_many_here", 503,
    "There is more going on here than we can show right now.", "当前互动人数过多，暂时无法处理。",
    "Try again in a moment; what you typed is kept.", "请稍后再试，您输入的内容已保留。", "retry",
)  # fmt: skip
NOT_RECORDED = Problem(
    "not_recorded", 503,
    "What you sent could not be put on the record in time.", "您发送的内容未能及时记录。",
    "Send it again; what you typed is kept.", "请重新发送，您输入的内容已保留。", "retry",
)  # fmt: skip
TOO_MANY_CONNECTIONS = Problem(
    "too_many_connections", 429,
    "Your network has {max} connections to us already.", "您所在的网络已有 {max} 个连接。",
    "Close pages you don't need, or try again in {wait_s} s.", "请关闭不需要的页面，或 {wait_s} 秒后重试。", "retry",
)  # fmt: skip
TOO_MANY_OPEN = Problem(
    "too_many_open", 429,
    "You have this open {max} times already.", "您已同时打开 {max} 个页面。",
    "Close one of them; this one goes on by itself within seconds.", "请关闭其中一个，本页将在数秒内自动恢复。", "retry",
)  # fmt: skip
TOO_MANY_JOINED = Problem(
    "too_many_joined", 409,
    "One connection can be in {max} sessions at most.", "同一连接最多可进入 {max} 个场次。",
    "Leave one of them first.", "请先离开其中一个场次。", "lobby",
)  # fmt: skip

PROBLEMS = (
    COMMENT_TOO_LONG,
    COMMENT_BLOCKED,
    COMMENT_TOO_FAST,
    COMMENT_SLOW,
    COMMENT_MUTED,
    BANNED,
    ACT_OVERTAKEN,
    HOST_STAYS,
    CALL_NOT_YOURS,
    CALL_GONE,
    CALL_OPEN,
    ADVISER_BUSY,
    CONSENT_MISSING,
    CONSENT_OUTDATED,
    PROPOSAL_GONE,
    PROPOSAL_DIFFERS,
    NO_REPLAY,
    STARTS_IN_PAST,
    TOO_MANY_HERE,
    NOT_RECORDED,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_OPEN,
    TOO_MANY_JOINED,
)
