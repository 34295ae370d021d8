"""One call by telephone, carried by ivrd and by three peers on the same Asterisk."""
