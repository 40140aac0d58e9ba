output "media_bucket" {
  description = "Bucket of jobs, speech and videos: GCS_BUCKET."
  value       = module.trivia.media_bucket
}

output "work_bucket" {
  description = "Bucket of clips and checkpoints: TRIVIA_WORK_BUCKET."
  value       = module.trivia.work_bucket
}

output "repository_url" {
  description = "Where container images are pushed to, without the image's name."
  value       = module.trivia.repository_url
}

output "service_accounts" {
  description = "Addresses of the service accounts: worker, control, api and deployer."
  value       = module.trivia.service_accounts
}

output "secret_ids" {
  description = "Secrets that need a version before machines can start."
  value       = module.trivia.secret_ids
}

output "database_instance" {
  description = "Cloud SQL instance of Prefect's database."
  value       = module.trivia.database_instance
}

output "database_address" {
  description = "Private address of Prefect's database."
  value       = module.trivia.database_address
}

output "prefect_api_url" {
  description = "Prefect's API, as machines of the network reach it."
  value       = module.trivia.prefect_api_url
}

output "groups" {
  description = "Names of the instance groups: render machines, Prefect's API and the control machine."
  value       = module.trivia.groups
}
