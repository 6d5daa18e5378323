"""What a verification finds, in sentences of both languages that name the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# A record with more faults than this is not described better by a longer list.
MOST_FINDINGS: Final = 1000
# Nor is a place or a detail by more characters than this.
_MOST_SHOWN: Final = 300

# code: (English, Chinese). A code that starts with "note_" is told but is no fault.
MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "zip_unsafe": ("the zip is not one this program writes: {detail}", "zip 结构不符合规范：{detail}"),
    "member_missing": ("it is missing", "文件缺失"),
    "member_unknown": ("it does not belong to the bundle", "不属于证据包的文件"),
    "member_changed": ("its bytes are not those the manifest names", "内容与清单所载摘要不符"),
    "member_unreadable": ("it can't be read: {detail}", "无法读取：{detail}"),
    "manifest_signature": ("its signature does not hold: {detail}", "清单签名无效：{detail}"),
    "manifest_key": (
        "no key you gave signed it, only {signers}, which came with the bundle: what is in it may have been replaced. If the "
        "signer has changed keys since, get that key from them as well and add it to the key file as a line of its own",
        "未由所给公钥签署，仅由包内自带的 {signers} 签署，内容可能已被替换。如签署方已更换密钥，请向其另行获取该公钥，"
        "并作为新的一行加入公钥文件",
    ),
    "manifest_other": ("it is not the manifest that was signed", "与签署的清单不符"),
    "seal_unreadable": ("the seal can't be read: {detail}", "封印无法读取：{detail}"),
    "seal_signature": ("the seal's signature does not hold: {detail}", "封印签名无效：{detail}"),
    "seal_entries": ("the seal counts {sealed} entries, there are {found}", "封印记载 {sealed} 条记录，实有 {found} 条"),
    "seal_fragments": (
        "the seal counts {sealed} fragments, the entries name {found}",
        "封印记载 {sealed} 个片段，实有 {found}",
    ),
    "seal_root": ("the entries do not hash to the sealed root", "记录的哈希根与封印不符"),
    "hashes_root": ("the listed hashes do not hash to the sealed root", "哈希列表与封印不符"),
    "entry_unreadable": ("it can't be read: {detail}", "无法读取：{detail}"),
    "entry_not_canonical": ("its bytes are not canonical JSON", "不是规范 JSON"),
    "entry_session": ("it belongs to {other}", "属于 {other}"),
    "entry_changed": ("hash differs", "哈希不符"),
    "entry_dropped": ("it is missing", "记录缺失"),
    "entry_added": ("the sealed record has no such entry here", "封存的记录中此处没有这条"),
    "entry_twice": ("it stands twice", "重复出现"),
    "entry_moved": ("it stands at place {place}", "位置变为第 {place} 条"),
    "entries_swapped": ("they are swapped", "顺序互换"),
    "entries_differ": ("they are not what was sealed, and too many to name one by one", "与封存内容不符，数量过多，不逐条列出"),
    "record_full": (
        "the record names more than {most} fragments, gaps and orders: the rest was not checked",
        "记录所载片段、空缺与订单超过 {most} 项，其余未校验",
    ),
    "entry_seq": ("it is numbered {found}", "序号为 {found}"),
    "entry_prev": ("it does not follow the entry before it", "与前一条记录不衔接"),
    "entry_time": ("it is earlier than the entry before it", "时间早于前一条记录"),
    "fragment_missing": ("the file is missing", "文件缺失"),
    "fragment_size": ("it has {found} bytes, its entry says {said}", "大小为 {found} 字节，记录为 {said} 字节"),
    "fragment_hash": ("its SHA-256 is not the one its entry names", "SHA-256 与记录不符"),
    "fragment_twice": ("two entries name it", "有两条记录指向它"),
    "fragment_entry": ("its entry can't be read: {detail}", "片段记录无法读取：{detail}"),
    "fragment_unknown": ("no entry names this file", "没有记录指向此文件"),
    "gap_unexplained": ("nothing recorded from {start} ms to {end} ms, and no entry says so", "{start}–{end} 毫秒无录制无说明"),
    "order_uncovered": ("placed at {ms} ms, which {stream} does not show", "于 {ms} 毫秒下单，{stream} 未录到"),
    "text_mismatch": ("the text does not match its commitment", "文本与承诺值不符"),
    "text_unknown": ("no entry has a commitment for it", "没有对应的承诺值"),
    "price_differs": ("sold at more than one price: {prices}", "存在多个价格：{prices}"),
    "disclosure_text": ("the text does not have the hash that was confirmed", "文本与确认时的摘要不符"),
    "disclosure_unknown": ("nobody confirmed this text in the session", "会话中无人确认过此文本"),
    "register_chain": ("{detail}", "登记链断裂：{detail}"),
    "register_seal": ("it does not carry this session's seal", "未载有本会话的封印"),
    "after_chain": ("{detail}", "封存后记录链断裂：{detail}"),
    "stored_differs": ("the database says {stored}, the entry says {said}", "数据库为 {stored}，记录为 {said}"),
    "order_not_offered": ("{product} was ordered, which was not on offer then", "所购 {product} 当时不在货架上"),
    "order_price": (
        "{product} was ordered at {price}; on offer since entry {since}: {offered}",
        "{product} 的成交价为 {price}，自第 {since} 条记录起的报价为 {offered}",
    ),
    "order_disclosure": (
        "{product} was ordered after disclosure {ordered}; on offer since entry {since} with {offered}",
        "{product} 下单时确认的风险揭示为 {ordered}，自第 {since} 条记录起应为 {offered}",
    ),
    "order_class": (
        "{product} was ordered as {ordered}; on offer since entry {since} as {offered}",
        "{product} 下单时的类别为 {ordered}，自第 {since} 条记录起公示为 {offered}",
    ),
    "order_risk": (
        "{product} was ordered as {ordered}; on offer since entry {since} as {offered}",
        "{product} 下单时的风险等级为 {ordered}，自第 {since} 条记录起公示为 {offered}",
    ),
    "order_terms": (
        "{product} was ordered with {name} {ordered}; on offer since entry {since}: {offered}",
        "{product} 下单时的 {name} 为 {ordered}，自第 {since} 条记录起公示为 {offered}",
    ),
    "orders_differ": (
        "{product} was ordered at {price}, and in entry {other} at {first}: the same terms, two prices",
        "{product} 的成交价为 {price}，第 {other} 条记录为 {first}：条款相同，价格不同",
    ),
    "field_forbidden": (
        "it has a field {field}: nothing on record may know what the seller earns",
        "含有字段 {field}：记录中不得出现销售方的收益或激励",
    ),
    "fairness_not_told": (
        "{product} was offered without {missing}, by which products are ranked",
        "{product} 上架时缺少排序所依据的 {missing}",
    ),
    "fairness_unreadable": ("what it says of terms can't be read: {detail}", "所载条款无法读取：{detail}"),
    "fairness_full": ("terms changed more than {most} times: the rest was not checked", "条款变更超过 {most} 次，其余未核对"),
    "fairness_more": ("{more} further findings of fairness are not listed", "另有 {more} 条公平性问题未列出"),
    "note_more": ("{more} further findings are not listed", "另有 {more} 条未列出"),
    "note_key": ("checked with the key in the bundle: it proves nothing about who signed", "使用包内公钥，不能证明签署者身份"),
    "note_gap": ("not recorded from {start} ms to {end} ms: {reason}", "{start}–{end} 毫秒未录制：{reason}"),
    "note_order_uncovered": ("its moment was not recorded, and the record says so", "下单时刻未录制，记录中已注明"),
    "note_erased": ("{count} personal texts were erased or left out", "{count} 条个人文本已删除或未附"),
    "note_disclosure": ("the text that was confirmed is not in the bundle", "证据包中没有所确认的文本"),
    "note_price": ("the order's entry names no price", "下单记录未载价格"),
    "note_not_started": ("the session never went live", "会话未曾开播"),
}  # fmt: skip


def printable(text: str) -> str:
    """Foreign text for a terminal: escaped where it isn't printable, cut where it is too long.

    What an examined record says of itself may have been written to hide the report, or to break its printing.
    """
    shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a stable `code`, `where` it is ("entry 17", "host/1/3", "seal.txt"), and what fills its sentence.

    Both may come from the record under examination, and are made `printable`.
    """

    code: str
    where: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", printable(self.where))
        params = {name: value if isinstance(value, int) else printable(str(value)) for name, value in self.params.items()}
        object.__setattr__(self, "params", params)

    @property
    def is_fault(self) -> bool:
        """Whether the record fails because of it; the others only tell."""
        return not self.code.startswith("note_")

    @property
    def detail(self) -> str:
        """The English sentence."""
        return self.text("en")

    def text(self, lang: str) -> str:
        """The sentence in "en" or "zh"."""
        en, zh = MESSAGES[self.code]
        return (zh if lang == "zh" else en).format_map(self.params)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome: `ok` when there is no fault. Counts are of what was found, not of what the seal claims.

    `trusted` is whether the signatures were checked with keys given from outside; without, a record without fault is only
    consistent in itself, which anybody can make. `is_verified` is both.
    """

    session: str
    findings: tuple[Finding, ...]
    entries: int
    fragments: int
    orders: int
    root: str
    sealed_at: str | None
    trusted: bool

    @property
    def ok(self) -> bool:
        return not any(finding.is_fault for finding in self.findings)

    @property
    def is_verified(self) -> bool:
        return self.ok and self.trusted

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_fault)

    def to_text(self, lang: str = "en") -> str:
        """The report for a terminal, in "en" or "zh"."""
        session = printable(self.session)
        if lang == "zh":
            counts = f"会话 {session}:{self.entries} 条记录，{self.fragments} 个片段，{self.orders} 笔订单"
            root = f"哈希根 {self.root}，封存于 {self.sealed_at or '—'}"
        else:
            counts = f"session {session}: {self.entries} entries, {self.fragments} fragments, {self.orders} orders"
            root = f"root {self.root}, sealed {self.sealed_at or 'never'}"
        lines = [f"{'✗' if item.is_fault else '·'} {item.where}: {item.text(lang)}" for item in self.findings]
        return "\n".join([self._head(lang), counts, root, *lines]) + "\n"

    def _head(self, lang: str) -> str:
        zh, faults = lang == "zh", len(self.faults)
        if not self.ok:
            return f"校验未通过：{faults} 处问题" if zh else f"NOT VERIFIED: {faults} fault{'s' if faults != 1 else ''}"
        if not self.trusted:
            return _UNVOUCHED[zh]
        return "校验通过" if zh else "VERIFIED"


_UNVOUCHED: Final = (
    "CONSISTENT, BUT NOBODY VOUCHES FOR THE SIGNER: it agrees with itself, as a forged one would. "
    "Get the signer's public key by another way than this file and check again with --key",
    "内容自洽，但签署者身份无从证明：伪造的证据包同样可以自洽。请通过其他途径获取签署方公钥，并以 --key 重新校验",
)


class Findings:
    """Collects findings: at most `MOST_FINDINGS` faults and as many notes, so that neither drowns the other."""

    def __init__(self) -> None:
        self._faults: list[Finding] = []
        self._notes: list[Finding] = []
        self._more = 0

    def add(self, code: str, where: str, **params: Any) -> None:
        finding = Finding(code, where, params)
        kept = self._faults if finding.is_fault else self._notes
        if len(kept) < MOST_FINDINGS:
            kept.append(finding)
        else:
            self._more += 1

    def extend(self, others: Findings) -> None:
        """Everything another collection has."""
        for finding in others.taken():
            self.add(finding.code, finding.where, **finding.params)

    def taken(self) -> tuple[Finding, ...]:
        """All of them, faults first, each group in the order found."""
        more = [Finding("note_more", "report", {"more": self._more})] if self._more else []
        return (*self._faults, *self._notes, *more)
