"""Call flows: loaded from TOML, proved before they run, drawn, and moved by `transitions`."""
