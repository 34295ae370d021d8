"""What the JSON interface says when it cannot answer: problem details (RFC 9457), stable codes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TYPE = "urn:ivrd:problem:"
"""What stands before a code in a problem's ``type``."""

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, and its title in both languages."""

    status: int
    en: str
    zh: str


KINDS: Mapping[str, Kind] = {
    "invalid": Kind(400, "The request is not as described", "请求不符合接口说明"),
    "token-missing": Kind(401, "A token is needed", "需要令牌"),
    "token-refused": Kind(401, "The token is not valid", "令牌无效"),
    "token-expired": Kind(401, "The token has expired", "令牌已过期"),
    "not-allowed": Kind(403, "This client may not ask that", "该客户端无权查询此项"),
    "not-proven": Kind(403, "Account and proof do not fit", "账户或验证信息不符"),
    "no-account": Kind(404, "There is no such account", "没有此账户"),
    "handle-unknown": Kind(404, "The handle is unknown or too old", "账户句柄无效或已过期"),
    "no-bill": Kind(404, "There is no bill of that month", "该月没有账单"),
    "not-told": Kind(404, "Those months are not told", "不提供这些月份的账单"),
    "not-ready": Kind(404, "The bills of that month are not ready", "该月账单尚未出账"),
    "no-path": Kind(404, "There is nothing here", "没有此路径"),
    "no-method": Kind(405, "This method does nothing here", "不支持此方法"),
    "too-large": Kind(413, "The body is too large", "请求体过大"),
    "not-json": Kind(415, "The body is not application/json", "请求体不是 application/json"),
    "too-often": Kind(429, "This client has asked too often", "请求过于频繁"),
    "too-many-tokens": Kind(429, "Too many wrong tokens", "错误令牌次数过多"),
    "fault": Kind(500, "A fault in ivrd", "ivrd 内部错误"),
    "billing-data": Kind(500, "The billing data is not as it should be", "账单数据有误"),
    "billing-slow": Kind(503, "The billing data did not answer in time", "账单数据库响应超时"),
    "billing-down": Kind(503, "The billing data cannot be reached", "账单数据库无法访问"),
    "busy": Kind(503, "Too many requests wait", "等待的请求过多"),
    "store-down": Kind(503, "Proofs cannot be counted now", "暂时无法验证"),
    "stopping": Kind(503, "ivrd stops", "ivrd 正在停止"),
}
"""Every code, as `docs/api.md` lists them."""

RETRY_S = {"billing-slow": 5, "billing-down": 10, "busy": 1, "store-down": 5, "stopping": 30}
"""After how many seconds it makes sense to ask again, where that is not known better."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong in a request: where (``query.page``), and what was expected."""

    where: str
    expected: str


@dataclass
class ApiProblem(Exception):  # noqa: N818 - problem is RFC 9457's word
    """A request that ends in a problem; `detail` holds nothing private."""

    code: str
    detail: str = ""
    flaws: Sequence[Flaw] = ()
    retry_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request_id: str, lang: str) -> web.Response:
        """Return the answer; its title is Chinese where `lang` is."""
        kind = KINDS[self.code]
        body: dict[str, Any] = {
            "type": TYPE + self.code,
            "title": kind.zh if lang.startswith("zh") else kind.en,
            "status": kind.status,
            "code": self.code,
            "instance": f"urn:ivrd:request:{request_id}",
        }
        if self.detail:
            body["detail"] = self.detail
        if self.flaws:
            body["errors"] = [{"where": f.where, "expected": f.expected} for f in self.flaws]
        headers = dict(self.headers)
        wait_s = self.retry_s if self.retry_s is not None else RETRY_S.get(self.code)
        if wait_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(wait_s)))  # RFC 9110 §10.2.3
        if kind.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="ivrd"'  # RFC 6750 §3
        text = json.dumps(body, ensure_ascii=False)
        return web.Response(text=text, status=kind.status, content_type=MEDIA_TYPE, headers=headers)
