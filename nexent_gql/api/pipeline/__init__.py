"""The steps that every operation passes: find, parse, validate, limit, charge, execute."""
