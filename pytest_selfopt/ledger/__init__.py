"""The durable record: every finished call, cycle, comparison and decision."""
