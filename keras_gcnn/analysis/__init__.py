"""Measures of equivariance and of embeddings that users run on their own layers and models."""

from keras_gcnn.analysis.audit import Audit, audit
from keras_gcnn.analysis.equivariance import assert_equivariant, equivariance_error
from keras_gcnn.analysis.evidence import Evidence, evidence
from keras_gcnn.analysis.latent import (
    RotationLeakage,
    angle_probe,
    clustering_accuracy,
    knn_accuracy,
    rotation_leakage,
)
from keras_gcnn.analysis.walk import Finding

__all__ = [
    "Audit",
    "Evidence",
    "Finding",
    "RotationLeakage",
    "angle_probe",
    "assert_equivariant",
    "audit",
    "clustering_accuracy",
    "equivariance_error",
    "evidence",
    "knn_accuracy",
    "rotation_leakage",
]
