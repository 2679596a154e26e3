"""The sample apps, what runs them (`stack`), records them (`record`) and publishes them (`site`)."""
