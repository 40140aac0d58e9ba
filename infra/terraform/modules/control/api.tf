# Prefect's API: machines of one process each behind an internal load balancer. Nothing is kept on them.

locals {
  api_group_name = "${var.name}-api"
  api_port       = 4200
  api_url        = "http://${google_compute_address.api.address}:${local.api_port}/api"
}

module "api_containers" {
  source = "../container_host"

  image = var.image
  ports = [local.api_port]

  containers = {
    api = {
      description = "API of Prefect"
      command     = ["prefect", "server", "start", "--no-services", "--host", "0.0.0.0", "--port", tostring(local.api_port)]
      environment = local.server_environment
      secrets     = local.server_secrets
      memory_mb   = 3072
    }
  }
}

resource "google_compute_instance_template" "api" {
  project     = var.project_id
  name_prefix = "${local.api_group_name}-"
  description = "A machine of Prefect's API."
  region      = var.region

  machine_type   = var.api_machine_type
  labels         = var.labels
  tags           = [local.api_group_name]
  can_ip_forward = false

  scheduling {
    provisioning_model  = "STANDARD"
    automatic_restart   = true
    on_host_maintenance = "MIGRATE"
  }

  disk {
    source_image = var.cos_image
    boot         = true
    auto_delete  = true
    disk_type    = "pd-balanced"
    disk_size_gb = 20
    labels       = var.labels
  }

  # No access_config: no public address.
  network_interface {
    subnetwork = var.subnetwork
    stack_type = "IPV4_ONLY"
  }

  # The scope opens all interfaces; the account's roles decide.
  service_account {
    email  = var.api_service_account
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    user-data              = module.api_containers.user_data
    google-logging-enabled = "true"
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
    cos-update-strategy    = "update_disabled"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# For replacing machines. Slower than the load balancer's: a busy one is spared first, and replaced if it stays so.
resource "google_compute_health_check" "api" {
  project             = var.project_id
  name                = local.api_group_name
  description         = "Prefect's API, for replacing its machines."
  check_interval_sec  = 30
  timeout_sec         = 10
  healthy_threshold   = 1
  unhealthy_threshold = 5

  http_health_check {
    port         = local.api_port
    request_path = "/api/health"
  }

  log_config {
    enable = true
  }
}

resource "google_compute_region_health_check" "api" {
  project             = var.project_id
  name                = "${local.api_group_name}-balancer"
  description         = "Prefect's API, for sending it requests."
  region              = var.region
  check_interval_sec  = 5
  timeout_sec         = 5
  healthy_threshold   = 2
  unhealthy_threshold = 3

  http_health_check {
    port         = local.api_port
    request_path = "/api/health"
  }

  log_config {
    enable = true
  }
}

resource "google_compute_region_instance_group_manager" "api" {
  project            = var.project_id
  name               = local.api_group_name
  description        = "Machines of Prefect's API."
  region             = var.region
  base_instance_name = local.api_group_name
  target_size        = var.api_machines

  # As evenly as there is capacity.
  distribution_policy_zones        = var.zones
  distribution_policy_target_shape = "BALANCED"

  version {
    instance_template = google_compute_instance_template.api.id
  }

  named_port {
    name = "api"
    port = local.api_port
  }

  auto_healing_policies {
    health_check      = google_compute_health_check.api.id
    initial_delay_sec = var.healthy_after_seconds
  }

  # Not by itself: the control machine migrates the database first. docs/operations.md has the order. One is made
  # before another is deleted.
  update_policy {
    type                           = "OPPORTUNISTIC"
    instance_redistribution_type   = "NONE"
    minimal_action                 = "REPLACE"
    most_disruptive_allowed_action = "REPLACE"
    replacement_method             = "SUBSTITUTE"
    max_surge_fixed                = length(var.zones)
    max_unavailable_fixed          = 0
  }

  # One that fails comes back as it was, in its zone: the other one is in another.
  instance_lifecycle_policy {
    default_action_on_failure = "REPAIR"
    on_failed_health_check    = "DEFAULT_ACTION"
    force_update_on_repair    = "NO"
  }

  wait_for_instances = false

  lifecycle {
    precondition {
      condition     = alltrue([for zone in var.zones : startswith(zone, "${var.region}-")])
      error_message = "All zones must be of the region."
    }
  }
}

# --- One address for all of them

resource "google_compute_address" "api" {
  project      = var.project_id
  name         = local.api_group_name
  description  = "Prefect's API."
  region       = var.region
  subnetwork   = var.subnetwork
  address_type = "INTERNAL"
  purpose      = "GCE_ENDPOINT"
  labels       = var.labels
}

resource "google_compute_region_backend_service" "api" {
  project               = var.project_id
  name                  = local.api_group_name
  description           = "Prefect's API."
  region                = var.region
  network               = var.network_id
  load_balancing_scheme = "INTERNAL"
  protocol              = "TCP"
  health_checks         = [google_compute_region_health_check.api.id]
  session_affinity      = "NONE"
  # Requests under way end on a machine that goes.
  connection_draining_timeout_sec = 30

  backend {
    group          = google_compute_region_instance_group_manager.api.instance_group
    balancing_mode = "CONNECTION"
  }

  log_config {
    enable      = true
    sample_rate = 0.1
  }
}

resource "google_compute_forwarding_rule" "api" {
  project               = var.project_id
  name                  = local.api_group_name
  description           = "Prefect's API at its internal address."
  region                = var.region
  network               = var.network_id
  subnetwork            = var.subnetwork
  load_balancing_scheme = "INTERNAL"
  ip_protocol           = "TCP"
  ip_address            = google_compute_address.api.address
  ports                 = [tostring(local.api_port)]
  backend_service       = google_compute_region_backend_service.api.id
  allow_global_access   = false
  labels                = var.labels
}
