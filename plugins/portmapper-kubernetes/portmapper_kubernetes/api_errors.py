"""The one error of requests to the API server."""

from __future__ import annotations

from portmapper.api import SourceError

FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
GONE = 410
TOO_LARGE = 413
UNPROCESSABLE = 422


class ApiFailure(SourceError):
    """A request to the API server failed.

    Attributes:
        status: HTTP status, or the code of an ERROR event; 0 if there was no answer.
        retry_after: seconds that the server asks to wait; 0 if it does not.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
