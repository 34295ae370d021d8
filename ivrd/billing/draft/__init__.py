"""A mapping drafted from a schema that nobody has described: `ivrd billing init`."""
