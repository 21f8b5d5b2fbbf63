"""What the sandbox answers instead of a result, in the shape of Databricks' errors."""

from __future__ import annotations


class Refusal(Exception):
    """An error answer: HTTP status, `error_code` and `message`."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message

    def body(self) -> dict[str, str]:
        """The JSON body."""
        return {"error_code": self.error_code, "message": self.message}


def invalid(message: str) -> Refusal:
    """400: a parameter's value is wrong. Unknown jobs, runs and clusters are answered like this, too."""
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def wrong_state(message: str) -> Refusal:
    """400: not possible in the present state."""
    return Refusal(400, "INVALID_STATE", message)


def missing(message: str) -> Refusal:
    """404: no such path."""
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", message)
