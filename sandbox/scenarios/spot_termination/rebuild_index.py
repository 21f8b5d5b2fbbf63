# Databricks notebook source
# Rebuilds the search index's documents from all articles.
from pyspark.sql import functions as F

articles = spark.table("catalog.articles")

# COMMAND ----------

documents = (
    articles.repartition(64, "article_id")
    .withColumn("terms", F.expr("transform(sequence(1, 300), n -> sha2(concat(title, n), 256))"))
    .withColumn("size", F.length(F.array_join("terms", " ")))
)

# COMMAND ----------

print(documents.agg(F.sum("size")).collect())
