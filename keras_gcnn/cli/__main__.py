"""Runs the `keras-gcnn` command as `python -m keras_gcnn.cli`."""

from keras_gcnn.cli import main

if __name__ == "__main__":
    main()
