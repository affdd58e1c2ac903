"""Searches over a network of the zoo, like `keras-gcnn tune`: `python tuning/search.py RECIPE`."""

import sys

from keras_gcnn.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["tune"]
    main()
