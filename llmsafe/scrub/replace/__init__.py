"""What stands in for PHI: stand-ins, shifted dates, tags, tokens."""
