output "repository_url" {
  description = "Where images are pushed to and pulled from, without the image's name."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${var.name}"
}

output "repository_id" {
  description = "The repository."
  value       = google_artifact_registry_repository.this.id
}
