# The secrets without their values: those are added by the deploy command, and never come into Terraform's state.
# Who reads each is set whole: a grant that was made by hand is taken away at the next apply.

locals {
  secrets = {
    prefect-auth = {
      readers = var.prefect_auth_readers
    }
    database-url = {
      readers = var.database_url_readers
    }
  }
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  project             = var.project_id
  secret_id           = "${var.name}-${each.key}"
  labels              = var.labels
  deletion_protection = var.deletion_protection
  # A version that was destroyed by mistake can be had back for a week.
  version_destroy_ttl = "${7 * 86400}s"

  replication {
    user_managed {
      replicas {
        location = var.location
      }
    }
  }
}

resource "google_secret_manager_secret_iam_binding" "readers" {
  for_each = local.secrets

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  members   = each.value.readers
}

# Who reads a secret's value is logged. Few do, and seldom: each container at its start.
resource "google_project_iam_audit_config" "secrets" {
  project = var.project_id
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
}
