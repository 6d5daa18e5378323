"""Refusals that explain themselves: a stable code, a sentence for the person, the next step (invariant 8).

Refused      the caller asked for something that can't be had; tell the person, nothing was changed
Unavailable  something behind us did not answer in time; the same request may be tried again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal. `{name}` in a sentence is filled from the refusal's parameters.

    `door` names what the page should offer next: "" (nothing), "login", "assessment", "call", "disclosure", "retry", "amount"
    or "lobby".
    """

    code: str
    status: int
    en: str
    zh: str
    next_en: str
    next_zh: str
    door: str = ""


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """The request was understood and is refused; nothing was changed and nothing the person entered is lost."""

    def __init__(self, problem: Problem, **params: Any) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.params = params

    def to_json(self, lang: str = "en") -> dict[str, Any]:
        """The RFC 9457 body: type, title, status, code, next, door, params. `lang` is "en" or "zh"."""
        p = self.problem
        title, step = (p.zh, p.next_zh) if lang == "zh" else (p.en, p.next_en)
        return {
            "type": f"/docs/problems#{p.code}",
            "title": title.format_map(self.params),
            "status": p.status,
            "code": p.code,
            "next": step.format_map(self.params),
            "door": p.door,
            "params": self.params,
        }


class Unavailable(Refused):
    """Something outside this process did not answer; `retry_after` seconds is when to ask again."""

    def __init__(self, problem: Problem, *, retry_after: int = 1, **params: Any) -> None:
        super().__init__(problem, **params)
        self.retry_after = retry_after


BAD_REQUEST = Problem(
    "bad_request", 400,
    "The request could not be read: {detail}.", "请求内容有误：{detail}。",
    "Correct it and send it again.", "请更正后重新提交。", "retry",
)  # fmt: skip
NOT_SIGNED_IN = Problem(
    "not_signed_in", 401,
    "You are not signed in.", "您尚未登录。",
    "Sign in and come back to this page.", "请登录后返回本页。", "login",
)  # fmt: skip
FORBIDDEN = Problem(
    "forbidden", 403,
    "This is not open to your role.", "您的身份无权使用此功能。",
    "Go back, or sign in as someone who may.", "请返回，或使用有权限的身份登录。", "lobby",
)  # fmt: skip
NOT_FOUND = Problem(
    "not_found", 404,
    "There is nothing here.", "未找到相关内容。",
    "Check the address, or start from the lobby.", "请检查地址，或从首页重新开始。", "lobby",
)  # fmt: skip
TOO_MANY = Problem(
    "too_many_requests", 429,
    "That was too fast; wait {wait_s} s.", "操作过于频繁，请等待 {wait_s} 秒。",
    "Wait a moment and try again; nothing you typed is lost.", "请稍后再试，您输入的内容不会丢失。", "retry",
)  # fmt: skip
INTERNAL = Problem(
    "internal_error", 500,
    "Something went wrong on our side (reference {reference}).", "系统出现异常（编号 {reference}）。",
    "Try again; if it stays, tell us the reference.", "请重试；如仍未解决，请将编号告知我们。", "retry",
)  # fmt: skip
DATABASE_AWAY = Problem(
    "database_away", 503,
    "We can't reach our records at this moment.", "暂时无法访问系统数据。",
    "Wait a moment and try again; nothing you typed is lost.", "请稍后再试，您输入的内容不会丢失。", "retry",
)  # fmt: skip

PROBLEMS = (BAD_REQUEST, NOT_SIGNED_IN, FORBIDDEN, NOT_FOUND, TOO_MANY, INTERNAL, DATABASE_AWAY)
