"""One file a step. A step that was released is never changed: what is new is a new step."""
