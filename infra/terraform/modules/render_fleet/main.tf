# The render machines. How many there are is the autoscale flow's decision: it deletes idle machines by name,
# since a group that is told to shrink chooses by itself, busy ones too. Nothing here may change the size or
# replace a machine that works.

locals {
  group_name = "${var.name}-workers"
  port       = 4310
}

module "containers" {
  source = "../container_host"

  image              = var.image
  ports              = [local.port]
  gpu_driver_version = var.gpu_driver_version
  spot               = true

  containers = {
    worker = {
      description = "Render worker"
      command     = ["trivia", "worker"]
      memory_mb   = var.memory_mb
      processes   = 4096
      environment = merge(var.extra_environment, {
        GCS_BUCKET          = var.media_bucket
        TRIVIA_WORK_BUCKET  = var.work_bucket
        PROJECT_ID          = var.project_id
        REGION              = var.region
        PREFECT_API_URL     = var.prefect_api_url
        TRIVIA_ENCODER      = "h264_nvenc"
        TRIVIA_GPU_TYPE     = var.gpu_type
        TRIVIA_MACHINE_TYPE = var.machine_type
        TRIVIA_PROVISIONING = "spot"
        TRIVIA_LOG_FORMAT   = "json"
        TRIVIA_WORKER_BIND  = "0.0.0.0"
        TRIVIA_WORKER_PORT  = tostring(local.port)
      })
      secrets = { PREFECT_API_AUTH_STRING = var.prefect_auth_version }
    }
  }
}

resource "google_compute_instance_template" "worker" {
  project     = var.project_id
  name_prefix = "${local.group_name}-"
  description = "A render machine: a spot machine with a GPU that runs one worker container."
  region      = var.region

  machine_type   = var.machine_type
  labels         = var.labels
  tags           = [local.group_name]
  can_ip_forward = false

  guest_accelerator {
    type  = var.gpu_type
    count = 1
  }

  scheduling {
    provisioning_model = "SPOT"
    preemptible        = true
    automatic_restart  = false
    # A machine with a GPU cannot be moved.
    on_host_maintenance = "TERMINATE"
    # The group makes a preempted machine anew in any case. A stopped one would keep its disk and its name until
    # there is capacity again.
    instance_termination_action = "DELETE"

    # In provider and v1 API; Google's documentation calls it a preview. Without it a machine has 30 s from the
    # first sign to the end.
    dynamic "preemption_notice_duration" {
      for_each = var.preemption_notice_seconds > 0 ? [var.preemption_notice_seconds] : []

      content {
        seconds = preemption_notice_duration.value
      }
    }
  }

  disk {
    source_image = var.cos_image
    boot         = true
    auto_delete  = true
    disk_type    = "pd-balanced"
    disk_size_gb = var.boot_disk_gb
    labels       = var.labels
  }

  # No access_config: no public address.
  network_interface {
    subnetwork = var.subnetwork
    stack_type = "IPV4_ONLY"
  }

  # The scope opens all interfaces; the account's roles decide.
  service_account {
    email  = var.service_account
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    user-data = module.containers.user_data
    # Container logs go to Cloud Logging; lines of JSON become fields.
    google-logging-enabled = "true"
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
    # A machine keeps the system that it started with: its driver is made for it.
    cos-update-strategy = "update_disabled"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# A dead worker, or one whose GPU does not encode, answers no 200. Three failures are a minute and a half.
resource "google_compute_health_check" "worker" {
  project             = var.project_id
  name                = local.group_name
  description         = "A render worker's /healthz."
  check_interval_sec  = 30
  timeout_sec         = 10
  healthy_threshold   = 1
  unhealthy_threshold = 3

  http_health_check {
    port         = local.port
    request_path = "/healthz"
  }

  log_config {
    enable = true
  }
}

resource "google_compute_region_instance_group_manager" "workers" {
  project            = var.project_id
  name               = local.group_name
  description        = "Render machines. The autoscale flow decides how many; do not resize by hand."
  region             = var.region
  base_instance_name = local.group_name
  target_size        = var.min_machines

  # Wherever there are spot GPUs.
  distribution_policy_zones        = var.zones
  distribution_policy_target_shape = "ANY"

  version {
    instance_template = google_compute_instance_template.worker.id
  }

  named_port {
    name = "worker"
    port = local.port
  }

  auto_healing_policies {
    health_check      = google_compute_health_check.worker.id
    initial_delay_sec = var.healthy_after_seconds
  }

  # Machines keep what they started with; new ones get the new template. Of a regional group, both numbers are 0
  # or at least the number of zones, and not both 0.
  update_policy {
    type = "OPPORTUNISTIC"
    # The default, PROACTIVE, deletes busy machines to even out the zones.
    instance_redistribution_type   = "NONE"
    minimal_action                 = "REPLACE"
    most_disruptive_allowed_action = "REPLACE"
    replacement_method             = "SUBSTITUTE"
    max_surge_fixed                = 0
    max_unavailable_fixed          = length(var.zones)
  }

  # A preempted machine is made anew, from the newest template, where there is capacity. Compute Engine changes the
  # zone only with the update, and in no group of the shape EVEN.
  instance_lifecycle_policy {
    default_action_on_failure = "REPAIR"
    on_failed_health_check    = "DEFAULT_ACTION"
    force_update_on_repair    = "YES"

    on_repair {
      allow_changing_zone = "YES"
    }
  }

  # Spot machines may not be had for hours; an apply must not wait for them.
  wait_for_instances = false

  lifecycle {
    # The autoscale flow's.
    ignore_changes = [target_size]

    precondition {
      condition     = var.min_machines <= var.max_machines
      error_message = "min_machines is above max_machines."
    }

    precondition {
      condition     = alltrue([for zone in var.zones : startswith(zone, "${var.region}-")])
      error_message = "All zones must be of the region."
    }
  }
}
