"""Stand-alone mode (单机模式): billing data copied by the same mapping into a file of our own."""
