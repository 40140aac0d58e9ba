output "ids" {
  description = "Ids of the secrets: prefect-auth and database-url."
  value       = { for key, secret in google_secret_manager_secret.this : key => secret.secret_id }
}

output "versions" {
  description = "Names of the secrets' latest versions, as TRIVIA_SECRETS takes them."
  value = {
    for key, secret in google_secret_manager_secret.this :
    key => "projects/${var.project_id}/secrets/${secret.secret_id}/versions/latest"
  }
}
