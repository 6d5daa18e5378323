"""Why a product's terms, or a file of them, are not taken. What was typed or sent is never lost by it: nothing is changed.

`FAULTS` say what is wrong with one field and are told together, in the `faults` (a form) or `errors` (a file) of a refusal.
"""

from __future__ import annotations

from core.errors import Problem

PRODUCT_INVALID = Problem(
    "product_invalid", 422,
    "{count} of the fields can't be taken as they are.", "有 {count} 个字段无法采用。",
    "Correct the marked fields and save again; what you typed is kept.", "请更正标出的字段后重新保存，已填写的内容会保留。",
)  # fmt: skip
PRODUCT_CHANGED = Problem(
    "product_changed", 409,
    "Somebody else has changed this product meanwhile: it is at revision {revision}, you started from {expected}.",
    "该产品已被他人修改：当前为第 {revision} 版，您从第 {expected} 版开始编辑。",
    "Look at what is new, then save again; what you typed is kept.", "请查看最新内容后再保存，已填写的内容会保留。", "retry",
)  # fmt: skip
PRODUCT_EXISTS = Problem(
    "product_exists", 409,
    "There is a product {product} already.", "产品代码 {product} 已存在。",
    "Choose another id, or open that product and change it.", "请换一个代码，或打开该产品进行修改。",
)  # fmt: skip
CATALOGUE_BUSY = Problem(
    "catalogue_busy", 503,
    "The catalogue could not be changed: too much is being sold right now.", "当前下单较多，产品目录暂时无法修改。",
    "Try again in a moment; what you typed is kept, and nothing was changed.", "请稍后重试，已填写的内容会保留。", "retry",
)  # fmt: skip
IMPORT_REFUSED = Problem(
    "import_refused", 422,
    "The file has {count} errors; nothing was imported.", "文件有 {count} 处错误，未导入任何内容。",
    "Correct the lines that are named and send the whole file again.", "请更正所列行后重新上传整个文件。",
)  # fmt: skip
CSV_ENCODING = Problem(
    "csv_encoding", 415,
    "The file is not UTF-8 (line {line}); it looks like {looks_like}.",
    "文件不是 UTF-8 编码（第 {line} 行），疑似 {looks_like}。",
    "In your spreadsheet save it as “CSV UTF-8” and send it again.", "请在表格软件中另存为“CSV UTF-8”后重新上传。",
)  # fmt: skip
CSV_TOO_LARGE = Problem(
    "csv_too_large", 413,
    "The file is larger than {most}.", "文件超过 {most}。",
    "Split it into several files and import one after the other.", "请拆分为多个文件后依次导入。",
)  # fmt: skip
CSV_COLUMNS = Problem(
    "csv_columns", 422,
    "The first line does not name the columns: missing {missing}; unknown {unknown}.",
    "首行列名有误：缺少 {missing}；无法识别 {unknown}。",
    "Export the catalogue and keep its first line.", "请先导出产品目录，并保留其首行。",
)  # fmt: skip
CSV_UNREADABLE = Problem(
    "csv_unreadable", 422,
    "Line {line} can't be read as CSV: {detail}.", "第 {line} 行不是有效的 CSV：{detail}。",
    "Check the quotation marks around that line.", "请检查该行附近的引号。",
)  # fmt: skip

FIELD_MISSING = Problem(
    "field_missing", 422,
    "This is needed.", "此项必填。",
    "Fill it in.", "请填写。",
)  # fmt: skip
FIELD_TOO_LONG = Problem(
    "field_too_long", 422,
    "This has {length} characters; at most {most} are kept.", "共 {length} 个字符，最多 {most} 个。",
    "Shorten it.", "请缩短。",
)  # fmt: skip
FIELD_UNPRINTABLE = Problem(
    "field_unprintable", 422,
    "This holds a character that can't be shown.", "含有无法显示的字符。",
    "Type it anew instead of pasting it.", "请手动输入，不要粘贴。",
)  # fmt: skip
PRODUCT_ID_INVALID = Problem(
    "product_id_invalid", 422,
    "An id has 1 to 40 of the letters A to Z, digits, “-” and “_”.", "代码须为 1 至 40 位字母、数字、“-”或“_”。",
    "For example prd-2026-017.", "例如 prd-2026-017。",
)  # fmt: skip
CLASS_UNKNOWN = Problem(
    "class_unknown", 422,
    "“{given}” is no class of products.", "没有“{given}”这一产品类别。",
    "It is one of deposit, wealth, fund, insurance.", "可选：deposit、wealth、fund、insurance。",
)  # fmt: skip
CURRENCY_UNKNOWN = Problem(
    "currency_unknown", 422,
    "Nothing is sold in “{given}”.", "不支持币种“{given}”。",
    "It is one of {known}.", "可选：{known}。",
)  # fmt: skip
CURRENCY_FIXED = Problem(
    "currency_fixed", 422,
    "The currency of a product never changes; it is {currency}.", "产品币种不可更改，当前为 {currency}。",
    "Make a new product for the other currency.", "如需其他币种，请新建产品。",
)  # fmt: skip
RISK_OUT_OF_RANGE = Problem(
    "risk_out_of_range", 422,
    "A risk grade is 1 to 5.", "风险等级为 1 至 5。",
    "Give the number behind the R.", "请填写 R 后面的数字。",
)  # fmt: skip
NUMBER_UNREADABLE = Problem(
    "number_unreadable", 422,
    "“{given}” is not a whole number.", "“{given}”不是整数。",
    "Write digits alone.", "请只填写数字。",
)  # fmt: skip
TERM_OUT_OF_RANGE = Problem(
    "term_out_of_range", 422,
    "A term has 1 to {most} days.", "期限为 1 至 {most} 天。",
    "Leave it empty for a product without a fixed term.", "无固定期限的产品请留空。",
)  # fmt: skip
AMOUNT_UNREADABLE = Problem(
    "amount_unreadable", 422,
    "“{given}” is not an amount.", "“{given}”不是金额。",
    "Write it without separators, as in 10000.00.", "请勿使用千位分隔符，例如 10000.00。",
)  # fmt: skip
AMOUNT_NOT_MINOR = Problem(
    "amount_not_minor", 422,
    "{given} is not a whole number of the smallest unit of {currency}.", "{given} 不是 {currency} 最小单位的整数倍。",
    "Write at most {places} digits after the point.", "小数点后最多 {places} 位。",
)  # fmt: skip
AMOUNT_OUT_OF_RANGE = Problem(
    "amount_out_of_range", 422,
    "This amount has to be above zero and at most {most_text}.", "金额须大于零，且不超过 {most_text}。",
    "Correct the amount.", "请更正金额。",
)  # fmt: skip
CAP_BELOW_MINIMUM = Problem(
    "cap_below_minimum", 422,
    "With a cap of {cap_text} nobody could order the minimum of {minimum_text}.",
    "单人限额 {cap_text} 低于起购金额 {minimum_text}，无人可以购买。",
    "Raise the cap, lower the minimum, or leave the cap empty.", "请提高限额、降低起购金额，或将限额留空。",
)  # fmt: skip
QUOTA_BELOW_SOLD = Problem(
    "quota_below_sold", 422,
    "{sold_text} of it are sold already.", "已售出 {sold_text}。",
    "Set the quota to that at least; to sell no more, withdraw the product.",
    "总额度不得低于已售金额；如需停售，请下架该产品。",
)  # fmt: skip
PRICE_KIND_UNKNOWN = Problem(
    "price_kind_unknown", 422,
    "“{given}” is no kind of price.", "没有“{given}”这一价格类型。",
    "It is one of price, nav, rate.", "可选：price（价格）、nav（净值）、rate（利率）。",
)  # fmt: skip
PRICE_UNREADABLE = Problem(
    "price_unreadable", 422,
    "“{given}” is not a price: up to nine digits, a point, up to six more, and above zero.",
    "“{given}”不是有效价格：整数部分最多 9 位、小数最多 6 位，且大于零。",
    "For example 1.0126; a rate in per cent a year, as in 1.20.", "例如 1.0126；利率按年化百分数填写，例如 1.20。",
)  # fmt: skip
NAV_DATE_MISSING = Problem(
    "nav_date_missing", 422,
    "A net asset value is that of a day.", "净值须注明日期。",
    "Give its date, as in 2026-11-20.", "请填写净值日期，例如 2026-11-20。",
)  # fmt: skip
PRICE_DATE_UNWANTED = Problem(
    "price_date_unwanted", 422,
    "Only a net asset value has a date.", "只有净值需要日期。",
    "Leave the date empty, or choose nav.", "请将日期留空，或选择 nav（净值）。",
)  # fmt: skip
NAV_DATE_AHEAD = Problem(
    "nav_date_ahead", 422,
    "This net asset value would be of a day to come.", "净值日期不能晚于今天。",
    "Correct the date.", "请更正日期。",
)  # fmt: skip
DATE_UNREADABLE = Problem(
    "date_unreadable", 422,
    "“{given}” is not a date.", "“{given}”不是日期。",
    "Write it as in 2026-11-20.", "请按 2026-11-20 的格式填写。",
)  # fmt: skip
TIME_UNREADABLE = Problem(
    "time_unreadable", 422,
    "“{given}” is not a time with its zone.", "“{given}”不是带时区的时间。",
    "Write it as in 2026-11-20T09:00:00+08:00.", "请按 2026-11-20T09:00:00+08:00 的格式填写。",
)  # fmt: skip
FEE_OUT_OF_RANGE = Problem(
    "fee_out_of_range", 422,
    "A fee is 0 to {most} basis points.", "费率为 0 至 {most} 个基点。",
    "15 stands for 0.15 per cent.", "15 表示 0.15%。",
)  # fmt: skip
WINDOW_UPSIDE_DOWN = Problem(
    "window_upside_down", 422,
    "The sale would end before it begins.", "销售结束时间早于开始时间。",
    "Choose an end after the beginning.", "请选择晚于开始的结束时间。",
)  # fmt: skip
ROW_DOUBLED = Problem(
    "row_doubled", 422,
    "{product} stands on line {first} already.", "{product} 已出现在第 {first} 行。",
    "Keep one of the two lines.", "请保留其中一行。",
)  # fmt: skip
ROW_SHAPE = Problem(
    "row_shape", 422,
    "This line has {given} cells, the first line names {expected} columns.", "该行有 {given} 个单元格，首行有 {expected} 列。",
    "Look for a missing comma or quotation mark.", "请检查是否缺少逗号或引号。",
)  # fmt: skip
ROW_LIMIT = Problem(
    "row_limit", 422,
    "A file has at most {most} rows.", "单个文件最多 {most} 行。",
    "Split it into several files.", "请拆分为多个文件。",
)  # fmt: skip
PRODUCT_MISSING = Problem(
    "product_missing", 422,
    "There is no product {product} whose revision could be {expected}.", "没有代码为 {product}、版本为 {expected} 的产品。",
    "Leave the revision empty to make a new product.", "如需新建产品，请将版本留空。",
)  # fmt: skip

FAULTS = (
    FIELD_MISSING,
    FIELD_TOO_LONG,
    FIELD_UNPRINTABLE,
    PRODUCT_ID_INVALID,
    CLASS_UNKNOWN,
    CURRENCY_UNKNOWN,
    CURRENCY_FIXED,
    RISK_OUT_OF_RANGE,
    NUMBER_UNREADABLE,
    TERM_OUT_OF_RANGE,
    AMOUNT_UNREADABLE,
    AMOUNT_NOT_MINOR,
    AMOUNT_OUT_OF_RANGE,
    CAP_BELOW_MINIMUM,
    QUOTA_BELOW_SOLD,
    PRICE_KIND_UNKNOWN,
    PRICE_UNREADABLE,
    NAV_DATE_MISSING,
    PRICE_DATE_UNWANTED,
    NAV_DATE_AHEAD,
    DATE_UNREADABLE,
    TIME_UNREADABLE,
    FEE_OUT_OF_RANGE,
    WINDOW_UPSIDE_DOWN,
    ROW_DOUBLED,
    ROW_SHAPE,
    ROW_LIMIT,
    PRODUCT_MISSING,
)
PROBLEMS = (
    PRODUCT_INVALID,
    PRODUCT_CHANGED,
    PRODUCT_EXISTS,
    CATALOGUE_BUSY,
    IMPORT_REFUSED,
    CSV_ENCODING,
    CSV_TOO_LARGE,
    CSV_COLUMNS,
    CSV_UNREADABLE,
    *FAULTS,
)
