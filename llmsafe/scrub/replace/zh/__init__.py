"""Stand-ins with Chinese sense."""
