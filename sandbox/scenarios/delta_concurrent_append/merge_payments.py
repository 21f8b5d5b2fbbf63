# Databricks notebook source
# Merges the hour's payments into main.finance.payments.
dbutils.widgets.text("hour", "2026-01-31T06")
hour = dbutils.widgets.get("hour")

# COMMAND ----------

spark.sql(f"""
    MERGE INTO main.finance.payments AS target
    USING main.bronze.payments_{hour.replace('-', '_').replace('T', '_')} AS source
    ON target.payment_id = source.payment_id
    WHEN MATCHED THEN UPDATE SET *
    WHEN NOT MATCHED THEN INSERT *
""")
