# Everything that may come in or go out. Machines are known by their service account, which only whoever makes
# a machine can choose; a network tag can be set by anyone who may edit one.

locals {
  # What may come in: who asks, which machines answer, on which ports.
  ingress = merge({
    health-worker = {
      description = "Health checks of render machines: /healthz."
      sources     = var.health_check_ranges
      targets     = [var.worker_email]
      ports       = ["4310"]
    }
    health-api = {
      description = "Health checks of Prefect's API: /api/health."
      sources     = var.health_check_ranges
      targets     = [var.api_email]
      ports       = ["4200"]
    }
    health-control = {
      description = "Health checks of the control machine, at its dashboard."
      sources     = var.health_check_ranges
      targets     = [var.control_email]
      ports       = ["4300"]
    }
    api = {
      description = "Prefect's API, for the subnet alone: the load balancer keeps the sender's address."
      sources     = [var.subnet_cidr]
      targets     = [var.api_email]
      ports       = ["4200"]
    }
    tunnel-api = {
      description = "Operators' tunnels to Prefect's API and its pages."
      sources     = var.iap_ranges
      targets     = [var.api_email]
      ports       = ["4200"]
    }
    tunnel-dashboard = {
      description = "Operators' tunnels to the fleet's dashboard."
      sources     = var.iap_ranges
      targets     = [var.control_email]
      ports       = ["4300"]
    }
    }, length(var.administrators) == 0 ? {} : {
    tunnel-ssh = {
      description = "Administrators' tunnels to SSH, with OS Login."
      sources     = var.iap_ranges
      targets     = local.machines
      ports       = ["22"]
    }
  })

  # What may go out. Names, time and identity come from the metadata server, which no rule can cut off.
  egress = {
    https = {
      description  = "Google's APIs, the image registry, and the hosts of images."
      destinations = ["0.0.0.0/0"]
      targets      = local.machines
      ports        = ["443"]
    }
    api = {
      description  = "Prefect's API at its internal address."
      destinations = [var.subnet_cidr]
      targets      = local.machines
      ports        = ["4200"]
    }
    data = {
      description  = "Cloud SQL (5432) and Memorystore (6379)."
      destinations = [var.private_services_cidr]
      targets      = [var.control_email, var.api_email]
      ports        = ["5432", "6379"]
    }
  }
}

resource "google_compute_firewall" "ingress" {
  for_each = local.ingress

  project                 = var.project_id
  name                    = "${var.name}-in-${each.key}"
  description             = each.value.description
  network                 = google_compute_network.this.id
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = each.value.sources
  target_service_accounts = each.value.targets

  allow {
    protocol = "tcp"
    ports    = each.value.ports
  }
}

resource "google_compute_firewall" "egress" {
  for_each = local.egress

  project                 = var.project_id
  name                    = "${var.name}-out-${each.key}"
  description             = each.value.description
  network                 = google_compute_network.this.id
  direction               = "EGRESS"
  priority                = 1000
  destination_ranges      = each.value.destinations
  target_service_accounts = each.value.targets

  allow {
    protocol = "tcp"
    ports    = each.value.ports
  }
}

# A network denies what comes in by itself, but in silence, and lets everything out.
resource "google_compute_firewall" "deny_ingress" {
  project       = var.project_id
  name          = "${var.name}-in-deny"
  description   = "Everything else is denied, and logged."
  network       = google_compute_network.this.id
  direction     = "INGRESS"
  priority      = 65534
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "deny_egress" {
  project            = var.project_id
  name               = "${var.name}-out-deny"
  description        = "Everything else is denied, and logged."
  network            = google_compute_network.this.id
  direction          = "EGRESS"
  priority           = 65534
  destination_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}
