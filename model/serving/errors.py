"""The errors of the model server, in the shape that clients of OpenAI's API know.

An error has a status, a type, a code for programs, and the field at fault.

400 invalid_request_error   what is wrong, and in which field (context_length_exceeded among them)
401 authentication_error    no key, or a wrong one
404 not_found_error         no such model, no such address
413 invalid_request_error   a body that is too large
503 server_error            busy or going down, with Retry-After: clients try again by themselves
500 server_error            the model failed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.onnx_infer import EngineBusy, EngineError, PromptTooLong, RequestRefused

TOO_LONG = "context_length_exceeded"
UNKNOWN_MODEL = "model_not_found"
BUSY = "server_busy"


class ApiError(Exception):
    """An answer that is an error; `code` is for programs, `param` the field at fault.

    `model` is whose fault it is ("": nobody's, or the client's).
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers: dict[str, str] = {}
        self.model = ""

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON body."""
        kinds = {401: "authentication_error", 404: "not_found_error"}
        kind = kinds.get(
            self.status,
            "server_error" if self.status >= 500 else "invalid_request_error",  # noqa: PLR2004
        )
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def refuse(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Make the error of a request that cannot be served as it is."""
    return ApiError(400, message, param=param, code=code)


def make_busy(message: str, retry_after_s: float) -> ApiError:
    """Make the error that says when to try again, in whole seconds."""
    error = ApiError(503, message, code=BUSY)
    error.headers["Retry-After"] = str(max(1, round(retry_after_s)))
    return error


def from_engine(error: EngineError) -> ApiError:
    """Say what an engine raised."""
    match error:
        case EngineBusy():
            return make_busy(f"The model is {error}.", error.retry_after_s)
        case PromptTooLong():
            sentence = str(error)
            return refuse(f"{sentence[0].upper()}{sentence[1:]}.", "messages", TOO_LONG)
        case RequestRefused():
            return refuse(f"The schema cannot be used: {error}", "response_format")
        case _:
            return ApiError(500, "The model failed; the server's log says why.", code="engine_failed")
