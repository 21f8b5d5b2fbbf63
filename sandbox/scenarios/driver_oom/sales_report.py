"""Daily sales report: totals of each shop and article, as one CSV for the purchasing department."""

import argparse
import csv
import io
from collections import defaultdict

from pyspark.sql import SparkSession


def read_rows(spark, day):
    """All positions sold up to the day."""
    sold = spark.table("sales.positions").where(f"day <= '{day}'")
    print(f"reading {sold.count()} positions")
    return sold.collect()


def totals(rows):
    """Amount by shop and article."""
    found = defaultdict(float)
    for row in rows:
        found[row.shop_id, row.article] += float(row.amount)
    return found


def main():
    """Write the report of one day."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--day", required=True)
    options = parser.parse_args()
    spark = SparkSession.builder.getOrCreate()
    rows = read_rows(spark, options.day)
    out = io.StringIO()
    csv.writer(out).writerows((*key, amount) for key, amount in totals(rows).items())
    print(f"{len(out.getvalue())} bytes written for {options.day}")


main()
