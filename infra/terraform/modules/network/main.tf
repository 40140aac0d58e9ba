# One network with one subnet. No machine has a public address: Google's APIs are reached privately, all else
# through Cloud NAT.

locals {
  services_base   = split("/", var.private_services_cidr)[0]
  services_prefix = tonumber(split("/", var.private_services_cidr)[1])

  machines = [var.worker_email, var.control_email, var.api_email]
}

resource "google_compute_network" "this" {
  project                 = var.project_id
  name                    = var.name
  description             = "Machines that render trivia videos, and what directs them."
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

resource "google_compute_subnetwork" "this" {
  #checkov:skip=CKV_GCP_76:The subnet is IPv4 only, so there is no IPv6 traffic to Google's APIs.
  project                  = var.project_id
  name                     = var.name
  region                   = var.region
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.subnet_cidr
  stack_type               = "IPV4_ONLY"
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "this" {
  project = var.project_id
  name    = var.name
  region  = var.region
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  project                            = var.project_id
  name                               = var.name
  region                             = var.region
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.this.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  # Google's APIs do not come this way, so what is left is little: the hosts that images of configs lie on.
  log_config {
    enable = true
    filter = "ALL"
  }
}

# --- Cloud SQL and Memorystore: in Google's own network, peered with this one.

resource "google_compute_global_address" "private_services" {
  project       = var.project_id
  name          = "${var.name}-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = local.services_base
  prefix_length = local.services_prefix
  network       = google_compute_network.this.id
}

resource "google_service_networking_connection" "private_services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.private_services.name]
  # The producer's side goes away days after the last instance: deleting it at once always fails.
  deletion_policy = "ABANDON"
}
