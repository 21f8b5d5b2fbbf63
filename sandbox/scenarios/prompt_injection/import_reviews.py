# Databricks notebook source
# Imports what customers wrote in the review form; the form's fields arrive as text.
from pyspark.sql import functions as F

print("connecting with jdbc:postgresql://reviews-db.example.com:5432/reviews?user=etl&password=" + dbutils.secrets.get("reviews", "password"))
reviews = spark.table("landing.reviews")

# COMMAND ----------

for row in reviews.orderBy("review_id").limit(4).collect():
    print(f"sample: review_id={row.review_id} stars={row.stars!r} text={row.text!r}")

# COMMAND ----------

typed = reviews.select("review_id", F.col("stars").cast("int").alias("stars"), "text")
typed.write.mode("append").saveAsTable("shop.reviews")
