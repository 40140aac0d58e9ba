"""Terraform without its registry: a stand-in for the google provider that knows its schema, and no cloud."""
