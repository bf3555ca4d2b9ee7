"""What tells an identifier in Chinese."""
