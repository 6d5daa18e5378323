// Words of buying: the sheet, the receipt, the state of the sale.
import { register } from "../scripts/lib/i18n.js";

register({
  en: {
    buy: "Buy", "buy.title": "Your order", "buy.proposal": "Your adviser's proposal", "buy.disclosure": "Disclosure", "buy.disclosure.scroll": "Scroll to its end to confirm it.",
    "buy.disclosure.confirm": "I have read this disclosure and accept its risks.", "buy.amount": "Amount", "buy.less": "Less", "buy.more": "More",
    "buy.confirm": "Buy {amount} of {product}", "buy.confirm.bare": "Buy {product}", "buy.sending": "Placing your order…",
    "buy.missing.read": "First read the disclosure to its end.", "buy.missing.confirm": "Confirm the disclosure above.", "buy.missing.amount": "Enter an amount that fits.",
    "buy.safe": "Trying again can't buy twice: it is the same order until it has been answered.",
    "sale.closed": "Buying is closed at the moment.",
    "amount.rule": "From {minimum}, in steps of {step}", "amount.minimum": "At least {limit}.", "amount.step": "In steps of {limit} above the minimum.", "amount.cap": "At most {limit} per customer.", "amount.left": "Only {limit} is left.",
    "fact.rate": "Rate", "fact.term": "Term", "fact.minimum": "Minimum", "fact.minimum.value": "{minimum}, steps of {step}", "fact.cap": "Limit per customer", "fact.left": "Still available",
    "product.from": "from {minimum}", "product.closed": "Not on sale at the moment, or sold out.", "plain.title": "{title}", "term.days": "{days} days", "term.open": "No fixed term", "plain.money": "{amount}", "plain.time": "{at}",
    "receipt.title": "Receipt", "receipt.number": "Order number", "receipt.placed": "Placed", "receipt.moment": "Moment in the recording", "receipt.moment.value": "{moment}", "receipt.entry": "Entry in the record", "receipt.entry.value": "No. {seq}",
    "receipt.note": "This order is bound to the recording of the moment you placed it. You can ask for that record at any time.",
    "receipt.cancellable": "You can cancel until {at}, under My orders.", "receipt.open": "Print or save", "receipt.back": "Back to the picture",
    "order.placed": "Placed", "order.sent": "Sent to the bank", "order.confirmed": "Confirmed", "order.rejected": "Rejected by the bank", "order.cancelled": "Cancelled",
  },
  zh: {
    buy: "购买", "buy.title": "确认购买", "buy.proposal": "理财经理的建议", "buy.disclosure": "风险揭示书", "buy.disclosure.scroll": "请阅读至末尾后确认。",
    "buy.disclosure.confirm": "本人已阅读上述风险揭示书，了解并愿意承担相关风险。", "buy.amount": "购买金额", "buy.less": "减少", "buy.more": "增加",
    "buy.confirm": "购买 {product} {amount}", "buy.confirm.bare": "购买 {product}", "buy.sending": "正在提交订单…",
    "buy.missing.read": "请先将风险揭示书阅读至末尾。", "buy.missing.confirm": "请勾选确认上述风险揭示。", "buy.missing.amount": "请填写符合要求的金额。",
    "buy.safe": "重试不会重复购买：在得到答复前始终是同一笔订单。",
    "sale.closed": "当前暂停购买。",
    "amount.rule": "{minimum} 起购，以 {step} 递增", "amount.minimum": "最低 {limit}。", "amount.step": "超出起购金额的部分须为 {limit} 的整数倍。", "amount.cap": "每位客户最多 {limit}。", "amount.left": "剩余额度 {limit}。",
    "fact.rate": "收益表述", "fact.term": "期限", "fact.minimum": "起购金额", "fact.minimum.value": "{minimum}，{step} 递增", "fact.cap": "单人限额", "fact.left": "剩余额度",
    "product.from": "{minimum} 起", "product.closed": "当前不可购买或额度已售完。", "plain.title": "{title}", "term.days": "{days} 天", "term.open": "无固定期限", "plain.money": "{amount}", "plain.time": "{at}",
    "receipt.title": "购买回执", "receipt.number": "订单编号", "receipt.placed": "下单时间", "receipt.moment": "对应录像时刻", "receipt.moment.value": "{moment}", "receipt.entry": "存证序号", "receipt.entry.value": "第 {seq} 条",
    "receipt.note": "本订单已与下单时刻的录像绑定存证，您可随时申请查阅。",
    "receipt.cancellable": "{at} 前可在“我的订单”中撤销。", "receipt.open": "打印或保存", "receipt.back": "返回画面",
    "order.placed": "已下单", "order.sent": "已提交银行", "order.confirmed": "已确认", "order.rejected": "银行未受理", "order.cancelled": "已撤销",
  },
});
