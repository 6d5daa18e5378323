"""Why something is not sold, each with its sentence, the next step and a door (invariant 8). Nothing is lost by a refusal:
the same idempotency key may be used again.
"""

from __future__ import annotations

from core.errors import Problem

SESSION_NOT_LIVE = Problem(
    "session_not_live", 409,
    "This session is not live, so nothing can be bought in it.", "本场次未在直播中，暂不能下单。",
    "Wait for the host to begin, or choose another session in the lobby.", "请等待主播开始，或在首页选择其他场次。", "lobby",
)  # fmt: skip
SALE_CLOSED = Problem(
    "sale_closed", 409,
    "{sentence_en}", "{sentence_zh}",
    "Stay here: the button comes back by itself as soon as the recording is safe. What you entered is kept.",
    "请稍候，录制恢复后即可继续下单，您填写的内容会保留。", "retry",
)  # fmt: skip
PROPOSAL_MISSING = Problem(
    "proposal_missing", 409,
    "In a call, an order answers your adviser's proposal.", "通话中的订单需由理财经理先发起推荐。",
    "Ask the adviser in the call to propose the product and the amount.",
    "请让通话中的理财经理为您发起产品与金额的推荐。", "call",
)  # fmt: skip
PROPOSAL_OUTSIDE_CALL = Problem(
    "proposal_outside_call", 409,
    "Only an order in a call can answer an adviser's proposal.", "只有视频通话中的订单才能对应理财经理的推荐。",
    "Order from the shelf without the proposal, or confirm the proposal in the call.",
    "请直接从货架下单，或在通话中确认推荐。", "call",
)  # fmt: skip
IDENTITY_MISSING = Problem(
    "identity_missing", 403,
    "We do not have your verified real name on file yet.", "您尚未完成实名认证。",
    "Call an adviser, who verifies your name with you.", "请呼叫理财经理协助完成实名认证。", "call",
)  # fmt: skip
PRODUCT_NOT_ON_SHELF = Problem(
    "product_not_on_shelf", 409,
    "This product is not offered in this session.", "该产品不在本场次的货架上。",
    "Choose one of the products on the shelf.", "请从货架中选择产品。", "lobby",
)  # fmt: skip
PRODUCT_SALE_CLOSED = Problem(
    "product_sale_closed", 409,
    "This product is sold from {sale_from} to {sale_until}.", "该产品的销售时间为 {sale_from} 至 {sale_until}。",
    "Choose another product, or come back in that time.", "请选择其他产品，或在销售时间内再来。", "lobby",
)  # fmt: skip
ASSESSMENT_MISSING = Problem(
    "assessment_missing", 403,
    "Before you can buy, we need to know how much risk suits you.", "购买前需要先完成风险承受能力评估。",
    "Answer eight questions; it takes about two minutes.", "请完成 8 道题的风险评估，约需两分钟。", "assessment",
)  # fmt: skip
ASSESSMENT_EXPIRED = Problem(
    "assessment_expired", 403,
    "Your risk assessment was valid until {valid_until}.", "您的风险评估已于 {valid_until} 到期。",
    "Answer the eight questions again.", "请重新完成风险评估。", "assessment",
)  # fmt: skip
RISK_TOO_HIGH = Problem(
    "risk_too_high", 403,
    "This product is rated {risk}; your assessment, {grade}, suits products up to {highest}.",
    "该产品风险等级为 {risk}，您的评估结果为 {grade}，适合 {highest} 及以下等级的产品。",
    "Choose a product rated up to {highest}, or talk to an adviser.",
    "请选择 {highest} 及以下等级的产品，或咨询理财经理。", "call",
)  # fmt: skip
DISCLOSURE_MISSING = Problem(
    "disclosure_missing", 409,
    "You have not confirmed this product's disclosure in this session yet.", "您尚未在本场次确认该产品的风险揭示书。",
    "Read the disclosure and confirm it, then order again.", "请阅读并确认风险揭示书后再下单。", "disclosure",
)  # fmt: skip
DISCLOSURE_OUTDATED = Problem(
    "disclosure_outdated", 409,
    "The disclosure has a new version, {current}; you confirmed version {confirmed}.",
    "风险揭示书已更新为第 {current} 版，您确认的是第 {confirmed} 版。",
    "Read the new version and confirm it, then order again.", "请阅读并确认新版风险揭示书后再下单。", "disclosure",
)  # fmt: skip
BELOW_MINIMUM = Problem(
    "amount_below_minimum", 422,
    "The least you can order is {minimum_text}.", "起购金额为 {minimum_text}。",
    "Raise the amount.", "请提高购买金额。", "amount",
)  # fmt: skip
OFF_STEP = Problem(
    "amount_off_step", 422,
    "Above {minimum_text} the amount goes in steps of {step_text}.",
    "起购金额 {minimum_text}，超出部分须为 {step_text} 的整数倍。",
    "The nearest amounts are {lower_text} and {upper_text}.", "最接近的可购金额为 {lower_text} 和 {upper_text}。", "amount",
)  # fmt: skip
OUT_OF_STOCK = Problem(
    "out_of_stock", 409,
    "{left_text} of this product are left.", "该产品剩余额度为 {left_text}。",
    "Order at most what is left, or choose another product.", "请在剩余额度内购买，或选择其他产品。", "amount",
)  # fmt: skip
CAP_EXCEEDED = Problem(
    "cap_exceeded", 409,
    "One customer may order {cap_text} of this product; you have ordered {ordered_text}.",
    "该产品每位客户限购 {cap_text}，您已购买 {ordered_text}。",
    "You can still order {rest_text}.", "您还可以购买 {rest_text}。", "amount",
)  # fmt: skip
ELDER_NEEDS_CALL = Problem(
    "elder_needs_call", 403,
    "From the age of 65, products of {risk} are sold only in a call, after an adviser has explained the risks.",
    "65 周岁及以上客户购买 {risk} 产品，须通过视频通话由理财经理说明风险后办理。",
    "Call an adviser now; what you entered is kept.", "请呼叫理财经理，您填写的内容会保留。", "call",
)  # fmt: skip
EXPLANATION_MISSING = Problem(
    "explanation_missing", 409,
    "Before this order, your adviser must explain the risks of this {risk} product once more.",
    "下单前，理财经理须再次向您说明该 {risk} 产品的风险。",
    "Ask your adviser for the explanation, then confirm again.", "请让理财经理完成风险说明后再确认。", "call",
)  # fmt: skip
RISK_REVIEW = Problem(
    "risk_review", 403,
    "{sentence_en}", "{sentence_zh}",
    "{next_en}", "{next_zh}", "call",
)  # fmt: skip
REPLAY_SALES_OFF = Problem(
    "replay_sales_off", 409,
    "Nothing is sold in replays.", "回放中不提供购买。",
    "Buy in the next show, or call an adviser about this product.", "请在下一场直播中购买，或呼叫理财经理咨询该产品。", "call",
)  # fmt: skip
REPLAY_NOT_SEALED = Problem(
    "replay_not_sealed", 409,
    "Only a show that is over, sealed and open to be seen again sells in its replay.",
    "只有已结束、已封存且开放回放的直播才能在回放中购买。",
    "Choose another show in the lobby; one that has just ended is ready within minutes.",
    "请到首页选择其他场次；刚结束的直播需等待几分钟。", "lobby",
)  # fmt: skip
REPLAY_NOT_RECORDED = Problem(
    "replay_not_recorded", 409,
    "At this moment of the show nothing was recorded, so nothing can be bought at it.", "该时刻没有录制，无法在此下单。",
    "Go to another moment of the film and order there.", "请播放到其他时刻后再下单。", "retry",
)  # fmt: skip
REPLAY_NOT_ON_SHELF = Problem(
    "replay_not_on_shelf", 409,
    "At this moment of the show the product was not on its shelf.", "该产品在直播的这一时刻不在货架上。",
    "Go to a moment at which it is offered, or call an adviser about it.",
    "请播放到该产品在售的时刻，或呼叫理财经理咨询。", "call",
)  # fmt: skip
REPLAY_TERMS_CHANGED = Problem(
    "replay_terms_changed", 409,
    "Since this show the product has changed: {changed_en}.", "该产品自本场直播以来已有变更：{changed_zh}。",
    "Look at the terms of today, read the current disclosure and confirm it again, then order.",
    "请查看当前条款，重新阅读并确认现行风险揭示书后再下单。", "disclosure",
)  # fmt: skip
IDEMPOTENCY_CONFLICT = Problem(
    "idempotency_conflict", 409,
    "This order key was already used for another order.", "该订单编号已用于另一笔订单。",
    "Look at your orders; to place a new one, start again from the shelf.",
    "请查看您的订单；如需新下单，请从货架重新开始。", "retry",
)  # fmt: skip
ASSESSMENT_LIMIT = Problem(
    "assessment_limit", 429,
    "The assessment can be taken twice a day and eight times in twelve months; next from {again_at}.",
    "风险评估每天最多 2 次、12 个月内最多 8 次，下次可评估时间：{again_at}。",
    "Come back then, or talk to an adviser.", "请届时再来，或咨询理财经理。", "call",
)  # fmt: skip
ANSWERS_INCOMPLETE = Problem(
    "answers_incomplete", 422,
    "Each of the {count} questions needs one of its answers; missing: {missing}.",
    "共 {count} 道题，每题须选择一个选项；未完成：{missing}。",
    "Answer the missing questions and send it again.", "请完成未答题目后重新提交。", "retry",
)  # fmt: skip
COOLING_OFF_OVER = Problem(
    "cooling_off_over", 409,
    "This order could be cancelled until {cancellable_until}.", "该订单可撤销的时间截至 {cancellable_until}。",
    "Talk to an adviser about what is possible now.", "请联系理财经理了解后续办理方式。", "call",
)  # fmt: skip
NOT_CANCELLABLE = Problem(
    "order_not_cancellable", 409,
    "This order is {state} and can't be cancelled.", "该订单当前状态为 {state}，无法撤销。",
    "Look at your orders for how it stands.", "请在我的订单中查看最新状态。",
)  # fmt: skip
DESK_BUSY = Problem(
    "order_desk_busy", 503,
    "We could not confirm your order: too many arrived at once.", "下单人数较多，暂未收到您的订单结果。",
    "Send it again; if the first one arrived, you are given that same order.",
    "请重新提交；如首次提交已成功，将返回同一笔订单，不会重复下单。", "retry",
)  # fmt: skip

PROBLEMS = (
    SESSION_NOT_LIVE,
    SALE_CLOSED,
    PROPOSAL_MISSING,
    PROPOSAL_OUTSIDE_CALL,
    IDENTITY_MISSING,
    PRODUCT_NOT_ON_SHELF,
    PRODUCT_SALE_CLOSED,
    ASSESSMENT_MISSING,
    ASSESSMENT_EXPIRED,
    RISK_TOO_HIGH,
    DISCLOSURE_MISSING,
    DISCLOSURE_OUTDATED,
    BELOW_MINIMUM,
    OFF_STEP,
    OUT_OF_STOCK,
    CAP_EXCEEDED,
    ELDER_NEEDS_CALL,
    EXPLANATION_MISSING,
    RISK_REVIEW,
    REPLAY_SALES_OFF,
    REPLAY_NOT_SEALED,
    REPLAY_NOT_RECORDED,
    REPLAY_NOT_ON_SHELF,
    REPLAY_TERMS_CHANGED,
    IDEMPOTENCY_CONFLICT,
    ASSESSMENT_LIMIT,
    ANSWERS_INCOMPLETE,
    COOLING_OFF_OVER,
    NOT_CANCELLABLE,
    DESK_BUSY,
)
