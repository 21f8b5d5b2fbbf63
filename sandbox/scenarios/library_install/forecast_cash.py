# Databricks notebook source
# Cash forecast of the group, with treasury's own forecasting package.
from acme_forecast import CashModel

# COMMAND ----------

model = CashModel.fit(spark.table("main.treasury.balances").toPandas())
