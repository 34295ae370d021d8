"""ivrd's own store, as ivrd.toml says. Quick to load: a kill switch waits for nothing else."""

from __future__ import annotations

from ivrd.config import Config
from ivrd.store.engine import Store, open_store


def open_own_store(config: Config) -> Store:
    """Open the store, its folder made. Raises `ConfigError` or `StoreError`."""
    config.data.mkdir(parents=True, exist_ok=True)
    return open_store(
        config.store_url,
        password_env=config.store.password_env,
        password_file=config.store_password_file,
    )
