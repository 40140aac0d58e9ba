# The whole, put together, and what its variables refuse.

mock_provider "google" {}

variables {
  project_id     = "example-project"
  region         = "us-central1"
  operators      = ["group:video@example.com"]
  administrators = ["user:sre@example.com"]
  alert_email    = "sre@example.com"
  image          = "us-central1-docker.pkg.dev/example-project/trivia/trivia-render@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "whole" {
  command = plan

  assert {
    condition     = output.media_bucket == "example-project-trivia-media" && output.work_bucket == "example-project-trivia-work"
    error_message = "Buckets carry the project's id: their names are the whole world's."
  }

  assert {
    condition     = output.zones == tolist(["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"])
    error_message = "Machines are looked for in all zones of the region with T4s: spot ones are scarce."
  }

  assert {
    condition     = alltrue([for service in google_project_service.this : !service.disable_on_destroy])
    error_message = "Interfaces that are on stay on."
  }
}

# Zones that are named count, and none are needed from the table.
run "elsewhere" {
  command = plan

  variables {
    region = "southamerica-east1"
    zones  = ["southamerica-east1-c"]
  }

  assert {
    condition     = output.zones == tolist(["southamerica-east1-c"])
    error_message = "Machines are looked for in the zones that were named."
  }
}

run "unknown_region" {
  command = plan

  variables {
    region = "southamerica-east1"
  }

  expect_failures = [output.zones]
}

run "refused" {
  command = plan

  variables {
    project_id                = "Example"
    region                    = "us-central1-a"
    name                      = "-"
    labels                    = { "A b" = "c" }
    operators                 = ["allUsers"]
    administrators            = ["domain:example.com"]
    subnet_cidr               = "10.20.0.0/28"
    private_services_cidr     = "ten"
    iap_ranges                = ["0.0.0.0/0"]
    health_check_ranges       = ["0.0.0.0/0"]
    soft_delete_days          = 1
    keep_images               = 5
    image                     = "us-central1-docker.pkg.dev/example-project/trivia/trivia-render:latest"
    zones                     = ["us-central1"]
    min_machines              = -1
    max_machines              = 0
    machine_type              = "n1-custom-4-4096"
    gpu_type                  = "nvidia-tesla-a100"
    cos_image                 = "projects/cos-cloud/global/images/family/cos-stable"
    api_machine_type          = "large"
    control_machine_type      = "large"
    gpu_driver_version        = "newest"
    preemption_notice_seconds = 60
    healthy_after_seconds     = 10
    worker_environment        = { "HOME" = "/" }
    control_environment       = { "TRIVIA_X" = "a\nb" }
    database_tier             = "db-f1-micro"
    database_availability     = "BOTH"
    redis_tier                = "CHEAP"
    redis_memory_gb           = 0
    alert_email               = "nobody"
    runbook_url               = "file"
    billing_account           = "mine"
    budget                    = 0.5
  }

  expect_failures = [
    var.project_id,
    var.region,
    var.name,
    var.labels,
    var.operators,
    var.administrators,
    var.subnet_cidr,
    var.private_services_cidr,
    var.iap_ranges,
    var.health_check_ranges,
    var.soft_delete_days,
    var.keep_images,
    var.image,
    var.zones,
    var.min_machines,
    var.max_machines,
    var.machine_type,
    var.gpu_type,
    var.cos_image,
    var.api_machine_type,
    var.control_machine_type,
    var.gpu_driver_version,
    var.preemption_notice_seconds,
    var.healthy_after_seconds,
    var.worker_environment,
    var.control_environment,
    var.database_tier,
    var.database_availability,
    var.redis_tier,
    var.redis_memory_gb,
    var.alert_email,
    var.runbook_url,
    var.billing_account,
    var.budget,
  ]
}
