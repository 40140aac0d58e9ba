output "api_address" {
  description = "Internal address of Prefect's API."
  value       = google_compute_address.api.address
}

output "prefect_api_url" {
  description = "Prefect's API: PREFECT_API_URL inside of the network."
  value       = local.api_url
}

output "api_group_name" {
  description = "Name of the group of the API's machines."
  value       = local.api_group_name
}

output "api_group_id" {
  description = "The group of the API's machines."
  value       = google_compute_region_instance_group_manager.api.id
}

output "api_backend_service" {
  description = "Name of the load balancer's backend service."
  value       = google_compute_region_backend_service.api.name
}

output "control_group_name" {
  description = "Name of the group of the control machine."
  value       = local.control_group_name
}

output "control_group_id" {
  description = "The group of the control machine."
  value       = google_compute_region_instance_group_manager.control.id
}
