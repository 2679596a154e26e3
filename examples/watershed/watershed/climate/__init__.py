"""Weather stations and the weather they make."""
