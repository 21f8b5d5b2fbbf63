"""Diagnosis without a model: `Engine.diagnose(case)`."""

from tools.diagnosis.case import Case, TaskCase, case_of_outputs, case_of_texts
from tools.diagnosis.engine import Engine
from tools.diagnosis.words import QUESTION, answer, query

__all__ = ["QUESTION", "Case", "Engine", "TaskCase", "answer", "case_of_outputs", "case_of_texts", "query"]
