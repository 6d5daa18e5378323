"""Each kind of entry as one line for a reader, in both languages. Pure: data and resolved texts in, a sentence out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from compliance.index_page import clock_text
from core.money import Money
from recording import kinds

ERASED: Final = ("[erased]", "[已删除]")

_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    kinds.SESSION_STARTED: ("Went live", "开播"),
    kinds.SESSION_PAUSED: ("Paused", "暂停"),
    kinds.SESSION_RESUMED: ("Went on", "继续"),
    kinds.SESSION_ENDED: ("Ended", "结束"),
    kinds.CALL_REQUESTED: ("{customer} asked for an adviser: {topic}", "{customer} 请求通话：{topic}"),
    kinds.CALL_ACCEPTED: ("{actor} took the call", "{actor} 接听"),
    kinds.CALL_TRANSFERRED: ("Transferred to {to}", "转接至 {to}"),
    kinds.CALL_ENDED: ("The call ended: {reason}", "通话结束：{reason}"),
    kinds.CALL_LISTENED: ("{actor} listened in", "{actor} 旁听"),
    kinds.PUBLISHER_JOINED: ("{stream}: began to send", "{stream}：开始推流"),
    kinds.PUBLISHER_LOST: ("{stream}: lost ({reason})", "{stream}：中断（{reason}）"),
    kinds.PUBLISHER_LEFT: ("{stream}: stopped", "{stream}：停止推流"),
    kinds.FRAGMENT: ("{stream}: recorded {span}", "{stream}：已录制 {span}"),
    kinds.COMMENT: ("{author}: {text}", "{author}:{text}"),
    kinds.COMMENT_HELD: ("{author}: {text} (held for a moderator)", "{author}:{text}（待审核）"),
    kinds.COMMENT_RELEASED: ("{actor} let a held comment be shown", "{actor} 通过一条待审评论"),
    kinds.COMMENT_REJECTED: ("{actor} rejected a held comment", "{actor} 驳回一条待审评论"),
    kinds.COMMENT_REMOVED: ("A comment was taken down", "撤下一条评论"),
    kinds.COMMENT_RESTORED: ("{actor} put a comment back", "{actor} 恢复一条评论"),
    kinds.COMMENT_PINNED: ("{actor} pinned a comment", "{actor} 置顶一条评论"),
    kinds.COMMENT_UNPINNED: ("{actor} unpinned the comment", "{actor} 取消置顶评论"),
    kinds.PERSON_MUTED: ("{actor} muted {author}: {reason}", "{actor} 禁言 {author}：{reason}"),
    kinds.PERSON_BANNED: ("{actor} banned {author}: {reason}", "{actor} 移出 {author}：{reason}"),
    kinds.PERSON_SHADOWED: ("{actor} hid what {author} says: {reason}", "{actor} 隐藏 {author} 的发言：{reason}"),
    kinds.PERSON_FORGIVEN: ("{actor} forgave {author}", "{actor} 解除对 {author} 的限制"),
    kinds.ROOM_RULES_CHANGED: (
        "{actor} changed the comment rules: one per {slow_s} s, seen first: {premoderated}",
        "{actor} 修改评论规则：每 {slow_s} 秒一条，先审后发：{premoderated}",
    ),
    kinds.SHELF_CHANGED: ("The shelf changed", "货架更新"),
    kinds.PRODUCT_PINNED: ("Explaining {product}", "正在讲解 {product}"),
    kinds.PRODUCT_UNPINNED: ("No longer explaining {product}", "结束讲解 {product}"),
    kinds.DISCLOSURE_CONFIRMED: (
        "{customer} confirmed the disclosure of {product}, version {version}",
        "{customer} 确认 {product} 的风险揭示（第 {version} 版）",
    ),
    kinds.RISK_EXPLAINED: ("{actor} explained the risks of {product}", "{actor} 说明 {product} 的风险"),
    kinds.CONSENT_GIVEN: ("{customer} agreed to be recorded", "{customer} 同意录制"),
    kinds.SALE_OPENED: ("Sale open", "开放购买"),
    kinds.SALE_CLOSED: ("Sale closed: {reason}", "暂停购买：{reason}"),
    kinds.PROPOSAL_MADE: ("Proposed {money} of {product}", "建议购买 {product} {money}"),
    kinds.PROPOSAL_CONFIRMED: ("{customer} agreed to the proposal", "{customer} 同意建议"),
    kinds.ORDER_PLACED: ("{customer} ordered {money} of {product}", "{customer} 购买 {product} {money}"),
    kinds.ORDER_REFUSED: ("An order of {product} was refused: {code}", "拒绝购买 {product}:{code}"),
    kinds.ORDER_CANCELLED: ("{customer} cancelled the order {order}", "{customer} 撤销订单 {order}"),
    kinds.ORDER_SENT: ("Order {order} went to the core system", "订单 {order} 已提交核心系统"),
    kinds.ORDER_CONFIRMED: ("Order {order} was confirmed", "订单 {order} 已确认"),
    kinds.ORDER_REJECTED: ("Order {order} was rejected: {reason}", "订单 {order} 被拒：{reason}"),
    kinds.ORDER_UNCOVERED: ("Order {order} was not recorded", "订单 {order} 的时刻未被录制"),
    kinds.GAP: ("{stream}: not recorded {span} ({reason})", "{stream}：{span} 未录制（{reason}）"),
    kinds.RECORDING_FAILED: ("Recording failed: {reason}", "录制失败：{reason}"),
    kinds.RECORDING_RECOVERED: ("Recording works again", "录制恢复"),
    kinds.VIEWED: ("{actor} looked: {what}", "{actor} 查看：{what}"),
    kinds.SEARCHED: ("{actor} searched", "{actor} 检索"),
    kinds.VERIFIED: ("{actor} verified the record: {findings} faults", "{actor} 校验记录：{findings} 处问题"),
    kinds.EXPORTED: ("{actor} exported evidence: {reason}", "{actor} 导出证据：{reason}"),
    kinds.CASE_OPENED: ("{actor} opened a case: {reason}", "{actor} 立案：{reason}"),
    kinds.CASE_CLAIMED: ("{actor} took the case", "{actor} 领取案件"),
    kinds.CASE_RELEASED: ("{actor} put the case back", "{actor} 释放案件"),
    kinds.CASE_DECIDED: ("{actor} decided: {verdict}. {note}", "{actor} 作出结论：{verdict}。{note}"),
    kinds.CASE_CONFIRMED: ("{actor} confirmed: {verdict}", "{actor} 复核确认：{verdict}"),
    kinds.CASE_CLOSED: ("The case is closed: {verdict}", "结案：{verdict}"),
    kinds.CASE_REOPENED: ("{actor} reopened the case: {reason}", "{actor} 重新立案：{reason}"),
}


# Of entries that were made while a finished show was seen again.
_IN_REPLAY: Final[dict[str, tuple[str, str]]] = {
    kinds.DISCLOSURE_CONFIRMED: (
        "{customer} confirmed the disclosure of {product}, version {version}, in the replay",
        "{customer} 在回放中确认 {product} 的风险揭示（第 {version} 版）",
    ),
    kinds.ORDER_PLACED: ("{customer} ordered {money} of {product} in the replay", "{customer} 在回放中购买 {product} {money}"),
    kinds.ORDER_REFUSED: (
        "An order of {product} in the replay was refused: {code}",
        "拒绝在回放中购买 {product}:{code}",
    ),
}


# Why, where an entry has a code for it.
_REASONS: Final[dict[str, tuple[str, str]]] = {
    "recording_not_started": ("the recording had not begun", "录制尚未开始"),
    "recording_stale": ("the recording had fallen behind", "录制滞后"),
    "recording_failed": ("the recording failed", "录制失败"),
    "publisher_lost": ("the picture was lost", "画面中断"),
    "not_started": ("not yet begun", "尚未开始"),
    "no_media": ("no picture or sound came", "无音视频"),
    "media_silent": ("no picture or sound came", "无音视频"),
    "media_restarted": ("the video service was restarted", "视频服务重启"),
    "failed": ("failed", "失败"),
    "session_not_started": ("not yet begun", "尚未开始"),
    "session_ended": ("the session ended", "场次已结束"),
    "lost": ("connection lost", "连接中断"),
    "hung_up": ("hung up", "挂断"),
    "customer_away": ("the customer was away", "客户离开"),
    "no_consent": ("no agreement to be recorded", "未同意录制"),
    "declined": ("declined", "未接听"),
    "abandoned": ("nobody was there any more", "双方均已离开"),
    "packets_lost": ("packets were lost on the way", "传输丢包"),
    "nothing_sent": ("nothing was sent", "未发送音视频"),
    "undecodable": ("what was sent can't be played", "收到的音视频无法播放"),
    "codec_unsupported": ("the browser sent a format that can't be recorded", "浏览器发送的格式无法录制"),
    "cut_too_often": ("the sender began anew too often", "推流端频繁重启画面"),
    "media_invalid": ("the picture or sound was damaged", "音视频数据损坏"),
    "disk_full": ("the disk is full", "磁盘已满"),
    "io_error": ("the disk can't be written to", "磁盘写入失败"),
    "overloaded": ("more came than the disk can take", "磁盘写入跟不上"),
    "internal_error": ("a fault of the recorder; see its log", "录制程序故障，请查看日志"),
}


# At what, where somebody looked.
_LOOKS: Final[dict[str, tuple[str, str]]] = {
    "opened": ("the recording", "录制详情"),
    "timeline": ("its timeline", "时间轴"),
    "fairness": ("its ledger of fairness", "公平性台账"),
    "case": ("its case", "案件"),
    "played": ("its film", "播放录像"),
    "replayed": ("its replay", "播放回放"),
    "downloaded": ("its evidence, taken out", "下载证据包"),
}


_TRACKS: Final[dict[str, tuple[str, str]]] = {"audio": ("sound", "声音"), "video": ("picture", "画面")}


class _Words(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "–"


def sentence(kind: str, actor: str, data: Mapping[str, Any], erased: frozenset[str], lang: str) -> str:
    """The line for one entry. `data` has its personal texts in place; those in `erased` are shown as such."""
    zh = lang == "zh"
    words = _Words(actor=actor)
    for name, value in data.items():
        if isinstance(value, str | int) and not isinstance(value, bool):
            words[name] = str(value)
    reason = _REASONS.get(words.get("reason", ""))
    if reason is not None:
        words["reason"] = reason[zh]
    look = _LOOKS.get(words.get("what", "")) if kind == kinds.VIEWED else None
    if look is not None:
        words["what"] = look[zh]
    if kind == kinds.ROOM_RULES_CHANGED:
        words["premoderated"] = (("no", "否"), ("yes", "是"))[data.get("premoderated") is True][zh]
    for name in erased:
        words[name] = ERASED[zh]
    if kind == kinds.GAP and data.get("track"):
        track = _TRACKS.get(str(data["track"]))
        words["stream"] = f"{data.get('stream')} ({track[zh] if track is not None else data['track']})"
    words["money"] = _money(data)
    start, end = data.get("from_ms", data.get("start_ms")), data.get("to_ms", data.get("end_ms"))
    words["span"] = f"{clock_text(start)}–{clock_text(end)}"
    found = (_IN_REPLAY.get(kind) if data.get("replay") else None) or _SENTENCES.get(kind)
    return found[zh].format_map(words) if found is not None else kind


def _money(data: Mapping[str, Any]) -> str:
    amount, currency = data.get("amount"), data.get("currency")
    if not isinstance(amount, int):
        return "–"
    try:
        return str(Money(amount, str(currency)))
    except ValueError:
        return str(amount)
