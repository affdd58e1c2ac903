"""Measurements beside the suite: profiles, growth, error against time, formats."""
