"""The same work in other libraries, for the interpreters that have them."""
