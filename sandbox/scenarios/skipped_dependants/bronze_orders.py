# Databricks notebook source
# Copies yesterday's orders from the shop's database into main.bronze.orders.
import psycopg

host = dbutils.secrets.get("dwh", "host")
port = dbutils.secrets.get("dwh", "port")
dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")
print(f"copying orders of {day}")

# COMMAND ----------

with psycopg.connect(host=host, port=port, user="etl_reader", dbname="shop", connect_timeout=10) as shop:
    rows = shop.execute("SELECT * FROM orders WHERE day = %s", [day]).fetchall()

# COMMAND ----------

spark.createDataFrame(rows).write.mode("overwrite").saveAsTable("main.bronze.orders")
