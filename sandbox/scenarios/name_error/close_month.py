# Databricks notebook source
# Marks the month's invoices as closed.
from datetime import date

dbutils.widgets.text("month", "2026-01")
dbutils.widgets.text("force", "false")
year, month = map(int, dbutils.widgets.get("month").split("-"))

# COMMAND ----------

if dbutils.widgets.get("force") == "true":
    cutoff_date = date(year, month, 28)
print(f"closing {year}-{month:02}")

# COMMAND ----------

invoices = spark.table("main.finance.invoices")
open_ones = invoices.where(invoices.booked <= cutoff_date)
print(f"{open_ones.count()} invoices to close")
