"""The notation of numbers, part by part; `last_number` puts the parts together."""
