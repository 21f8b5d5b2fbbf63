"""What each recorded program finds around it: its session, tables, servers, memory and disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import preparations

SCENARIOS = Path(__file__).parent.parent / "scenarios"
LOGS = ("error_trace", "stdout", "log4j")


@dataclass(frozen=True)
class Ground:
    """One recording. `program` is a file of the scenario's folder and `path` where the workspace has it."""

    program: str
    path: str = ""
    kind: Literal["notebook", "file"] = "notebook"
    #: The parameters of each run to be recorded.
    variants: tuple[dict[str, str], ...] = ({},)
    spark: bool = True
    master: str = "local[2]"
    driver_memory: str = "1g"
    conf: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Any], None] | None = None
    meanwhile: Callable[[Any], None] | None = None
    #: Host -> weather of its server.
    weather: dict[str, str] = field(default_factory=dict)
    database: Literal["", "closed", "hangs_up", "locked"] = ""
    small_disk_mb: int = 0
    #: How much faster than the real one the program's clock runs, and after how many of its seconds it is killed.
    clock: float = 1
    stop_after_seconds: float = 0
    secrets: dict[str, str] = field(default_factory=dict)
    #: Further names to be exchanged in what is kept.
    names: dict[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = LOGS


#: `main` as a catalog of its own, in a database in memory.
MAIN = {
    "spark.sql.catalog.main": "org.apache.spark.sql.execution.datasources.v2.jdbc.JDBCTableCatalog",
    "spark.sql.catalog.main.url": "jdbc:derby:memory:main;create=true",
    "spark.sql.catalog.main.driver": "org.apache.derby.jdbc.EmbeddedDriver",
    "spark.ui.enabled": "false",
}
PLAIN = {"spark.ui.enabled": "false", "spark.sql.ansi.enabled": "true"}
#: A view in `spark_catalog` is written as Unity Catalog's `main` shows it.
AS_MAIN = {"spark_catalog": "main"}
DATABASE_NAMES = {"127.0.0.1": "10.20.4.17"}

CLUSTER = {**PLAIN, "spark.executor.memory": "2g", "spark.task.maxFailures": "4"}
GROUNDS: dict[str, Ground] = {
    "executor_oom": Ground(
        "build_features.py",
        master="local-cluster[2,1,2048]",
        conf={**CLUSTER, "spark.sql.shuffle.partitions": "8"},
        prepare=preparations.events,
        keep=(*LOGS, "stderr"),
    ),
    "driver_oom": Ground(
        "sales_report.py",
        path="/Workspace/Users/reporting@example.com/sales/sales_report.py",
        kind="file",
        variants=({"day": "2026-01-31"},),
        driver_memory="1g",
        conf={**PLAIN, "spark.driver.maxResultSize": "0"},
        prepare=preparations.positions,
        keep=(*LOGS, "stderr"),
    ),
    "result_too_large": Ground(
        "export_prices.py",
        conf={**PLAIN, "spark.driver.maxResultSize": "64m"},
        prepare=preparations.prices,
        driver_memory="2g",
    ),
    "disk_full": Ground(
        "sessionize.py", conf=PLAIN, prepare=preparations.clicks, small_disk_mb=96, driver_memory="1g"
    ),
    "catalog_permission": Ground(
        "headcount.py",
        conf=MAIN,
        prepare=preparations.statements("CREATE NAMESPACE main.hr"),
        keep=("error_trace", "log4j"),
    ),
    "token_expired": Ground(
        "load_accounts.py",
        conf=PLAIN,
        weather={"api.crm.example.com": "token_expired"},
        secrets={"crm/access-token": "none"},
    ),
    "unresolved_column": Ground("enrich_orders.py", conf=MAIN, prepare=preparations.sales_catalog),
    "module_not_found": Ground("forecast_demand.py", conf=PLAIN),
    "name_error": Ground(
        "close_month.py",
        conf=MAIN,
        prepare=preparations.statements(
            "CREATE NAMESPACE main.finance", "CREATE TABLE main.finance.invoices (id INT, booked DATE)"
        ),
    ),
    "sql_parse_error": Ground("refresh_kpis.py", conf=PLAIN),
    "mlflow_signature": Ground(
        "train_churn.py",
        conf=PLAIN,
        prepare=preparations.uc_registry,
        weather={preparations.WORKSPACE: "fine"},
        keep=(*LOGS, "stderr"),
    ),
    "connection_reset": Ground(
        "fetch_price_feed.py",
        conf=PLAIN,
        weather={"feeds.partner.example.com": "reset"},
        keep=(*LOGS, "stderr"),
    ),
    "http_429": Ground(
        "sync_tickets.py",
        conf=PLAIN,
        weather={"acme.support.example.com": "throttled"},
        secrets={"support/api-token": "none"},
    ),
    "api_rate_limit": Ground(
        "geocode.py",
        path="/Workspace/Users/logistics@example.com/geo/geocode.py",
        kind="file",
        variants=({"batch": "100"},),
        spark=False,
        weather={"geo.maps.example.com": "quota"},
        keep=("error_trace", "stderr"),
    ),
    "dns_failure": Ground("pull_rates.py", conf=PLAIN),
    "skipped_dependants": Ground("bronze_orders.py", conf=PLAIN, database="closed", names=DATABASE_NAMES),
    "comes_back": Ground(
        "submit_customs.py", conf=PLAIN, weather={"declare.customs.example.com": "unavailable"}
    ),
    "repaired_by_hand": Ground("sync_stock.py", conf=PLAIN, database="hangs_up", names=DATABASE_NAMES),
    "missing_table": Ground(
        "score_churn.py",
        conf=MAIN,
        prepare=preparations.statements(
            "CREATE NAMESPACE main.sales",
            "CREATE NAMESPACE main.marketing",
            "CREATE TABLE main.sales.customers (customer_id INT)",
        ),
    ),
    "missing_table_upstream": Ground(
        "mail_offers.py", conf=MAIN, prepare=preparations.statements("CREATE NAMESPACE main.sales")
    ),
    "schema_mismatch": Ground("append_returns.py", conf=PLAIN, prepare=preparations.returns, names=AS_MAIN),
    "bad_cast": Ground("book_invoices.py", conf=PLAIN, prepare=preparations.invoices, names=AS_MAIN),
    "prompt_injection": Ground(
        "import_reviews.py",
        conf=PLAIN,
        prepare=preparations.reviews,
        secrets={"reviews/password": "Made-Up-Pa55word-EXAMPLE"},
    ),
    "soft_failure": Ground(
        "ingest_files.py", conf=PLAIN, prepare=preparations.branches, keep=("stdout", "log4j")
    ),
    "spot_termination": Ground(
        "rebuild_index.py",
        master="local-cluster[2,1,1024]",
        conf={**PLAIN, "spark.executor.memory": "1g", "spark.task.maxFailures": "1"},
        prepare=preparations.articles,
        meanwhile=preparations.kill_executors,
    ),
    "parallel_regions": Ground(
        "load_region.py",
        variants=tuple({"region": region} for region in ("es", "it", "pl", "pt", "se")),
        conf=PLAIN,
        weather={"meters.grid.example.com": "stall"},
        keep=("error_trace", "log4j"),
    ),
    "run_timeout": Ground(
        "backfill_days.py",
        path="/Workspace/Users/data-eng@example.com/backfill/backfill_days.py",
        kind="file",
        variants=({"days": "118"},),
        spark=False,
        clock=600,
        stop_after_seconds=1800,
        keep=("stderr",),
    ),
    "lock_timeout": Ground("post_ledger.py", conf=PLAIN, database="locked", names=DATABASE_NAMES),
    "runaway": Ground(
        "replay_events.py",
        path="/Workspace/Users/ml-platform@example.com/replay/replay_events.py",
        kind="file",
        variants=({"day": "2026-01-31"},),
        spark=False,
        clock=6000,
        stop_after_seconds=34200,
        keep=("stderr",),
    ),
    "unknown_failure": Ground("close_ledger.py", conf=PLAIN),
}
