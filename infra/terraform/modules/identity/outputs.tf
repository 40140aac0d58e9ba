output "emails" {
  description = "Addresses of the service accounts: worker, control, api and deployer."
  value       = local.emails
}

output "members" {
  description = "The service accounts as IAM members: worker, control, api and deployer."
  value       = local.members
}
