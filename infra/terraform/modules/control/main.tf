# The control machine: migrations, the services of Prefect's server, the control worker and the dashboard. There is
# one: its work is done by one process at a time in any case, and renders go on while it is made anew.

locals {
  control_group_name = "${var.name}-control"
  dashboard_port     = 4300

  client_environment = merge({
    # A setting can say otherwise.
    TRIVIA_BOOT_SECONDS = tostring(var.boot_seconds)
    }, var.extra_environment, {
    PREFECT_API_URL       = local.api_url
    GCS_BUCKET            = var.media_bucket
    PROJECT_ID            = var.project_id
    REGION                = var.region
    TRIVIA_FLEET          = "gce"
    TRIVIA_MACHINE_GROUP  = var.machine_group
    TRIVIA_MIN_MACHINES   = tostring(var.min_machines)
    TRIVIA_MAX_MACHINES   = tostring(var.max_machines)
    TRIVIA_ENCODER        = "libx264"
    TRIVIA_LOG_FORMAT     = "json"
    TRIVIA_DASHBOARD_BIND = "0.0.0.0"
    TRIVIA_DASHBOARD_PORT = tostring(local.dashboard_port)
  })
}

module "control_containers" {
  source = "../container_host"

  image = var.image
  ports = [local.dashboard_port]

  containers = {
    migrate = {
      description = "Migrations of the Prefect database"
      command     = ["prefect", "server", "database", "upgrade", "-y"]
      environment = local.server_environment
      secrets     = { PREFECT_API_DATABASE_CONNECTION_URL = var.database_url_version }
      once        = true
      memory_mb   = 1024
    }
    services = {
      description = "Services of the Prefect server"
      command     = ["prefect", "server", "services", "start"]
      environment = local.server_environment
      secrets     = local.server_secrets
      after       = ["migrate"]
      memory_mb   = 1536
    }
    control-worker = {
      description = "Worker of the control pool"
      command     = ["trivia", "worker", "--pool", "control"]
      environment = local.client_environment
      secrets     = local.client_secrets
      after       = ["migrate"]
      memory_mb   = 3072
      processes   = 2048
    }
    dashboard = {
      description = "Fleet service with its dashboard"
      command     = ["trivia", "fleet", "serve"]
      environment = local.client_environment
      secrets     = local.client_secrets
      after       = ["migrate"]
      memory_mb   = 1024
    }
  }
}

resource "google_compute_instance_template" "control" {
  project     = var.project_id
  name_prefix = "${local.control_group_name}-"
  description = "The control machine."
  region      = var.region

  machine_type   = var.control_machine_type
  labels         = var.labels
  tags           = [local.control_group_name]
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
    email  = var.control_service_account
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    user-data              = module.control_containers.user_data
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

# The dashboard answers once the database is migrated.
resource "google_compute_health_check" "control" {
  project             = var.project_id
  name                = local.control_group_name
  description         = "The fleet service's /healthz."
  check_interval_sec  = 30
  timeout_sec         = 10
  healthy_threshold   = 1
  unhealthy_threshold = 5

  http_health_check {
    port         = local.dashboard_port
    request_path = "/healthz"
  }

  log_config {
    enable = true
  }
}

resource "google_compute_region_instance_group_manager" "control" {
  project            = var.project_id
  name               = local.control_group_name
  description        = "The control machine, of which there is never more than one."
  region             = var.region
  base_instance_name = local.control_group_name
  target_size        = 1

  distribution_policy_zones        = var.zones
  distribution_policy_target_shape = "ANY"

  version {
    instance_template = google_compute_instance_template.control.id
  }

  named_port {
    name = "dashboard"
    port = local.dashboard_port
  }

  auto_healing_policies {
    health_check      = google_compute_health_check.control.id
    initial_delay_sec = var.healthy_after_seconds
  }

  # Replaced by hand, before the API: docs/operations.md has the order. No surge: two processes of the server's
  # services at once would run each of its loops twice, and migrate beside a server of the older version.
  update_policy {
    type                           = "OPPORTUNISTIC"
    instance_redistribution_type   = "NONE"
    minimal_action                 = "REPLACE"
    most_disruptive_allowed_action = "REPLACE"
    replacement_method             = "SUBSTITUTE"
    max_surge_fixed                = 0
    max_unavailable_fixed          = length(var.zones)
  }

  # It moves where its zone is out, for which Compute Engine asks that it comes back up to date. That is an upgrade
  # where one is due; before the API's is its place.
  instance_lifecycle_policy {
    default_action_on_failure = "REPAIR"
    on_failed_health_check    = "DEFAULT_ACTION"
    force_update_on_repair    = "YES"

    on_repair {
      allow_changing_zone = "YES"
    }
  }

  wait_for_instances = false

  lifecycle {
    precondition {
      condition     = var.min_machines <= var.max_machines
      error_message = "min_machines is above max_machines."
    }
  }
}
