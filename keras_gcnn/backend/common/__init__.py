"""What several backends share, of NumPy and operations of Keras."""
