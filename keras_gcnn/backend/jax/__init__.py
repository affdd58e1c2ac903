"""Operations for JAX alone."""
