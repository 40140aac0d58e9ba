# Prefect's API and the control machine.

mock_provider "google" {
  mock_resource "google_compute_address" {
    defaults = { address = "10.20.0.5" }
  }
}

variables {
  project_id              = "example-project"
  region                  = "us-central1"
  name                    = "trivia"
  labels                  = { app = "trivia" }
  zones                   = ["us-central1-a", "us-central1-b", "us-central1-c"]
  network_id              = "projects/example-project/global/networks/trivia"
  subnetwork              = "projects/example-project/regions/us-central1/subnetworks/trivia"
  control_service_account = "trivia-control@example-project.iam.gserviceaccount.com"
  api_service_account     = "trivia-api@example-project.iam.gserviceaccount.com"
  image                   = "us-central1-docker.pkg.dev/example-project/trivia/trivia-render@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  media_bucket            = "example-project-trivia-media"
  prefect_auth_version    = "projects/example-project/secrets/trivia-prefect-auth/versions/latest"
  database_url_version    = "projects/example-project/secrets/trivia-database-url/versions/latest"
  redis_host              = "10.21.0.4"
  redis_port              = 6379
  machine_group           = "trivia-workers"
  min_machines            = 1
  max_machines            = 20
}

run "api_group" {
  command = plan

  module {
    source = "./modules/control"
  }

  assert {
    condition     = google_compute_region_instance_group_manager.api.target_size == 2 && google_compute_region_instance_group_manager.api.distribution_policy_target_shape == "BALANCED"
    error_message = "Prefect's API has two machines in two zones."
  }

  assert {
    condition = (
      google_compute_region_instance_group_manager.api.update_policy[0].type == "OPPORTUNISTIC" &&
      google_compute_region_instance_group_manager.api.update_policy[0].max_surge_fixed == 3 &&
      google_compute_region_instance_group_manager.api.update_policy[0].max_unavailable_fixed == 0
    )
    error_message = "The API is replaced when the database is migrated, one machine after the other has come."
  }

  assert {
    condition     = google_compute_health_check.api.http_health_check[0].request_path == "/api/health" && google_compute_health_check.api.http_health_check[0].port == 4200
    error_message = "A machine whose API does not answer is replaced."
  }

  assert {
    condition     = google_compute_region_instance_group_manager.api.auto_healing_policies[0].initial_delay_sec == 600
    error_message = "A new machine has the time to fetch the image."
  }
}

run "load_balancer" {
  command = plan

  module {
    source = "./modules/control"
  }

  assert {
    condition     = google_compute_address.api.address_type == "INTERNAL" && google_compute_address.api.purpose == "GCE_ENDPOINT" && google_compute_address.api.subnetwork == var.subnetwork
    error_message = "The API has one address of the subnet."
  }

  assert {
    condition = (
      google_compute_forwarding_rule.api.load_balancing_scheme == "INTERNAL" &&
      google_compute_forwarding_rule.api.ip_protocol == "TCP" &&
      google_compute_forwarding_rule.api.ports == toset(["4200"]) &&
      !google_compute_forwarding_rule.api.allow_global_access
    )
    error_message = "It is reached at port 4200 of that address, from this region alone."
  }

  assert {
    condition     = google_compute_region_backend_service.api.load_balancing_scheme == "INTERNAL" && google_compute_region_backend_service.api.protocol == "TCP" && one(google_compute_region_backend_service.api.backend).balancing_mode == "CONNECTION"
    error_message = "The load balancer passes connections on."
  }

  assert {
    condition     = google_compute_region_backend_service.api.session_affinity == "NONE"
    error_message = "A client's connections go to any machine of the API: none of them keeps anything."
  }

  assert {
    condition     = google_compute_region_health_check.api.http_health_check[0].request_path == "/api/health" && google_compute_region_health_check.api.http_health_check[0].port == 4200 && google_compute_region_health_check.api.check_interval_sec == 5
    error_message = "It sends nothing to a machine whose API does not answer."
  }
}

run "control_group" {
  command = plan

  module {
    source = "./modules/control"
  }

  assert {
    condition     = google_compute_region_instance_group_manager.control.target_size == 1
    error_message = "There is one control machine."
  }

  assert {
    condition = (
      google_compute_region_instance_group_manager.control.update_policy[0].type == "OPPORTUNISTIC" &&
      google_compute_region_instance_group_manager.control.update_policy[0].max_surge_fixed == 0 &&
      google_compute_region_instance_group_manager.control.update_policy[0].max_unavailable_fixed == 3
    )
    error_message = "There are never two: the old one goes before the new one comes."
  }

  assert {
    condition = (
      google_compute_region_instance_group_manager.control.instance_lifecycle_policy[0].on_repair[0].allow_changing_zone == "YES" &&
      google_compute_region_instance_group_manager.control.instance_lifecycle_policy[0].force_update_on_repair == "YES"
    )
    error_message = "It moves where its zone is out."
  }

  assert {
    condition     = google_compute_health_check.control.http_health_check[0].request_path == "/healthz" && google_compute_health_check.control.http_health_check[0].port == 4300
    error_message = "A control machine whose fleet service does not answer is replaced."
  }
}

run "access" {
  command = plan

  module {
    source = "./modules/control"
  }

  assert {
    condition     = alltrue([for template in [google_compute_instance_template.api, google_compute_instance_template.control] : length(template.network_interface) == 1 && length(template.network_interface[0].access_config) == 0 && length(template.network_interface[0].ipv6_access_config) == 0])
    error_message = "Neither the API nor the control machine has a public address."
  }

  assert {
    condition     = alltrue([for template in [google_compute_instance_template.api, google_compute_instance_template.control] : template.shielded_instance_config[0].enable_secure_boot && template.shielded_instance_config[0].enable_vtpm && template.shielded_instance_config[0].enable_integrity_monitoring])
    error_message = "Machines start what Google has signed, and measure it."
  }

  assert {
    condition     = alltrue([for template in [google_compute_instance_template.api, google_compute_instance_template.control] : template.scheduling[0].provisioning_model == "STANDARD"])
    error_message = "They are no spot machines."
  }

  assert {
    condition     = google_compute_instance_template.api.service_account[0].email == var.api_service_account && google_compute_instance_template.control.service_account[0].email == var.control_service_account
    error_message = "Each acts as its own account."
  }
}

# With the load balancer's address known.
run "machines" {
  module {
    source = "./modules/control"
  }

  assert {
    condition     = output.prefect_api_url == "http://10.20.0.5:4200/api" && output.api_address == "10.20.0.5"
    error_message = "Clients reach the API at the load balancer's address."
  }

  assert {
    condition     = alltrue([for template in [google_compute_instance_template.api, google_compute_instance_template.control] : template.metadata["enable-oslogin"] == "TRUE" && template.metadata["block-project-ssh-keys"] == "TRUE" && template.metadata["serial-port-enable"] == "FALSE"])
    error_message = "A shell takes OS Login, and no key of the project."
  }

  assert {
    condition     = google_compute_instance_template.api.metadata["user-data"] != google_compute_instance_template.control.metadata["user-data"]
    error_message = "The two kinds of machine run different containers."
  }
}

run "refused" {
  command = plan

  module {
    source = "./modules/control"
  }

  variables {
    zones                 = ["us-central1"]
    cos_image             = "debian-cloud/debian-12"
    api_machine_type      = "large"
    control_machine_type  = "large"
    api_machines          = 0
    healthy_after_seconds = 10
    boot_seconds          = 10
    min_machines          = 0.5
    max_machines          = 0
    extra_environment     = { LD_PRELOAD = "x" }
  }

  expect_failures = [
    var.zones,
    var.cos_image,
    var.api_machine_type,
    var.control_machine_type,
    var.api_machines,
    var.healthy_after_seconds,
    var.boot_seconds,
    var.min_machines,
    var.max_machines,
    var.extra_environment,
  ]
}
