# Databricks notebook source
# The KPI table behind the management dashboard.
dbutils.widgets.text("week", "2026-W05")
week = dbutils.widgets.get("week")

# COMMAND ----------

columns = ["revenue", "orders", "returns"]
sums = ", ".join(f"SUM({name}) AS {name}" for name in columns)

# COMMAND ----------

spark.sql(f"""
    CREATE OR REPLACE TEMPORARY VIEW weekly AS
    SELECT shop_id, {sums},
    FROM main.sales.daily
    WHERE week = '{week}'
    GROUP BY shop_id
""")
