# Prefect's database. It has a private address alone and takes no connection without TLS. Its user and the
# password are made by the deploy command: whatever Terraform makes stands in its state.

resource "google_sql_database_instance" "this" {
  #checkov:skip=CKV_GCP_108:Only Prefect's servers connect, from a subnet without names worth a look-up each time.
  #checkov:skip=CKV_GCP_110:One program with one user is all there is to audit, and a video is some 350 statements.
  #checkov:skip=CKV_GCP_6:It wants client certificates, which would be further secrets to hand out; ENCRYPTED_ONLY refuses what is not TLS.
  #checkov:skip=CKV_GCP_79:One release behind the newest, which Google supports until 2029 and Prefect's driver has known for long.
  #checkov:skip=CKV2_GCP_13:A line for each statement would be more than the database's own data; insights have the durations.
  project             = var.project_id
  name                = "${var.name}-prefect"
  region              = var.region
  database_version    = var.database_version
  deletion_protection = var.deletion_protection

  settings {
    tier    = var.database_tier
    edition = "ENTERPRISE"

    availability_type           = var.database_availability
    activation_policy           = "ALWAYS"
    deletion_protection_enabled = var.deletion_protection
    retain_backups_on_delete    = true
    user_labels                 = var.labels

    disk_type             = "PD_SSD"
    disk_size             = var.database_disk_gb
    disk_autoresize       = true
    disk_autoresize_limit = var.database_disk_limit_gb

    ip_configuration {
      ipv4_enabled       = false
      private_network    = var.network_id
      allocated_ip_range = var.private_services_range
      # The password goes inside of TLS alone.
      ssl_mode = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      location                       = var.region
      start_time                     = "03:00"
      point_in_time_recovery_enabled = true
      # 41 GB of it a day at 80,000 videos. Runs are kept for two days, so that older states are of no use.
      transaction_log_retention_days = 3

      backup_retention_settings {
        retained_backups = 14
        retention_unit   = "COUNT"
      }
    }

    maintenance_window {
      day          = 7
      hour         = 4
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled  = true
      query_string_length     = 1024
      query_plans_per_minute  = 5
      record_application_tags = false
      record_client_address   = false
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0"
    }

    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }

    database_flags {
      name  = "log_min_duration_statement"
      value = "-1"
    }

    # What changes tables, such as a migration.
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
  }

  lifecycle {
    # It grows by itself; a smaller number here would make the instance anew.
    ignore_changes = [settings[0].disk_size]

    # Read for the order alone: a private address takes the peering.
    precondition {
      condition     = var.private_services_connection != ""
      error_message = "Cloud SQL with a private address needs the network's peering with Google's services."
    }

    precondition {
      condition     = var.database_disk_gb <= var.database_disk_limit_gb
      error_message = "database_disk_gb is above database_disk_limit_gb."
    }
  }
}

resource "google_sql_database" "prefect" {
  project   = var.project_id
  name      = "prefect"
  instance  = google_sql_database_instance.this.name
  charset   = "UTF8"
  collation = "en_US.UTF8"
}
