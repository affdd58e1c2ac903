"""Operations for TensorFlow alone."""
