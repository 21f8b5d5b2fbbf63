"""What a message shows, and what it never shows."""

from __future__ import annotations

from typing import Any

import pytest

from tools.notify.message import KINDS, MAX_SUBJECT, compose

HOSTILE = '<script>alert(1)</script> & "quoted" {{ 7*7 }}'


@pytest.mark.parametrize("kind", [*KINDS, "something new"])
def test_every_kind_of_message_from_nothing_at_all(kind: str) -> None:
    made = compose(kind, {})
    assert made.subject.startswith("[Pitstop] ") and made.text.strip() and "</html>" in made.html
    assert "None" not in made.text + made.html and "Undefined" not in made.text + made.html


def test_log_text_is_escaped_and_not_executed() -> None:
    facts = {
        "run": {"job_name": HOSTILE, "run_id": 1, "run_page_url": 'https://x/"onload="x'},
        "diagnosis": {
            "category": "data",
            "root_cause": HOSTILE,
            "evidence": [{"source": HOSTILE, "line_start": 1, "line_end": 1, "text": HOSTILE}],
        },
        "proposal": {"action": "RETRY", "reason": HOSTILE, "params": {HOSTILE: HOSTILE}, "risks": [HOSTILE]},
        "tried": [{"attempt": 1, "action": HOSTILE, "result": HOSTILE}],
        "note": HOSTILE,
    }
    made = compose("escalation", facts)
    assert "<script" not in made.html and "&lt;script&gt;" in made.html
    assert 'href="https://x/&#34;onload=&#34;x"' in made.html
    assert "49" not in made.html and HOSTILE in made.text


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://x/ y", "data:text/html,x", "https://x/\nBcc: y", 7, None]
)
def test_addresses_that_are_none_are_not_shown(address: Any) -> None:
    made = compose("approval", {"run": {"run_id": 1, "run_page_url": address}}, link=address)
    assert "href" not in made.html and made.link is None


def test_control_characters_and_broken_text_go() -> None:
    cause = "a\x00b\x1b[31mc\u202ed\ud800e\u2028f"
    made = compose("notification", {"diagnosis": {"root_cause": cause}})
    assert "ab[31mcd?ef" in made.text
    assert made.text.encode() and made.html.encode()


def test_long_texts_are_cut() -> None:
    facts = {
        "run": {"job_name": "j" * 5000},
        "diagnosis": {
            "root_cause": "c" * 50_000,
            "evidence": [{"source": "s", "line_start": 1, "text": "e" * 50_000}] * 50,
        },
        "tried": [{"attempt": n, "action": "RETRY", "result": "r" * 5000} for n in range(50)],
    }
    made = compose("escalation", facts)
    assert len(made.subject) <= MAX_SUBJECT
    assert len(made.text) < 15_000


def test_a_secret_that_slipped_through_is_redacted() -> None:
    token = "dapi" + "0123456789abcdef" * 2
    facts = {
        "diagnosis": {
            "root_cause": f"token {token} was refused",
            "evidence": [{"source": "s", "text": token}],
        },
        "proposal": {"action": "RETRY", "reason": token, "params": {"x": token}},
        "note": token,
    }
    made = compose("broken", facts)
    assert token not in made.text + made.html


def test_weak_support_and_the_link_are_said() -> None:
    made = compose("approval", {"low_support": True}, link="https://p/x")
    assert "weakly supported" in made.text and "Look and decide: https://p/x" in made.text
    assert "See the whole story: https://p/x" in compose("broken", {}, link="https://p/x").text
    assert "Opening the link decides nothing" in made.text


def test_the_proposal_its_cost_and_the_link_stand_before_the_evidence() -> None:
    run = {
        "job_name": "nightly",
        "tasks": [
            {"task_key": "load", "result_state": "FAILED", "start_time": 1_000, "end_time": 461_000},
            {"task_key": "report", "result_state": "UPSTREAM_FAILED"},
        ],
    }
    facts = {
        "run": run,
        "diagnosis": {"root_cause": "why it is so", "evidence": [{"source": "s", "text": "x\n" * 900}]},
        "proposal": {"action": "RETRY", "params": {"task_keys": ["load"]}},
    }
    text = compose("approval", facts, link="https://p/x").text
    order = (
        "why it is so",
        "Proposed: Run the failed tasks again",
        "Costs: 1 task runs again, which failed after 7 min 40 s; 1 that waits for it can follow.",
        "If it is wrong: The tasks fail again the same way",
        "Look and decide: https://p/x",
        "From s",
    )
    assert sorted(order, key=text.index) == list(order)
    assert "RETRY" not in text


def test_what_one_of_many_costs_is_not_told_as_the_cost_of_all() -> None:
    group = {"pending": 3, "jobs": 2, "cause": {"kind": "table", "value": "main.a"}}
    made = compose("approval", {"group": group, "proposal": {"action": "RETRY", "params": {}}})
    assert "Costs" not in made.text + made.html and "If it is wrong" in made.text
    assert "If it is wrong" in made.html


def test_parameters_that_don_t_fit_the_action_have_no_price() -> None:
    made = compose("approval", {"proposal": {"action": "RETRY", "params": {"task_keys": 7}}})
    assert "Run the failed tasks again" in made.text and "Costs" not in made.text
