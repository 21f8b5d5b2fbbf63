# Writes the day's totals as a workbook and sends it to the accountants.
import logging
import sys

import openpyxl

log = logging.getLogger("publish")


def main(day: str) -> None:
    totals = read_totals(day)
    log.info("%d totals for %s", len(totals), day)
    try:
        openpyxl.Workbook().save(f"/local_disk0/tmp/totals-{day}.xlsx")
    except OSError as error:
        log.error("the workbook was not written: %s", error)
        sys.exit(3)
