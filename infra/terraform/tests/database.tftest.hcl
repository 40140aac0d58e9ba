# Cloud SQL and Memorystore.

mock_provider "google" {}

variables {
  project_id                  = "example-project"
  region                      = "us-central1"
  name                        = "trivia"
  labels                      = { app = "trivia" }
  network_id                  = "projects/example-project/global/networks/trivia"
  private_services_connection = "peering"
  private_services_range      = "trivia-services"
}

run "database" {
  command = plan

  module {
    source = "./modules/database"
  }

  assert {
    condition = (
      !google_sql_database_instance.this.settings[0].ip_configuration[0].ipv4_enabled &&
      google_sql_database_instance.this.settings[0].ip_configuration[0].private_network == var.network_id &&
      length(google_sql_database_instance.this.settings[0].ip_configuration[0].authorized_networks) == 0
    )
    error_message = "The database has a private address alone."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY"
    error_message = "The database takes no connection without TLS."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].availability_type == "REGIONAL" && google_sql_database_instance.this.settings[0].edition == "ENTERPRISE"
    error_message = "The database has a standby in another zone."
  }

  assert {
    condition = (
      google_sql_database_instance.this.settings[0].backup_configuration[0].enabled &&
      google_sql_database_instance.this.settings[0].backup_configuration[0].point_in_time_recovery_enabled &&
      google_sql_database_instance.this.settings[0].backup_configuration[0].transaction_log_retention_days == 3 &&
      google_sql_database_instance.this.settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 14
    )
    error_message = "There are backups of two weeks, and every moment of the last three days."
  }

  assert {
    condition     = google_sql_database_instance.this.deletion_protection && google_sql_database_instance.this.settings[0].deletion_protection_enabled
    error_message = "Nobody deletes the database by mistake."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].disk_autoresize && google_sql_database_instance.this.settings[0].disk_autoresize_limit == 500 && google_sql_database_instance.this.settings[0].disk_size == 100
    error_message = "The disk grows by itself, up to a limit."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].maintenance_window[0].update_track == "stable" && google_sql_database_instance.this.settings[0].insights_config[0].query_insights_enabled
    error_message = "Maintenance has its hour, and slow queries are seen."
  }

  assert {
    condition     = google_sql_database_instance.this.root_password == null && length(google_sql_database_instance.this.settings[0].database_flags) == 9
    error_message = "No password is in the state, and what is rare is logged."
  }

  assert {
    condition     = google_sql_database.prefect.name == "prefect" && output.database_name == "prefect"
    error_message = "Prefect has a database of its own."
  }
}

run "redis" {
  command = plan

  module {
    source = "./modules/database"
  }

  assert {
    condition     = google_redis_instance.this.connect_mode == "PRIVATE_SERVICE_ACCESS" && google_redis_instance.this.authorized_network == var.network_id
    error_message = "Redis has a private address."
  }

  assert {
    condition     = google_redis_instance.this.redis_configs["maxmemory-policy"] == "noeviction"
    error_message = "Redis throws nothing away in silence."
  }

  assert {
    condition     = google_redis_instance.this.tier == "STANDARD_HA" && google_redis_instance.this.memory_size_gb == 1
    error_message = "Redis has a replica."
  }

  assert {
    condition     = !google_redis_instance.this.auth_enabled && google_redis_instance.this.deletion_protection
    error_message = "Redis has no password, which would stand in the state."
  }
}

run "refused" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    database_version       = "MYSQL_8_0"
    database_tier          = "db-f1-micro"
    database_availability  = "NONE"
    database_disk_gb       = 5
    database_disk_limit_gb = 50
    redis_memory_gb        = 0
    redis_tier             = "CHEAP"
  }

  expect_failures = [
    var.database_version,
    var.database_tier,
    var.database_availability,
    var.database_disk_gb,
    var.database_disk_limit_gb,
    var.redis_memory_gb,
    var.redis_tier,
  ]
}
