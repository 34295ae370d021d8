"""The tests of ivrd; a folder mirrors a package."""
