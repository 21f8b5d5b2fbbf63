# Databricks notebook source
orders = spark.read.table("orders")

# COMMAND ----------

wide = orders.groupBy("customer").pivot("day").sum("amount")
wide.write.saveAsTable("orders_wide")
