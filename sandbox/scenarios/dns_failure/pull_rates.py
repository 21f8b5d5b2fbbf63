# Databricks notebook source
# The day's exchange rates of the central bank.
import requests

HOST = "data.centralbank.example.com"
dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")

# COMMAND ----------

answer = requests.get(f"https://{HOST}/rates/{day}.json", timeout=20)
answer.raise_for_status()

# COMMAND ----------

spark.createDataFrame(answer.json()["rows"]).write.mode("append").saveAsTable("main.finance.rates")
