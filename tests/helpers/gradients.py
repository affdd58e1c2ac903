"""Derivatives on the current backend."""

import keras
import numpy as np
from keras import ops


def gradient(function, argument):
    """Derivative of the sum of what a function returns, as a NumPy array."""
    value = ops.convert_to_tensor(argument)
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(value)
                total = ops.sum(function(value))
            return np.asarray(tape.gradient(total, value))
        case "jax":
            import jax

            # Compiled as one: each operation by itself takes longer to compile than all at once.
            return np.asarray(jax.jit(jax.grad(lambda value: ops.sum(function(value))))(value))
        case "torch":
            value = value.detach().clone().requires_grad_(True)
            ops.sum(function(value)).backward()
            return value.grad.numpy()


def hessian(function, argument):
    """Second derivatives of a number that a function returns."""
    value = ops.convert_to_tensor(argument)
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as outer:
                outer.watch(value)
                with tf.GradientTape() as inner:
                    inner.watch(value)
                    result = function(value)
                slope = inner.gradient(result, value)
            return outer.jacobian(slope, value).numpy()
        case "jax":
            import jax

            return np.asarray(jax.jit(jax.hessian(function))(value))
        case "torch":
            import torch

            return torch.autograd.functional.hessian(function, value).numpy()
