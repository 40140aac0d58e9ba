output "media_bucket" {
  description = "Bucket of jobs, speech and videos: GCS_BUCKET."
  value       = module.storage.media_bucket
}

output "work_bucket" {
  description = "Bucket of clips and checkpoints: TRIVIA_WORK_BUCKET. The workers alone can read it."
  value       = module.storage.work_bucket
}

output "repository_url" {
  description = "Where container images are pushed to, without the image's name."
  value       = module.registry.repository_url
}

output "service_accounts" {
  description = "Addresses of the service accounts: worker, control, api and deployer."
  value       = module.identity.emails
}

output "secret_ids" {
  description = "Secrets that need a version before machines can start: prefect-auth and database-url."
  value       = module.secrets.ids
}

output "zones" {
  description = "Zones in which machines are looked for."
  value       = local.zones

  precondition {
    condition     = var.zones != null || length(local.known_zones) > 0
    error_message = "No zones with T4s are known in ${var.region}. Set the variable `zones` to those that `gcloud compute accelerator-types list --filter=name=nvidia-tesla-t4` names, or take another region."
  }
}

output "database_instance" {
  description = "Cloud SQL instance of Prefect's database."
  value       = module.database.database_instance
}

output "database_address" {
  description = "Private address of Prefect's database."
  value       = module.database.database_address
}

output "prefect_api_url" {
  description = "Prefect's API, as machines of the network reach it."
  value       = module.control.prefect_api_url
}

output "groups" {
  description = "Names of the instance groups: render machines, Prefect's API and the control machine."
  value = {
    workers = module.render_fleet.group_name
    api     = module.control.api_group_name
    control = module.control.control_group_name
  }
}

output "alert_policies" {
  description = "Alert policies by name."
  value       = module.monitoring.alert_policies
}
