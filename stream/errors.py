"""How the media plane refuses.

Refused(BAD_OFFER), Refused(UNSUPPORTED_MEDIA)   the offer can't be answered; send another one
Unavailable(STREAM_NOT_FOUND)                    nobody publishes (yet); ask again after `retry_after` seconds
Unavailable(MEDIA_UNAVAILABLE), (MEDIA_FULL)     the media process is away or full; ask again
FeedCorrupt, FeedStalled                         the feed's file is damaged / can't be written; an operator must look
"""

from __future__ import annotations

from core.errors import Problem

MEDIA_UNAVAILABLE = Problem(
    "media_unavailable", 503,
    "The video service does not answer right now.", "视频服务暂时无响应。",
    "It is being restarted; we try again by ourselves.", "系统正在恢复，稍后将自动重试。", "retry",
)  # fmt: skip
MEDIA_FULL = Problem(
    "media_full", 503,
    "The video service is full.", "视频服务已满员。",
    "Try again in a moment.", "请稍后再试。", "retry",
)  # fmt: skip
STREAM_NOT_FOUND = Problem(
    "stream_not_found", 404,
    "Nobody is sending picture or sound here yet.", "当前暂无直播画面。",
    "Stay here; it begins as soon as the host sends.", "请稍候，主播开始推流后将自动播放。", "retry",
)  # fmt: skip
BAD_OFFER = Problem(
    "bad_offer", 400,
    "The media offer could not be read: {detail}.", "媒体协商内容有误：{detail}。",
    "Reload the page, or update the sending program.", "请刷新页面，或更新推流软件。", "retry",
)  # fmt: skip
UNSUPPORTED_MEDIA = Problem(
    "unsupported_media", 406,
    "This device offers no format that we carry: {detail}.", "设备未提供受支持的媒体格式：{detail}。",
    "Send H.264 video (packetization-mode 1) and Opus audio.", "请使用 H.264 视频（packetization-mode 1）与 Opus 音频。", "",
)  # fmt: skip
SESSION_CLOSED = Problem(
    "session_closed", 409,
    "This session has ended.", "本场次已结束。",
    "Go back to the lobby.", "请返回首页。", "lobby",
)  # fmt: skip
WRONG_CONTENT_TYPE = Problem(
    "wrong_content_type", 415,
    "The body must be {expected}.", "请求内容类型必须为 {expected}。",
    "Send it with that Content-Type.", "请使用该 Content-Type 重新发送。", "",
)  # fmt: skip
NOT_ACCEPTABLE = Problem(
    "not_acceptable", 406,
    "The answer is {offered}, which the request does not accept.", "响应类型为 {offered}，但请求不接受该类型。",
    "Ask with a fitting Accept header, or none.", "请调整 Accept 请求头后重试。", "",
)  # fmt: skip
TAG_MISSING = Problem(
    "tag_missing", 428,
    "If-Match is missing.", "缺少 If-Match 请求头。",
    "Send the ETag of the answer, or \"*\" to restart ICE.", "请携带应答中的 ETag,或以 \"*\" 重启 ICE。", "",
)  # fmt: skip
TAG_STALE = Problem(
    "tag_stale", 412,
    "If-Match names an earlier ICE session.", "If-Match 已过期。",
    "Restart ICE, or leave it: the connection goes on as it is.", "请重启 ICE；现有连接不受影响。", "",
)  # fmt: skip
FEED_AHEAD = Problem(
    "feed_ahead", 409,
    "The reader is at {after}, but the feed ends at {last}.", "读取位置 {after} 超出事件流末尾 {last}。",
    "The media process lost its feed file: restore it, or reset the reader's cursor.",
    "媒体进程事件文件丢失，请恢复文件或重置读取位置。", "",
)  # fmt: skip
FEED_ANEW = Problem(
    "feed_anew", 409,
    "The feed was begun anew.", "事件流已重新开始。",
    "Ask for its id, and read it from the beginning.", "请重新获取事件流标识并从头读取。", "",
)  # fmt: skip

PROBLEMS = (
    MEDIA_UNAVAILABLE, MEDIA_FULL, STREAM_NOT_FOUND, BAD_OFFER, UNSUPPORTED_MEDIA, SESSION_CLOSED,
    WRONG_CONTENT_TYPE, NOT_ACCEPTABLE, TAG_MISSING, TAG_STALE, FEED_AHEAD, FEED_ANEW,
)  # fmt: skip


class FeedCorrupt(Exception):  # noqa: N818 - says what is the case
    """The feed's file is damaged before its end: restore it, never skip it."""


class FeedStalled(Exception):  # noqa: N818
    """The record is queued but not yet on disk; it will be written when the disk allows. Don't append it again."""


class ConnectFailed(Exception):  # noqa: N818
    """A peer's ICE or DTLS did not come up; the peer has to send a new offer."""


class SrtpError(Exception):
    """A packet failed authentication or could not be protected; drop it."""
