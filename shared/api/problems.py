"""Errors as RFC 9457 problem documents."""

from typing import Any


class ProblemError(Exception):
    """An answer that is an error: a status, a short title, and what to do. `headers` go with the answer."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
        if detail:
            self.body["detail"] = detail
        self.body |= more
