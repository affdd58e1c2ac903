import pytest

from tests.zoo.autoencoders import small


@pytest.fixture(scope="session")
def autoencoder():
    """For tests that leave its weights as they are: JAX compiles every model anew."""
    return small()
