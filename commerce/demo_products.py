"""The demo's products and their disclosures. The wording keeps to 〔2026〕9号：no promised principal or return, no
"低风险" and the like outside the official grade labels; a benchmark is called one and promises nothing. Amounts in fen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

_YUAN: Final = 100
_BENCH_ZH: Final = "业绩比较基准 {rate}（不代表收益承诺）"
_BENCH_EN: Final = "Performance benchmark {rate} (not a promised return)"


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """One product: the columns of `products` but for the sale window, and the disclosure's particular sentences."""

    id: str
    product_class: str
    name_zh: str
    name_en: str
    rate_text_zh: str
    rate_text_en: str
    issuer_risk: int
    bank_risk: int
    term_days: int | None
    minimum: int
    step: int
    cap: int | None
    left: int
    risk_zh: str
    risk_en: str
    price: tuple[str, str] = ("price", "1.0000")  # its kind and its value
    fee_bps: int = 0

    def columns(self, valued: date) -> dict[str, Any]:
        """For `catalogue.put`; net asset values are those of the day `valued`."""
        names = ("id", "product_class", "name_zh", "name_en", "rate_text_zh", "rate_text_en", "issuer_risk", "bank_risk")
        amounts = ("term_days", "minimum", "step", "cap", "left")
        kind, value = self.price
        day = valued.isoformat() if kind == "nav" else None
        price = {"kind": kind, "value": value, "date": day, "fee_bps": self.fee_bps}
        return {name: getattr(self, name) for name in (*names, *amounts)} | {"currency": "CNY", "price": price}

    def disclosure_zh(self) -> str:
        """The Chinese text that the customer confirms."""
        term = (
            f"产品期限 {self.term_days} 天，到期前一般不可提前支取或赎回。"
            if self.term_days
            else "产品无固定期限，按开放日规则申购与赎回。"
        )
        return (
            f"风险揭示书：{self.name_zh}。本产品风险等级为 R{max(self.issuer_risk, self.bank_risk)}。{self.risk_zh}{term}"
            "业绩比较基准、历史业绩均不代表未来表现，也不构成对收益的承诺。您应在充分了解产品条款、"
            "自身财务状况与风险承受能力后独立作出决定，并自行承担投资风险。本次购买过程将全程录音录像。"
        )

    def disclosure_en(self) -> str:
        """The English text that the customer confirms."""
        term = f"The term is {self.term_days} days; before its end you can generally not withdraw. " if self.term_days else ""
        rating = f"This product is rated R{max(self.issuer_risk, self.bank_risk)}."
        return (
            f"Risk disclosure: {self.name_en}. {rating} {self.risk_en} {term}"
            "A benchmark or a past performance says nothing certain about the future and promises no return. Decide for "
            "yourself, knowing the terms, your own means and how much risk suits you; the risk is yours. "
            "The whole purchase is recorded in sound and picture."
        )


PRODUCTS: Final[tuple[DemoProduct, ...]] = (
    DemoProduct(
        id="prd-r1-structured",
        product_class="deposit",
        name_zh="汇盈挂钩汇率 92 天结构性存款",
        name_en="Huiying FX-linked structured deposit, 92 days",
        rate_text_zh="年化收益率 1.00% 或 2.05%，按挂钩汇率的表现确定（不代表收益承诺）",
        rate_text_en="1.00% or 2.05% a year, depending on the linked exchange rate (not a promised return)",
        issuer_risk=1,
        bank_risk=1,
        term_days=92,
        minimum=10_000 * _YUAN,
        step=1_000 * _YUAN,
        cap=2_000_000 * _YUAN,
        left=80_000_000 * _YUAN,
        risk_zh="收益随挂钩标的波动，您可能只获得较低一档的收益；提前支取将受到限制。",
        risk_en="The return moves with the linked rate and may be the lower of the two; early withdrawal is restricted.",
    ),
    DemoProduct(
        id="prd-r2-bond",
        product_class="wealth",
        name_zh="稳享纯债 180 天持有期理财",
        name_en="Wenxiang bond wealth product, 180-day holding period",
        rate_text_zh=_BENCH_ZH.format(rate="2.30%–2.80%"),
        rate_text_en=_BENCH_EN.format(rate="2.30%–2.80% a year"),
        issuer_risk=2,
        bank_risk=2,
        term_days=180,
        minimum=1_000 * _YUAN,
        step=1 * _YUAN,
        cap=5_000_000 * _YUAN,
        left=120_000_000 * _YUAN,
        risk_zh="产品投资于债券等固定收益类资产，净值受利率与信用状况影响，本金可能出现损失。",
        risk_en="It invests in bonds; interest rates and defaults move its value, and principal may be lost.",
        price=("nav", "1.0126"),
    ),
    DemoProduct(
        id="prd-r3-mixed",
        product_class="wealth",
        name_zh="睿选混合 365 天封闭式理财",
        name_en="Ruixuan mixed wealth product, closed for 365 days",
        rate_text_zh=_BENCH_ZH.format(rate="2.80%–4.20%"),
        rate_text_en=_BENCH_EN.format(rate="2.80%–4.20% a year"),
        issuer_risk=2,  # the bank rates it higher than its issuer: the higher rating holds
        bank_risk=3,
        term_days=365,
        minimum=10_000 * _YUAN,
        step=1 * _YUAN,
        cap=3_000_000 * _YUAN,
        left=60_000_000 * _YUAN,
        risk_zh="产品以债券为主，并配置不超过 40% 的权益类资产，净值会有波动，本金可能出现部分损失。",
        risk_en="Mostly bonds, with up to 40% in equities; its value swings and part of the principal may be lost.",
        price=("price", "1.0000"),
    ),
    DemoProduct(
        id="prd-r4-equity",
        product_class="fund",
        name_zh="致远红利优选股票型基金 A",
        name_en="Zhiyuan Dividend Select equity fund A",
        rate_text_zh=_BENCH_ZH.format(rate="中证红利指数收益率×90%+活期存款利率×10%"),
        rate_text_en=_BENCH_EN.format(rate="90% CSI Dividend Index + 10% demand deposit rate"),
        issuer_risk=4,
        bank_risk=4,
        term_days=None,
        minimum=100 * _YUAN,
        step=1 * _YUAN,
        cap=None,
        left=500_000_000 * _YUAN,
        risk_zh="基金股票仓位不低于 80%，净值随股市大幅波动，本金可能出现较大损失。",
        risk_en="At least 80% in shares; its value moves strongly and a large part of the principal may be lost.",
        price=("nav", "1.3472"),
        fee_bps=15,
    ),
    DemoProduct(
        id="prd-r5-strategy",
        product_class="fund",
        name_zh="远帆多策略衍生品基金",
        name_en="Yuanfan multi-strategy derivatives fund",
        rate_text_zh=_BENCH_ZH.format(rate="不设固定基准，按策略净值计"),
        rate_text_en=_BENCH_EN.format(rate="none fixed; by the strategy's own value"),
        issuer_risk=5,
        bank_risk=5,
        term_days=None,
        minimum=50_000 * _YUAN,
        step=1_000 * _YUAN,
        cap=1_000_000 * _YUAN,
        left=20_000_000 * _YUAN,
        risk_zh="基金使用期货、期权等衍生品及杠杆，净值波动剧烈，本金可能全部损失，并有开放日与巨额赎回限制。",
        risk_en="It uses futures, options and leverage; its value may swing violently and the whole principal may be lost.",
        price=("nav", "0.9685"),
        fee_bps=100,
    ),
    DemoProduct(
        id="prd-r1-certificate",
        product_class="deposit",
        name_zh="个人大额存单 2026 年第 11 期（1 年）",
        name_en="Large certificate of deposit 2026-11, one year",
        rate_text_zh="年利率 1.20%，以存单载明为准",
        rate_text_en="1.20% a year, as the certificate says",
        issuer_risk=1,
        bank_risk=1,
        term_days=365,
        minimum=200_000 * _YUAN,
        step=10_000 * _YUAN,
        cap=1_000_000 * _YUAN,
        left=10_000_000 * _YUAN,
        risk_zh="额度有限，售完即止；提前支取按支取日活期利率计息。",
        risk_en="The amount on offer is limited; early withdrawal earns the demand deposit rate only.",
        price=("rate", "1.20"),
    ),
    DemoProduct(
        id="prd-r2-annuity",
        product_class="insurance",
        name_zh="颐年养老年金保险（分红型）",
        name_en="Yinian retirement annuity (participating)",
        rate_text_zh="保单红利不确定，以实际派发为准（不代表收益承诺）",
        rate_text_en="Dividends are uncertain and as actually paid (not a promised return)",
        issuer_risk=2,
        bank_risk=2,
        term_days=3650,
        minimum=10_000 * _YUAN,
        step=1_000 * _YUAN,
        cap=1_000_000 * _YUAN,
        left=30_000_000 * _YUAN,
        risk_zh="本产品为保险产品，由保险公司承保；犹豫期后退保可能产生较大损失，红利水平不确定。",
        risk_en="An insurer's product; surrender after the free-look period may cost much, dividends are uncertain.",
    ),
)
