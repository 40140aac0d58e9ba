"""Work pools, queues, automations and logging, as data."""
