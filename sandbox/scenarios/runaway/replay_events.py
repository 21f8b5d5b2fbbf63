"""Replays the events of a day from the archive into the feature store."""

import argparse
import logging
import time

log = logging.getLogger("replay")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def read(cursor):
    """The next batch and the cursor behind it; the archive's last page points to itself."""
    time.sleep(64)
    return 5_000, min(cursor + 1, 41)


def main():
    """Read until the cursor says that there is nothing more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--day", required=True)
    options = parser.parse_args()
    cursor, batches = 0, 0
    while cursor is not None:
        events, cursor = read(cursor)
        batches += 1
        log.info("batch %d of %s: %d events, next cursor %s", batches, options.day, events, cursor)


main()
