"""Operations that JAX alone has or needs."""
