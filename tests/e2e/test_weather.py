"""Bad weather: a workspace that is down, one that refuses the token, Postgres going away and coming back."""

import pytest

from tests.e2e.processes import service, until


@pytest.fixture
def pitstop(database_url):
    with service(database_url) as running:
        yield running


def test_a_workspace_that_answers_500_for_a_while_costs_time_only(pitstop):
    pitstop.start()
    run_id = pitstop.control.start("connection_reset")["run_id"]
    pitstop.control.finish(run_id)
    pitstop.control.fault("500", path="/api/", count=100_000)
    started = until(lambda: len(pitstop.control.requests("runs/get")) > 8, saying="several tries")
    assert started
    pitstop.control.clear_faults()
    waiting = pitstop.at(run_id, "awaiting_approval", seconds=90)
    assert pitstop.decide(waiting).status_code == 200
    pitstop.at(run_id, "resolved", seconds=90)
    assert len(pitstop.repairs(run_id)) == 1


def test_a_refused_token_is_said_and_mended(pitstop):
    pitstop.start()
    run_id = pitstop.control.start("connection_reset")["run_id"]
    waiting = pitstop.at(run_id, "awaiting_approval")
    pitstop.control.fault("403", path="/api/", count=100_000)
    assert pitstop.decide(waiting).status_code == 200
    broken = pitstop.at(run_id, "broken", "escalated", seconds=60)
    assert any("refused" in e["kind"] or "failed" in e["kind"] for e in broken["events"])
    assert pitstop.repairs(run_id) == []


def test_a_lost_webhook_is_found_by_polling(pitstop):
    pitstop.start()
    run_id = pitstop.control.start("connection_reset", webhook="lost")["run_id"]
    pitstop.control.finish(run_id)
    found = pitstop.at(run_id, "awaiting_approval", seconds=60)
    assert found["source"] == "poll"


@pytest.mark.parametrize("mode", ["doubled", "late", "out_of_order"])
def test_webhooks_in_any_order_make_one_incident(pitstop, mode):
    pitstop.start()
    run_id = pitstop.control.start("connection_reset", webhook=mode)["run_id"]
    waiting = pitstop.at(run_id, "awaiting_approval")
    pitstop.decide(waiting)
    pitstop.at(run_id, "resolved", seconds=60)
    assert len(pitstop.get("/incidents", run_id=run_id)["items"]) == 1
    assert len(pitstop.repairs(run_id)) == 1


def test_postgres_goes_away_and_comes_back(own_postgres):
    from store.migrate import migrate

    url = own_postgres.start()
    migrate(url)
    with service(url) as pitstop:
        pitstop.start()
        run_id = pitstop.control.start("connection_reset")["run_id"]
        waiting = pitstop.at(run_id, "awaiting_approval")
        own_postgres.stop()
        until(lambda: not pitstop.ready(), saying="unreadiness")
        assert pitstop.http.get("/healthz").status_code == 200
        assert pitstop.decide(waiting).status_code == 503
        own_postgres.start()
        until(pitstop.ready, saying="readiness")
        assert pitstop.decide(waiting).status_code == 200
        pitstop.at(run_id, "resolved", seconds=90)
        assert len(pitstop.repairs(run_id)) == 1
