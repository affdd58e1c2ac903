"""Operations for PyTorch alone."""
