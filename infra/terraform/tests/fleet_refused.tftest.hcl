# What the variables of the render machines refuse.

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

# What stands in the files of a machine cannot become another line, another word or another key.
run "injection" {
  command = plan

  module {
    source = "./modules/container_host"
  }

  variables {
    image              = "us-central1-docker.pkg.dev/p/r/i@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef --privileged"
    ports              = [22]
    gpu_driver_version = "default; reboot"
    containers = {
      worker = {
        description = "One\nExecStartPre=/bin/true"
        command     = ["trivia", "$(reboot)"]
        environment = { TRIVIA_X = "one\nLD_PRELOAD=x.so" }
        secrets     = { PREFECT_API_AUTH_STRING = "user:password" }
        after       = ["worker"]
        memory_mb   = 1
      }
    }
  }

  expect_failures = [var.image, var.ports, var.gpu_driver_version, var.containers]
}

run "refused" {
  command = plan

  module {
    source = "./modules/render_fleet"
  }

  variables {
    zones                     = []
    min_machines              = -1
    max_machines              = 0
    machine_type              = "e2-standard-4"
    gpu_type                  = "none"
    cos_image                 = "projects/cos-cloud/global/images/family/cos-stable"
    boot_disk_gb              = 10
    preemption_notice_seconds = 60
    healthy_after_seconds     = 120
    prefect_api_url           = "http://user:password@10.20.0.5:4200/api"
    extra_environment         = { PREFECT_API_URL = "http://elsewhere:4200/api" }
  }

  expect_failures = [
    var.zones,
    var.min_machines,
    var.max_machines,
    var.machine_type,
    var.gpu_type,
    var.cos_image,
    var.boot_disk_gb,
    var.preemption_notice_seconds,
    var.healthy_after_seconds,
    var.prefect_api_url,
    var.extra_environment,
  ]
}
