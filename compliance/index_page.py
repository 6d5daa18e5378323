"""The bundle's page for people: what the session was, what was sold, what is missing, how to verify. No scripts, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from core.money import Money
from recording import kinds
from recording.chain import Entry

# The page is for reading; the entries hold all of it.
MOST_ROWS: Final = 2000

_STYLE: Final = (
    "body{font:16px/1.5 'PingFang SC','Noto Sans SC','Microsoft YaHei',system-ui,sans-serif;color:#1b2a41;background:#fbfaf7;"
    "max-width:60rem;margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d9d4c7;"
    "vertical-align:top}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}code{overflow-wrap:anywhere}"
)


@dataclass(slots=True)
class Summary:
    """What the page shows, gathered while the entries are written. Times RFC 3339, media times ms."""

    session: str
    title: str
    kind: str
    started_at: str
    ended_at: str
    sealed_at: str
    root: str
    key: str
    exported_at: str
    entries: int = 0
    fragments: int = 0
    missing: list[str] = field(default_factory=list)
    orders: list[tuple[str, ...]] = field(default_factory=list)
    gaps: list[tuple[str, ...]] = field(default_factory=list)
    left_out: int = 0

    def add(self, entry: Entry) -> None:
        """Notes the entry if it is an order or a gap."""
        self.entries += 1
        data = entry.data
        if entry.kind == kinds.FRAGMENT:
            self.fragments += 1
        elif entry.kind == kinds.ORDER_PLACED:
            self._keep(self.orders, self._order(str(entry.seq), entry))
        elif entry.kind == kinds.GAP:
            span = f"{clock_text(data.get('from_ms'))} – {clock_text(data.get('to_ms'))}"
            what = " ".join(str(data[name]) for name in ("stream", "track") if name in data)
            self._keep(self.gaps, (str(entry.seq), what, span, str(data.get("reason", ""))))

    def add_late(self, entry: Entry) -> None:
        """Notes an entry after the seal if it is an order: one placed in a replay."""
        if entry.kind == kinds.ORDER_PLACED:
            place = f"{entry.seq}, in a replay · 回放"
            self._keep(self.orders, self._order(place, entry))

    @staticmethod
    def _order(place: str, entry: Entry) -> tuple[str, ...]:
        data = entry.data
        named = (str(data.get(name, "")) for name in ("order", "product"))
        return (place, clock_text(entry.media_ms), *named, _money(data))

    def miss(self, what: str) -> None:
        """A fragment whose file could not be had."""
        if len(self.missing) < MOST_ROWS:
            self.missing.append(what)

    def _keep(self, rows: list[tuple[str, ...]], row: tuple[str, ...]) -> None:
        if len(rows) < MOST_ROWS:
            rows.append(row)
        else:
            self.left_out += 1


def clock_text(media_ms: Any) -> str:
    """A media time as h:mm:ss.mmm."""
    if isinstance(media_ms, bool) or not isinstance(media_ms, int):
        return "–"
    seconds, ms = divmod(max(0, media_ms), 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"


def render(summary: Summary) -> str:
    """The page as HTML in both languages; every value is escaped."""
    facts = (
        ("Session · 会话", summary.session),
        ("Kind · 类型", summary.kind),
        ("Started · 开始", summary.started_at),
        ("Ended · 结束", summary.ended_at),
        ("Sealed · 封存", summary.sealed_at),
        ("Signed by · 签署公钥", summary.key),
        ("Root · 哈希根", summary.root),
        ("Entries · 记录", f"{summary.entries:,}"),
        ("Fragments · 片段", f"{summary.fragments:,}"),
        ("Exported · 导出", summary.exported_at),
    )
    parts = [
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(summary.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(summary.title)}</h1>",
        _table((), [(name, value) for name, value in facts]),
        "<h2>Orders · 订单</h2>",
        _table(("Entry · 记录", "At · 时刻", "Order · 订单", "Product · 产品", "Amount · 金额"), summary.orders),
        "<h2>Gaps · 录制空缺</h2>",
        _table(("Entry · 记录", "Stream · 画面", "From – to · 起止", "Reason · 原因"), summary.gaps),
    ]
    if summary.missing:
        parts += ["<h2>Missing files · 缺失文件</h2>", _table((), [(item,) for item in summary.missing])]
    if summary.left_out:
        parts.append(f"<p>{summary.left_out:,} more rows stand in entries.jsonl. 其余各行见 entries.jsonl。</p>")
    parts += [
        "<h2>How to verify · 如何校验</h2>",
        "<p>Get the public key from the bank by another way than this file, then run the command. It needs no network.</p>",
        "<p>请通过本文件以外的途径向银行获取公钥，再运行下列命令；无需联网。</p>",
        "<p><code>tellercast verify bundle.zip --key bank.pub</code></p>",
        "<p>This page is a summary; what counts are the entries under the seal. 本页仅为摘要，以封印下的记录为准。</p>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>None. 无。</p>"
    top = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>" if head else ""
    body = "".join("<tr>" + "".join(f'<td class="n">{escape(cell)}</td>' for cell in row) + "</tr>\n" for row in rows)
    return f"<table>{top}\n{body}</table>"


def _money(data: Any) -> str:
    amount, currency = data.get("amount"), data.get("currency")
    try:
        return str(Money(amount, currency))
    except (TypeError, ValueError):
        return str(amount or "")
