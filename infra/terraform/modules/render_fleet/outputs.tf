output "group_name" {
  description = "Name of the group of render machines: TRIVIA_MACHINE_GROUP."
  value       = local.group_name
}

output "group_id" {
  description = "The group."
  value       = google_compute_region_instance_group_manager.workers.id
}

output "group_self_link" {
  description = "The group's URL."
  value       = google_compute_region_instance_group_manager.workers.self_link
}

output "health_check_id" {
  description = "The health check by which the group replaces machines."
  value       = google_compute_health_check.worker.id
}

output "template_self_link" {
  description = "The template of new machines."
  value       = google_compute_instance_template.worker.self_link
}
