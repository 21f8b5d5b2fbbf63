# Databricks notebook source
# Trains the ranking model of the search.
import mlflow

clicks = spark.table("main.search.clicks")
