"""What Pitstop knows of failures, as data: the classes, how each is recognised, and what may be done about it."""

from knowledge.catalogue.load import UNKNOWN, Catalogue, load_catalogue
from knowledge.catalogue.model import Change, FailureClass, Rule

__all__ = ["UNKNOWN", "Catalogue", "Change", "FailureClass", "Rule", "load_catalogue"]
