"""The notation of numbers, part by part; `number_notation` puts the parts together."""
