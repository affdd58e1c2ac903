"""Measures of equivariance and of embeddings for users' own models, and plots of the results.

The functions `plot_...` need Matplotlib, which the first plot imports.
"""

from keras_gcnn.analysis.auditing.report import Audit, audit
from keras_gcnn.analysis.auditing.walk import Finding
from keras_gcnn.analysis.cost import Cost, cost
from keras_gcnn.analysis.embeddings import (
    RotationLeakage,
    angle_probe,
    clustering_accuracy,
    knn_accuracy,
    rotation_leakage,
)
from keras_gcnn.analysis.equivariance import assert_equivariant, equivariance_error
from keras_gcnn.analysis.evidence import Evidence, evidence
from keras_gcnn.analysis.plots.audits import plot_audit
from keras_gcnn.analysis.plots.classification import plot_reliability, plot_worst_errors
from keras_gcnn.analysis.plots.embeddings import plot_latent_vectors, plot_reconstructions
from keras_gcnn.analysis.plots.equivariance import plot_equivariance
from keras_gcnn.analysis.plots.fields import plot_fields
from keras_gcnn.analysis.plots.filters import plot_filters
from keras_gcnn.analysis.plots.masks import plot_masks
from keras_gcnn.analysis.plots.results import (
    plot_accuracy_by_angle,
    plot_confusion,
    plot_errors,
    plot_trials,
)
from keras_gcnn.analysis.plots.turning_fields import plot_turning_fields
from keras_gcnn.analysis.scores import Reliability, area_under_curve, reliability

__all__ = [
    "Audit",
    "Cost",
    "Evidence",
    "Finding",
    "Reliability",
    "RotationLeakage",
    "angle_probe",
    "area_under_curve",
    "assert_equivariant",
    "audit",
    "clustering_accuracy",
    "cost",
    "equivariance_error",
    "evidence",
    "knn_accuracy",
    "plot_accuracy_by_angle",
    "plot_audit",
    "plot_confusion",
    "plot_equivariance",
    "plot_errors",
    "plot_fields",
    "plot_filters",
    "plot_latent_vectors",
    "plot_masks",
    "plot_reconstructions",
    "plot_reliability",
    "plot_trials",
    "plot_turning_fields",
    "plot_worst_errors",
    "reliability",
    "rotation_leakage",
]
