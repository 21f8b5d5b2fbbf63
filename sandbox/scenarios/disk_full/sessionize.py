# Databricks notebook source
# Sorts the clicks of each visitor by time and cuts them into sessions.
from pyspark.sql import Window
from pyspark.sql import functions as F

clicks = spark.table("web.clicks")

# COMMAND ----------

by_visitor = Window.partitionBy("visitor").orderBy("at")
sessions = (
    clicks.withColumn("gap", F.col("at") - F.lag("at").over(by_visitor))
    .withColumn("session", F.sum((F.col("gap") > 1800).cast("int")).over(by_visitor))
)

# COMMAND ----------

sessions.write.mode("overwrite").format("noop").save()
print("sessions written")
