"""Model to model: one engine that rewrites a network, and a rule book for each purpose."""

from keras_gcnn.rewriting.engine import rewrite
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.rewriting.translator import Translator

__all__ = ["RuleBook", "Translator", "rewrite"]
