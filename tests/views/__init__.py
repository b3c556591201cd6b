"""Tests of `moddy.views` and of the catalogues in `moddy.locales`."""
