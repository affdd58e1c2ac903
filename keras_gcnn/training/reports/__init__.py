"""Tables and plots of the results of a run."""
