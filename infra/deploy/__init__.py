"""Deploy to Google Cloud: Terraform, secrets, image, deployments, in order. See docs/operations.md."""
