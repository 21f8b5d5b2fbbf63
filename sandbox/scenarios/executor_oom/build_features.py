# Databricks notebook source
# One row for each customer with everything the customer did: what the recommendation models train on.
from pyspark.sql import functions as F

# COMMAND ----------

dbutils.widgets.text("day", "2026-01-31")
day = dbutils.widgets.get("day")
events = spark.table("web.events").where(F.col("day") <= day)
print(f"building features up to {day}, {events.rdd.getNumPartitions()} partitions")

# COMMAND ----------

# Guests that never signed in share customer_id 0.
journeys = (
    events.groupBy("customer_id")
    .agg(F.collect_list("payload").alias("payloads"), F.count("*").alias("events"))
    .withColumn("journey", F.array_join("payloads", "|"))
    .drop("payloads")
)

# COMMAND ----------

journeys.write.mode("overwrite").saveAsTable("web.customer_journeys")
print("features written")
