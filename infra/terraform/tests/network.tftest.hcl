# What can reach what.

mock_provider "google" {}

variables {
  project_id            = "example-project"
  region                = "us-central1"
  name                  = "trivia"
  subnet_cidr           = "10.20.0.0/20"
  private_services_cidr = "10.21.0.0/20"
  iap_ranges            = ["35.235.240.0/20"]
  health_check_ranges   = ["35.191.0.0/16", "130.211.0.0/22"]
  worker_email          = "worker@example.com"
  control_email         = "control@example.com"
  api_email             = "api@example.com"
  administrators        = ["user:sre@example.com"]
}

run "routes" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = google_compute_subnetwork.this.private_ip_google_access && !google_compute_network.this.auto_create_subnetworks
    error_message = "Machines without public addresses reach Google's APIs privately, in the one subnet there is."
  }

  assert {
    condition     = google_compute_router_nat.this.nat_ip_allocate_option == "AUTO_ONLY" && google_compute_router_nat.this.log_config[0].enable
    error_message = "All else goes through Cloud NAT, and is logged."
  }

  assert {
    condition     = google_compute_global_address.private_services.address == "10.21.0.0" && google_compute_global_address.private_services.prefix_length == 20
    error_message = "Cloud SQL and Memorystore get the range that they were promised."
  }
}

run "ingress" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition = {
      for key, rule in google_compute_firewall.ingress : key =>
      "${join(",", sort(rule.source_ranges))} -> ${join(",", sort(rule.target_service_accounts))} ${join(",", flatten([for allow in rule.allow : [for port in allow.ports : "${allow.protocol}/${port}"]]))}"
      } == {
      health-worker    = "130.211.0.0/22,35.191.0.0/16 -> worker@example.com tcp/4310"
      health-api       = "130.211.0.0/22,35.191.0.0/16 -> api@example.com tcp/4200"
      health-control   = "130.211.0.0/22,35.191.0.0/16 -> control@example.com tcp/4300"
      api              = "10.20.0.0/20 -> api@example.com tcp/4200"
      tunnel-api       = "35.235.240.0/20 -> api@example.com tcp/4200"
      tunnel-dashboard = "35.235.240.0/20 -> control@example.com tcp/4300"
      tunnel-ssh       = "35.235.240.0/20 -> api@example.com,control@example.com,worker@example.com tcp/22"
    }
    error_message = "Health checks, the subnet's calls to the API and tunnels come in, and nothing else."
  }

  assert {
    condition = (
      one([for deny in google_compute_firewall.deny_ingress.deny : deny.protocol]) == "all" &&
      google_compute_firewall.deny_ingress.direction == "INGRESS" &&
      google_compute_firewall.deny_ingress.source_ranges == toset(["0.0.0.0/0"]) &&
      length(google_compute_firewall.deny_ingress.log_config) == 1
    )
    error_message = "Everything else is denied and logged."
  }
}

run "without_administrators" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    administrators = []
  }

  assert {
    condition     = keys(google_compute_firewall.ingress) == ["api", "health-api", "health-control", "health-worker", "tunnel-api", "tunnel-dashboard"] && !contains(flatten([for rule in google_compute_firewall.ingress : [for allow in rule.allow : allow.ports]]), "22")
    error_message = "Where nobody may open a shell, nothing comes in at port 22."
  }
}

run "egress" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition = {
      for key, rule in google_compute_firewall.egress : key =>
      "${join(",", sort(rule.target_service_accounts))} -> ${join(",", sort(rule.destination_ranges))} ${join(",", flatten([for allow in rule.allow : [for port in allow.ports : "${allow.protocol}/${port}"]]))}"
      } == {
      https = "api@example.com,control@example.com,worker@example.com -> 0.0.0.0/0 tcp/443"
      api   = "api@example.com,control@example.com,worker@example.com -> 10.20.0.0/20 tcp/4200"
      data  = "api@example.com,control@example.com -> 10.21.0.0/20 tcp/5432,tcp/6379"
    }
    error_message = "Machines speak HTTPS to the world; the database is for Prefect's server alone."
  }

  assert {
    condition = (
      one([for deny in google_compute_firewall.deny_egress.deny : deny.protocol]) == "all" &&
      google_compute_firewall.deny_egress.direction == "EGRESS" &&
      google_compute_firewall.deny_egress.destination_ranges == toset(["0.0.0.0/0"]) &&
      length(google_compute_firewall.deny_egress.log_config) == 1
    )
    error_message = "Everything else is denied and logged."
  }
}
