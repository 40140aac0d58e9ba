# The group of render machines: every setting on which busy machines depend.

mock_provider "google" {}

variables {
  project_id           = "example-project"
  region               = "us-central1"
  name                 = "trivia"
  labels               = { app = "trivia" }
  zones                = ["us-central1-a", "us-central1-b", "us-central1-c"]
  subnetwork           = "projects/example-project/regions/us-central1/subnetworks/trivia"
  service_account      = "trivia-worker@example-project.iam.gserviceaccount.com"
  image                = "us-central1-docker.pkg.dev/example-project/trivia/trivia-render@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  media_bucket         = "example-project-trivia-media"
  work_bucket          = "example-project-trivia-work"
  prefect_api_url      = "http://10.20.0.5:4200/api"
  prefect_auth_version = "projects/example-project/secrets/trivia-prefect-auth/versions/latest"
}

run "scheduling" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  assert {
    condition     = google_compute_instance_template.worker.scheduling[0].provisioning_model == "SPOT"
    error_message = "Render machines are spot machines."
  }

  assert {
    condition     = google_compute_instance_template.worker.scheduling[0].preemptible
    error_message = "Compute Engine asks that a spot machine says that it can be preempted."
  }

  assert {
    condition     = !google_compute_instance_template.worker.scheduling[0].automatic_restart
    error_message = "A spot machine is not restarted: the group makes it anew."
  }

  assert {
    condition     = google_compute_instance_template.worker.scheduling[0].on_host_maintenance == "TERMINATE"
    error_message = "A machine with a GPU cannot be moved."
  }

  assert {
    condition     = google_compute_instance_template.worker.scheduling[0].instance_termination_action == "DELETE"
    error_message = "A preempted machine leaves nothing behind."
  }

  assert {
    condition     = one(google_compute_instance_template.worker.scheduling[0].preemption_notice_duration[*].seconds) == 120
    error_message = "A worker hears two minutes before that its machine goes."
  }

  assert {
    condition = (
      google_compute_instance_template.worker.machine_type == "n1-standard-4" &&
      google_compute_instance_template.worker.guest_accelerator[0].type == "nvidia-tesla-t4" &&
      google_compute_instance_template.worker.guest_accelerator[0].count == 1
    )
    error_message = "A render machine is an n1-standard-4 with one T4."
  }
}

run "group" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.distribution_policy_target_shape == "ANY" && google_compute_region_instance_group_manager.workers.distribution_policy_zones == toset(var.zones)
    error_message = "Machines are made wherever there are spot GPUs."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.update_policy[0].instance_redistribution_type == "NONE"
    error_message = "Evening out the zones would delete busy machines."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.update_policy[0].type == "OPPORTUNISTIC"
    error_message = "A new template must not replace busy machines."
  }

  assert {
    condition = (
      google_compute_region_instance_group_manager.workers.update_policy[0].max_surge_fixed == 0 &&
      google_compute_region_instance_group_manager.workers.update_policy[0].max_unavailable_fixed == 3
    )
    error_message = "Of a regional group, each number is 0 or at least the number of zones; none makes it larger than the quota."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.target_size == 1
    error_message = "A new group has as many machines as the fleet has at least."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.instance_lifecycle_policy[0].on_repair[0].allow_changing_zone == "YES"
    error_message = "A preempted machine comes back where there is capacity."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.instance_lifecycle_policy[0].force_update_on_repair == "YES"
    error_message = "A preempted machine comes back up to date."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.instance_lifecycle_policy[0].on_failed_health_check == "DEFAULT_ACTION"
    error_message = "A machine whose worker answers no more is treated as one that has failed."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.instance_lifecycle_policy[0].default_action_on_failure == "REPAIR"
    error_message = "A machine that has failed is made anew."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.update_policy[0].minimal_action == "REPLACE"
    error_message = "A machine gets a new template by being made anew: its disk is a part of it."
  }

  assert {
    condition     = { for port in google_compute_region_instance_group_manager.workers.named_port : port.name => port.port } == { worker = 4310 }
    error_message = "The group names the port of its workers."
  }

  assert {
    condition     = !google_compute_region_instance_group_manager.workers.wait_for_instances
    error_message = "An apply does not wait for machines that nobody may have."
  }
}

run "health" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  assert {
    condition     = google_compute_health_check.worker.check_interval_sec == 30
    error_message = "Workers are asked every 30 s."
  }

  assert {
    condition     = google_compute_health_check.worker.unhealthy_threshold == 3
    error_message = "Three failures, a minute and a half, are the end of a render machine: one is a busy moment."
  }

  assert {
    condition     = google_compute_health_check.worker.timeout_sec == 10
    error_message = "A worker under load has 10 s to answer."
  }

  assert {
    condition     = google_compute_health_check.worker.http_health_check[0].request_path == "/healthz"
    error_message = "A worker is asked at its /healthz."
  }

  assert {
    condition     = google_compute_health_check.worker.http_health_check[0].port == 4310
    error_message = "A worker is asked at its port."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.workers.auto_healing_policies[0].initial_delay_sec == 600
    error_message = "A new machine has the time to install its driver and fetch the image."
  }
}

run "access" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  assert {
    condition     = length(google_compute_instance_template.worker.network_interface) == 1 && length(google_compute_instance_template.worker.network_interface[0].access_config) == 0 && length(google_compute_instance_template.worker.network_interface[0].ipv6_access_config) == 0
    error_message = "No render machine has a public address."
  }

  assert {
    condition     = google_compute_instance_template.worker.shielded_instance_config[0].enable_secure_boot
    error_message = "Machines start what is signed."
  }

  assert {
    condition     = google_compute_instance_template.worker.shielded_instance_config[0].enable_vtpm && google_compute_instance_template.worker.shielded_instance_config[0].enable_integrity_monitoring
    error_message = "What a machine starts is measured."
  }

  assert {
    condition     = google_compute_instance_template.worker.metadata["enable-oslogin"] == "TRUE"
    error_message = "A shell takes OS Login."
  }

  assert {
    condition     = google_compute_instance_template.worker.metadata["block-project-ssh-keys"] == "TRUE"
    error_message = "No key of the project opens a machine."
  }

  assert {
    condition     = google_compute_instance_template.worker.metadata["serial-port-enable"] == "FALSE"
    error_message = "There is no console to sign in at."
  }

  assert {
    condition     = google_compute_instance_template.worker.metadata["google-logging-enabled"] == "true"
    error_message = "Log lines go to Cloud Logging."
  }

  assert {
    condition     = google_compute_instance_template.worker.service_account[0].email == var.service_account && google_compute_instance_template.worker.service_account[0].scopes == toset(["cloud-platform"])
    error_message = "A machine acts as the worker, and its roles decide."
  }

  assert {
    condition     = !google_compute_instance_template.worker.can_ip_forward
    error_message = "A render machine forwards nothing."
  }

  assert {
    condition     = startswith(google_compute_instance_template.worker.disk[0].source_image, "projects/cos-cloud/global/images/family/cos-") && endswith(google_compute_instance_template.worker.disk[0].source_image, "-lts")
    error_message = "Machines run Container-Optimized OS of a milestone with long-term support."
  }
}

run "no_notice" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  variables {
    preemption_notice_seconds = 0
  }

  assert {
    condition     = length(google_compute_instance_template.worker.scheduling[0].preemption_notice_duration) == 0
    error_message = "The notice can be left out."
  }
}

run "too_many" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  variables {
    min_machines = 30
  }

  expect_failures = [google_compute_region_instance_group_manager.workers]
}

run "elsewhere" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  variables {
    zones = ["europe-west4-a"]
  }

  expect_failures = [google_compute_region_instance_group_manager.workers]
}
