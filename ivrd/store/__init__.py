"""ivrd's own store: campaigns, attempts, promises and what else must outlive a crash."""
