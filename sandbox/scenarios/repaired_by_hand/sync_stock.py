# Databricks notebook source
# Stock levels of all warehouses, every quarter of an hour.
import psycopg

host, port = dbutils.secrets.get("dwh", "host"), dbutils.secrets.get("dwh", "port")

# COMMAND ----------

with psycopg.connect(host=host, port=port, user="stock_reader", dbname="wms", connect_timeout=10) as wms:
    levels = wms.execute("SELECT warehouse, article, on_hand FROM stock").fetchall()

# COMMAND ----------

spark.createDataFrame(levels).write.mode("overwrite").saveAsTable("main.logistics.stock")
