# Databricks notebook source
# Joins the day's orders with their customers; gold.order_margin and the mails to sales hang on it.
from pyspark.sql import functions as F

dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")

# COMMAND ----------

orders = spark.table("main.sales.orders").where(F.col("day") == day)
customers = spark.table("main.sales.customers")

# COMMAND ----------

enriched = (
    orders.join(customers, "customer_id")
    .select("order_id", "customer_id", "segment", "net_amount")
    .withColumn("margin", F.col("net_amount") * F.lit(0.21))
)

# COMMAND ----------

enriched.write.mode("append").saveAsTable("main.sales.orders_enriched")
