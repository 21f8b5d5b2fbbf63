"""Looking again: a person asks for a new answer, because more is known now than when the last one was made."""

from __future__ import annotations

from pydantic import Field

from core.incident import Words


class SecondLook(Words):
    """Who asked for it last, and which proposal it is to lead to: the row says so, and the graph goes by that."""

    by: str
    attempt: int
    #: The revision of the proposal to come, within `attempt`.
    revision: int
    #: What Pitstop should know, in the person's words.
    hint: str = ""
    #: How often it was asked for, this one included.
    times: int = Field(default=1, ge=1)
