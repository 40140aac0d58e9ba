output "network_id" {
  description = "The network."
  value       = google_compute_network.this.id
}

output "network_name" {
  description = "The network's name."
  value       = google_compute_network.this.name
}

output "network_self_link" {
  description = "The network's URL."
  value       = google_compute_network.this.self_link
}

output "subnetwork_id" {
  description = "The subnet of all machines."
  value       = google_compute_subnetwork.this.id
}

output "subnetwork_self_link" {
  description = "The subnet's URL."
  value       = google_compute_subnetwork.this.self_link
}

output "subnet_cidr" {
  description = "The subnet's addresses."
  value       = google_compute_subnetwork.this.ip_cidr_range
}

output "private_services_connection" {
  description = "The peering with Google's services: Cloud SQL and Memorystore can be made once it is there."
  value       = google_service_networking_connection.private_services.id
}

output "private_services_range" {
  description = "Name of the address range of Cloud SQL and Memorystore."
  value       = google_compute_global_address.private_services.name
}
