"""Operations that PyTorch alone has or needs."""
