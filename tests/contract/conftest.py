"""Make assertions of the inherited suite as readable as those of a test module."""

import pytest

pytest.register_assert_rewrite("card_contract")
