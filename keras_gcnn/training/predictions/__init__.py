"""Predictions of saved models for image files: classes, and masks."""
