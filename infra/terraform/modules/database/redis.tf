# Redis, where the processes of Prefect's server meet: events under way, leases, the queue of background work.
# What is lost with it is made up for by Prefect or by the maintenance flow; what became of jobs is in the bucket.

resource "google_redis_instance" "this" {
  #checkov:skip=CKV_GCP_95:Memorystore makes the password and the provider writes it into the state, where no secret may be. The egress firewall lets only the service accounts of Prefect's server reach this address, and workers do not.
  #checkov:skip=CKV_GCP_97:Without a password there is no credential to protect on the way; Google encrypts what leaves a building between its machines.
  project             = var.project_id
  name                = "${var.name}-redis"
  display_name        = "Events of Prefect's server (${var.name})"
  region              = var.region
  tier                = var.redis_tier
  memory_size_gb      = var.redis_memory_gb
  redis_version       = "REDIS_7_2"
  labels              = var.labels
  deletion_protection = var.deletion_protection

  authorized_network      = var.network_id
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  reserved_ip_range       = var.private_services_range
  auth_enabled            = false
  transit_encryption_mode = "DISABLED"

  redis_configs = {
    # The default evicts keys with a time to live when the memory is full: leases among them, in silence. Refused
    # writes are seen, by an alert before that.
    maxmemory-policy = "noeviction"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"

      start_time {
        hours = 5
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.private_services_connection != ""
      error_message = "Memorystore with a private address needs the network's peering with Google's services."
    }
  }
}
