"""Operations that TensorFlow alone has or needs."""
