"""The queue on a screen: a list by urgency, the whole story of the one it stands on, keys to decide."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Footer, Input, Static

from cli.client import Client
from cli.plain import line
from cli.review_forms import FORMS, Form, target_of
from cli.review_rows import COLUMNS, cells_of, is_group, key_of, why_not
from cli.review_story import ending, story_of
from cli.review_windows import Notice, Outcome, Window
from core.errors import NotFound, PitstopError

Json = Mapping[str, Any]

LOOK_SECONDS = 3.0
HELP = """up, down     the question before, the next
space, b     the story onwards, and back
enter        into the story (tab: back to the list)
a            approve, after a second look
e            edit the parameters, and approve them so
r            reject; stop the run or take over with it
h            give a hint: Pitstop thinks again, and asks anew
d            ask another approver too; you may still decide
x            take more time to decide, once
f or /       filter by job, class, cause or id (esc: all)
m            what waits for me, or for anybody
u            look again now (it looks by itself every 3 s)
q            leave; nothing is decided by leaving

A group of one cause stands here once; one decision answers
for all of it. A decision binds to exactly what is shown: if
it changed, nothing happens. Who was faster is named."""


class ReviewApp(App[None]):
    """Speaks to the service over HTTP alone, with the reviewer's token.

    Args:
        client: The service.
        everyone: Begin with everybody's questions and not only the reviewer's.
        look_seconds: How long between two looks at the queue.
    """

    TITLE = "Pitstop"
    CSS_PATH = "review.css"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "open('approve')", "Approve"),
        Binding("e", "open('edit')", "Edit"),
        Binding("r", "open('reject')", "Reject"),
        Binding("h", "open('respond')", "Hint"),
        Binding("d", "open('delegate')", "Delegate"),
        Binding("x", "open('extend')", "Extend"),
        Binding("f,slash", "filter", "Filter", key_display="f"),
        Binding("m", "mine", show=False),
        Binding("u", "look", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("space", "story(1)", show=False),
        Binding("b", "story(-1)", show=False),
        Binding("escape", "all", show=False),
    ]

    def __init__(self, client: Client, *, everyone: bool = False, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours, whatever they are; with NO_COLOR none
        self.theme = "ansi-dark"
        self._client = client
        self._look_seconds = look_seconds
        self._mine = not everyone
        self._filter = ""
        self._items: dict[str, Json] = {}
        #: What the story shows: the row's key, the incident, its group.
        self._shown: tuple[str, Json, Json | None] | None = None
        #: Rows whose end was told already, in a window.
        self._told: set[str] = set()

    def compose(self) -> ComposeResult:
        yield Static(Text("Looking ..."), id="status")
        yield DataTable(id="queue", cursor_type="row", zebra_stripes=False)
        yield Input(placeholder="Filter: job, class, cause or id; enter", id="filter", compact=True)
        with VerticalScroll(id="detail"):
            yield Static(Text(""), id="story")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for label, width in COLUMNS:
            table.add_column(Text(label), width=width, key=label)
        self.query_one("#filter").display = False
        table.focus()
        self.action_look()
        self.set_interval(self._look_seconds, self.action_look)

    # Looking

    @work(exclusive=True, group="queue")
    async def action_look(self) -> None:
        """Read the queue again, and the story of the one that is shown."""
        mine, narrowed = self._mine, self._filter
        try:
            queue = await self._get("/queue", mine=mine, q=narrowed)
        except PitstopError as error:
            self._status(f"! Trying again. {error}")
            return
        gone = self._fill(queue["items"])
        waits = f"{queue['total']} waiting" + (f" for {queue['caller']}" if mine else "")
        waits += f", filter: {narrowed}" if narrowed else ""
        self._status(f"Pitstop  {waits}  {datetime.now():%H:%M:%S}")
        if gone is not None:
            await self._say_who(gone)
        self._show()

    def _fill(self, items: list[Json]) -> Json | None:
        """Put the rows in, the cursor where it was; the item under it, if it waits no more."""
        table = self.query_one(DataTable)
        before, at = self._current, table.cursor_row
        old, self._items = self._items, {key_of(item): item for item in items}
        if list(old.items()) == list(self._items.items()) and table.row_count == len(old):
            return None
        table.clear()
        for key, item in self._items.items():
            table.add_row(*cells_of(item), key=key)
        keys = list(self._items)
        if before in self._items:
            table.move_cursor(row=keys.index(before), animate=False)
        elif keys:
            table.move_cursor(row=min(at, len(keys) - 1), animate=False)
        self._mark()
        return old.get(before) if before is not None and before not in self._items else None

    async def _say_who(self, item: Json) -> None:
        """The question under the cursor has gone: whoever answered it is named, unless a window did."""
        if key_of(item) in self._told:
            return
        try:
            found = (await self._get(f"/approvals/{item['approval_id']}"))["approval"]
        except PitstopError:
            return  # the status line says that the service is away
        if found["status"] != "pending":
            self.notify(ending(found), title=line(item["job_name"]), timeout=12, markup=False)

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._mark()
        self._show()

    def _mark(self) -> None:
        """The row the cursor is on, for terminals that show neither colour nor reverse."""
        table = self.query_one(DataTable)
        for row, key in enumerate(self._items):
            table.update_cell(key, "", Text(">" if row == table.cursor_row else " "))

    @work(exclusive=True, group="story")
    async def _show(self) -> None:
        key = self._current
        item = self._items.get(key) if key else None
        if key is None or item is None:
            self._shown = None
            self.query_one("#story", Static).update(Text(self._nothing()))
            return
        try:
            incident = await self._get(f"/incidents/{item['incident_id']}")
            group = await self._get(f"/groups/{item['group']['id']}") if is_group(item) else None
        except NotFound:
            return
        except PitstopError as error:
            self._status(f"! Trying again. {error}")
            return
        moved = self._shown is None or self._shown[0] != key
        self._shown = (key, incident, group)
        text = story_of(incident, group)
        head = ["; ".join(line(reason["text"]) for reason in item["reasons"])]
        if barred := why_not(item, "approve"):
            head.append(f"! {barred}")
        shown = "".join(f"{words}\n" for words in head if words)
        self.query_one("#story", Static).update(Text.assemble((shown, "bold"), text))
        if moved:
            self.query_one("#detail").scroll_home(animate=False)

    def _nothing(self) -> str:
        if self._filter:
            return "Nothing that waits matches the filter. esc: without it."
        return "Nothing waits for you. m: what waits for anybody." if self._mine else "Nothing waits."

    # Deciding

    def action_open(self, kind: str) -> None:
        """Open the form of this kind for what is shown, or say why there is nothing to fill in."""
        if self._shown is None or self._shown[0] != self._current:
            self.bell()
            return
        key, incident, group = self._shown
        target = target_of(incident, group)
        if target is None:
            self.push_screen(Notice("Nothing to decide", "This question has been answered meanwhile."))
        elif kind == "edit" and target.members:
            said = "Parameters are edited incident by incident: `pitstop edit INCIDENT --params JSON`."
            self.push_screen(Notice("A group is approved or rejected as it is", said))
        elif why := why_not(self._items.get(key, {}), kind):
            self.push_screen(Notice(FORMS[kind].REFUSED, why))
        else:
            form = FORMS[kind](target)
            self.push_screen(Window(form, self._post), lambda outcome: self._ended(key, form, outcome))

    def _ended(self, key: str, form: Form, outcome: Outcome | None) -> None:
        """A window was closed; what came of it is said."""
        if outcome is None:
            return
        if outcome.refused or outcome.answered:
            self._told.add(key)
        if outcome.refused:
            self.push_screen(Notice(form.REFUSED, line(outcome.said)))
        else:
            self.notify(outcome.said, markup=False)
        self.action_look()

    # Finding the way

    def action_filter(self) -> None:
        """Open the filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Submitted, "#filter")
    def _filtered(self, event: Input.Submitted) -> None:
        self._filter = event.value.strip()
        event.input.display = bool(self._filter)
        self._again()

    def action_all(self) -> None:
        """Without a filter again."""
        field = self.query_one("#filter", Input)
        field.value, field.display, self._filter = "", False, ""
        self._again()

    def action_mine(self) -> None:
        """What waits for the reviewer, or what waits for anybody."""
        self._mine = not self._mine
        self._again()

    def _again(self) -> None:
        """Another list: what is missing in it was not decided by somebody."""
        self._items = {}
        self.query_one(DataTable).focus()
        self.action_look()

    def action_story(self, pages: int) -> None:
        """The story by pages, while the list keeps the keys."""
        detail = self.query_one("#detail")
        detail.scroll_relative(y=pages * max(1, detail.size.height - 2), animate=False)

    @on(DataTable.RowSelected)
    def _enter(self) -> None:
        self.query_one("#detail").focus()

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(Notice("Keys", HELP))

    # The service

    @property
    def _current(self) -> str | None:
        """The key of the row under the cursor."""
        keys = list(self._items)
        row = self.query_one(DataTable).cursor_row
        return keys[row] if 0 <= row < len(keys) else None

    def _status(self, text: str) -> None:
        self.query_one("#status", Static).update(Text(line(text), no_wrap=True, overflow="ellipsis"))

    async def _get(self, path: str, **params: Any) -> Any:
        try:
            return await asyncio.to_thread(self._client.get, path, **params)
        finally:
            if not self.query("#status"):  # the screen was closed meanwhile: nothing is left to show it on
                raise asyncio.CancelledError

    async def _post(self, path: str, body: dict[str, Any], key: str) -> Any:
        return await asyncio.to_thread(self._client.post, path, body, key=key)
