# Databricks notebook source
# Books the invoices that suppliers upload as CSV.
from pyspark.sql import functions as F

uploads = spark.table("landing.invoices")

# COMMAND ----------

invoices = uploads.select(
    "invoice_id",
    F.col("supplier"),
    F.col("amount").cast("decimal(12,2)").alias("amount"),
)

# COMMAND ----------

invoices.write.mode("append").saveAsTable("finance.invoices")
