# Databricks notebook source
# Appends the day's returns, as the shops deliver them.
dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")

# COMMAND ----------

returns = spark.table("landing.returns")
print(f"{returns.count()} returns of {day}: {', '.join(returns.columns)}")

# COMMAND ----------

returns.write.insertInto("sales.returns")
