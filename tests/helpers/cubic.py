"""Rotation by cubic convolution (Keys 1981, equation 15), pixel by pixel."""

import math

import numpy as np


def kernel(distance):
    """The weight of a pixel at a distance along one axis."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def rotate(image, angle):
    """Rotates a map (rows, columns, channels) counter-clockwise by an angle in radians."""
    side = len(image)
    centre, last = (side - 1) / 2, side - 1
    turned = np.zeros(image.shape)
    for row in range(side):
        for column in range(side):
            # Where the pixel was before: rotated back, with x to the right and y up.
            x, y = column - centre, centre - row
            was_x = math.cos(angle) * x + math.sin(angle) * y
            was_y = -math.sin(angle) * x + math.cos(angle) * y
            was_row, was_column = centre - was_y, centre + was_x
            for near_row in range(math.floor(was_row) - 2, math.floor(was_row) + 4):
                for near_column in range(math.floor(was_column) - 2, math.floor(was_column) + 4):
                    weight = kernel(was_row - near_row) * kernel(was_column - near_column)
                    inside = min(max(near_row, 0), last), min(max(near_column, 0), last)
                    turned[row, column] += weight * image[inside]
    return turned
