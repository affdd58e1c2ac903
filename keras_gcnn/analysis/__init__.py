"""Measures of equivariance that users run on their own layers and models, and accuracy by angle."""

from keras_gcnn.analysis.audit import Audit, audit
from keras_gcnn.analysis.equivariance import assert_equivariant, equivariance_error
from keras_gcnn.analysis.walk import Finding

__all__ = ["Audit", "Finding", "assert_equivariant", "audit", "equivariance_error"]
